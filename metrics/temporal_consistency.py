"""How well the next frame is the last one moved: temporal consistency without weights."""

from typing import Any

import torch
from torch import Tensor

from metrics.clip_scores import ClipScore
from metrics.optical_flow import METHOD, MIN_SIZE, grey, is_followed, moved_back, optical_flows


class FlowWarpingError(ClipScore):
    """Flow-warping error between neighbouring frames (Lai et al. 2018, arXiv:1808.00449, section 4).

        E(t) = sum over valid pixels of mean over channels of (V_t - warp(V_t+1))^2 / number of valid pixels

    in units of [0, 1] squared (grey levels / 255): 0 is best, 0.01 is an error of a tenth of the range.  warp looks
    frame t + 1 up where the optical flow says that frame t's pixels went; valid are the pixels that neither are
    occluded nor lie on the edge of a motion nor leave the frame (Ruder et al. 2016, arXiv:1604.08610), see
    `metrics.optical_flow`.  Given the same flow the mask is that of Lai et al.'s program (1 pixel of 65,536 apart), but
    for what leaves the frame.  They estimate the flow with FlowNet2 on the unprocessed video; here it is OpenCV's DIS,
    which needs no weights, on the measured clip itself, since a generated clip has no other.  So the numbers are not
    theirs, and depend on the frame size.  Where no pixel is valid all count (0 in their program).

    Blind spots: a still picture scores 0, the best there is, and less motion is always better: read it beside the same
    number of real clips, and beside a motion distance.  It sees neighbours only, so slow drift is unseen.  Blurred
    clips score well.  What changes without any order is partly taken for occlusion and left out.

    Shapes: uint8 (N, 3 or 1, T, H, W), T at least 2, H and W at least 12 -> float64 (N, T - 1).  Runs on one CPU core.
    """

    name = "flow_warping_error"
    needs_real = False
    higher_is_better = False
    frames_per_score = 2
    min_size = MIN_SIZE

    @property
    def settings(self) -> dict[str, Any]:
        """Flow and occlusions."""
        return {"optical_flow": METHOD, "of": "grey levels", "occlusions": "Ruder et al. 2016"}

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """Errors (N, T - 1)."""
        clips = fake.cpu()
        return torch.stack([_errors(clip) for clip in clips])


def _errors(clip: Tensor) -> Tensor:
    """Errors (T - 1,) of a clip uint8 (C, T, H, W)."""
    forward, backward = (flows[0] for flows in optical_flows(grey(clip[None])))  # (T - 1, 2, H, W)
    frames = clip.transpose(0, 1).double() / 255  # (T, C, H, W)
    difference = (frames[:-1] - moved_back(frames[1:], forward)).square().mean(1)  # (T - 1, H, W)
    is_valid = is_followed(forward, backward).to(difference)
    is_valid = torch.where(is_valid.sum((1, 2), keepdim=True) == 0, torch.ones_like(is_valid), is_valid)
    return (difference * is_valid).sum((1, 2)) / is_valid.sum((1, 2))
