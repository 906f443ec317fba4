import math

import pytest
import torch
from torch import Tensor

from metrics import motion_features
from metrics.feature_network import fit_gaussians
from metrics.motion_features import NUM_CLASSES, MotionFeatures, histograms
from metrics.resizing import Resize
from tests.metrics.moving_texture import texture_at

NUM_CLIPS, NUM_FRAMES, SIZE = 24, 8, 64


@pytest.fixture(scope="module")
def falling() -> Tensor:
    """Grounds that fall: each begins with another speed, to the right or the left, and gets faster downwards."""
    clips = []
    for clip in range(NUM_CLIPS):
        across, down = 1.5 * math.sin(clip), 0.5 + 0.5 * math.cos(3 * clip)
        places = [(across * t, down * t + 0.25 * t**2) for t in range(NUM_FRAMES)]
        clips.append(torch.stack([texture_at(place, SIZE, seed=clip) for place in places]))
    return torch.stack(clips)[:, None]


def gaussian(clips: Tensor):
    return fit_gaussians(MotionFeatures(), [clips])["fvd"]


def test_every_quarter_is_a_share(falling: Tensor) -> None:
    rows = MotionFeatures()(falling[:3])["fvd"]
    assert rows.shape == (3, 328)
    assert rows.dtype == torch.float32
    assert (rows >= 0).all()
    torch.testing.assert_close(rows.unflatten(1, (8, NUM_CLASSES)).sum(2), torch.ones(3, 8))


def test_the_same_clips_are_at_no_distance(falling: Tensor) -> None:
    rows = MotionFeatures()(falling)["fvd"]
    assert gaussian(falling).distance(gaussian(falling)) < 1e-9
    torch.testing.assert_close(MotionFeatures(frames_per_pass=16)(falling.flip(0))["fvd"].flip(0), rows)


def test_what_it_sees_and_what_it_does_not(falling: Tensor) -> None:
    real = gaussian(falling)
    frozen = falling[:, :, :1].expand_as(falling)
    stutter = falling[:, :, [0, 0, 2, 2, 4, 4, 6, 6]]
    halves = gaussian(falling[::2]).distance(gaussian(falling[1::2]))
    distances = {
        "reversed": gaussian(falling.flip(2)).distance(real),
        "frozen": gaussian(frozen).distance(real),
        "stutter": gaussian(stutter).distance(real),
        "double speed": gaussian(falling[:, :, ::2]).distance(gaussian(falling[:, :, :4])),
        "mirrored upside down": gaussian(falling.flip(3)).distance(real),
    }
    assert min(distances.values()) > 3 * halves, (halves, distances)
    brighter = (falling.float() * 0.8 + 30).round().to(torch.uint8)
    assert gaussian(brighter).distance(real) < 0.02 * min(distances.values())


def test_motion_is_counted_in_fractions_of_the_frame() -> None:
    """Frames of twice the size, of which the motion has twice the pixels, have nearly the same features."""
    small = torch.stack([texture_at((1.3 * t, -0.7 * t), 64) for t in range(4)])[None, None]
    large = small.repeat_interleave(2, 3).repeat_interleave(2, 4)
    torch.testing.assert_close(MotionFeatures()(large)["fvd"], MotionFeatures()(small)["fvd"], rtol=0, atol=0.02)


def constant(x: float, y: float) -> Tensor:
    """Shares of one quarter, whose pixels all move alike."""
    vectors = torch.tensor([x, y])[None, None, :, None, None].expand(1, 2, 2, 4, 4)
    cells = histograms(vectors).view(4, NUM_CLASSES)
    torch.testing.assert_close(cells, cells[:1].expand_as(cells))
    return cells[0]


def test_classes_of_vectors() -> None:
    assert constant(0, 0)[0] == 1
    to_the_right, downwards, upwards = 1, 1 + 2 * 5, 1 + 6 * 5
    assert constant(0.5, 0)[to_the_right] == 1
    assert constant(4, 0)[to_the_right + 3] == 1
    assert constant(0, 1)[downwards + 1] == pytest.approx(1)
    assert constant(0, -100)[upwards + 4] == pytest.approx(1)
    torch.testing.assert_close(constant(0.25, 0)[:2], torch.tensor([0.5, 0.5], dtype=torch.float64))
    between = constant(2**0.5, 0)
    torch.testing.assert_close(between[2:4], torch.tensor([0.5, 0.5], dtype=torch.float64), rtol=1e-6, atol=0)
    slanting = constant(2 * math.cos(math.pi / 8), 2 * math.sin(math.pi / 8))
    torch.testing.assert_close(slanting[[3, 8]], torch.tensor([0.5, 0.5], dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_quarters_are_told_apart() -> None:
    vectors = torch.zeros(1, 1, 2, 4, 4)
    vectors[..., 0, 2:, :2] = 1.0  # below on the left, to the right
    cells = histograms(vectors).view(4, NUM_CLASSES)
    assert cells[:, 0].tolist() == [1, 1, 0, 1]
    assert cells[2, 2] == 1


def test_digest_tells_the_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    before = MotionFeatures().weights_sha256
    assert len(before) == 64
    monkeypatch.setattr(motion_features, "MAGNITUDES", (1.0, 2.0))
    assert MotionFeatures().weights_sha256 != before


def test_mistakes(falling: Tensor) -> None:
    with pytest.raises(ValueError, match="at least 3 frames; got 2"):
        MotionFeatures()(falling[:, :, :2])
    with pytest.raises(ValueError, match="64x64 pixels; got a resize to 32"):
        MotionFeatures(resize=Resize(32))
    with pytest.raises(ValueError, match="uint8 clips"):
        MotionFeatures()(falling.float())
