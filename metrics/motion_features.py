"""How things move in a clip, as a row of numbers: what a motion distance compares."""

import hashlib
import json
import math

import torch
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork
from metrics.optical_flow import METHOD, forward_flows, grey, moved_back
from metrics.resizing import Resize

GRID = 2  # cells along each side of a frame
NUM_DIRECTIONS = 8
MAGNITUDES = (0.5, 1.0, 2.0, 4.0, 8.0)  # pixels of 64 a frame: classes in which a flow is counted
NUM_CLASSES = 1 + NUM_DIRECTIONS * len(MAGNITUDES)  # at rest, or a direction and a magnitude
NUM_FEATURES = 2 * GRID**2 * NUM_CLASSES


class MotionFeatures(FeatureNetwork):
    """Histograms of velocity and acceleration of a clip's pixels, 328 numbers without any weights.

    The Frechet distance between such features of real and generated clips is a motion distance, in the spirit of the
    Frechet video motion distance (Liu et al. 2024, arXiv:2407.16124), which follows key points with a trained network.
    Here dense optical flow takes their place, so the numbers are not FVMD's and are not to be compared with them.

    Clip -> grey -> 64 x 64, antialiased -> optical flow v(t) between neighbouring frames (`metrics.optical_flow`), and
    its change along the way, a(t)[p] = v(t + 1)[p + v(t)[p]] - v(t)[p].  Velocities and accelerations are counted by
    quarter of the frame, 8 directions and 5 magnitudes (1/128, 1/64, 1/32, 1/16 and 1/8 of the frame a frame), or as at
    rest.  A vector is shared linearly between the two nearest directions and, in the logarithm, the two nearest
    magnitudes, and below the least of them with rest; so small changes of a flow make small changes of the features.
    A feature is the share of a quarter's pixels in such a class, over all frames.  Fractions of a frame make clips of
    different sizes alike in unit, frames that are not square are stretched, and a frame stays the unit of time: clips
    of another frame rate move differently.

    Shapes: uint8 (N, 3 or 1, T, H, W), T at least 3 -> "fvd": float32 (N, 328), each 41 in a row sum to 1.

    Blind spots: appearance, but for what hides motion: flat grounds seem at rest, blurred ones move less.  Steps of
    more than about a tenth of the frame are lost.  The order of a clip's motions is unseen beyond two frames, and so
    is time reversed where motions in opposite directions are equally frequent.  Brightness that all pixels share
    counts hardly; flicker of single pixels looks like motion.
    """

    name = "optical_flow"
    num_features = {"fvd": NUM_FEATURES}  # noqa: RUF012
    default_resize = Resize(64, "bilinear_antialiased")
    input_size = 64
    min_frames = 3

    def __init__(self, frames_per_pass: int | None = None, resize: Resize | None = None) -> None:
        super().__init__(frames_per_pass=frames_per_pass, resize=resize)

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of what stands in for weights: the constants and the method of the flow."""
        constants = {
            "optical_flow": METHOD,
            "grid": GRID,
            "directions": NUM_DIRECTIONS,
            "magnitudes": MAGNITUDES,
            "version": 1,  # rises when the same constants give other features
        }
        return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()

    def build(self) -> nn.Module:
        """Nothing is learned."""
        return nn.Identity()

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """Histograms of every clip."""
        frames = self.resized_clips(grey(clips.cpu())[:, None])[:, 0]  # (N, T, 64, 64)
        velocity = forward_flows(frames.round().clamp(0, 255).to(torch.uint8))  # (N, T - 1, 2, 64, 64)
        followed = moved_back(velocity[:, 1:].flatten(0, 1), velocity[:, :-1].flatten(0, 1))
        acceleration = followed.view_as(velocity[:, 1:]) - velocity[:, :-1]  # (N, T - 2, 2, 64, 64)
        rows = torch.cat([histograms(velocity), histograms(acceleration)], dim=1)
        return {"fvd": rows.float().to(clips.device)}


def histograms(vectors: Tensor) -> Tensor:
    """Shares float64 (N, GRID^2 * NUM_CLASSES) of vectors (N, T, 2, H, W), H and W multiples of GRID.

    For each cell, rows of the grid first: rest, then for each direction, from that of x to that of y, each magnitude.
    """
    num_clips, num_frames, _, height, width = vectors.shape
    x, y = vectors.double().unbind(2)  # (N, T, H, W)
    rows = torch.arange(height) * GRID // height
    columns = torch.arange(width) * GRID // width
    clip = torch.arange(num_clips)[:, None, None, None] * GRID**2
    cell = (clip + rows[:, None] * GRID + columns).expand_as(x) * NUM_CLASSES
    counts = torch.zeros(num_clips * GRID**2 * NUM_CLASSES, dtype=torch.float64)
    for magnitude, share in _magnitude_shares(torch.hypot(x, y)):
        is_rest = magnitude < 0
        for direction, part in _direction_shares(x, y):
            in_cell = torch.where(is_rest, 0, 1 + direction * len(MAGNITUDES) + magnitude)
            counts.index_add_(0, (cell + in_cell).flatten(), (share * part).flatten())
    pixels = num_frames * height * width / GRID**2
    return counts.view(num_clips, -1) / pixels


def _magnitude_shares(size: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two nearest classes of magnitude, -1 for rest, and the share of each."""
    classes = torch.log2(size.clamp(min=1e-9) / MAGNITUDES[0]).clamp(max=len(MAGNITUDES) - 1)
    # Below the least magnitude linear, so that a pixel at rest is wholly so.
    classes = torch.where(size < MAGNITUDES[0], size / MAGNITUDES[0] - 1, classes)  # -1..4
    lower = classes.floor()
    share = classes - lower
    lower = lower.long()
    return [(lower, 1 - share), ((lower + 1).clamp(max=len(MAGNITUDES) - 1), share)]


def _direction_shares(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two nearest of the directions and the share of each."""
    turns = torch.atan2(y, x) / (2 * math.pi) * NUM_DIRECTIONS
    lower = turns.floor()
    share = turns - lower
    lower = lower.long()
    return [(lower % NUM_DIRECTIONS, 1 - share), ((lower + 1) % NUM_DIRECTIONS, share)]
