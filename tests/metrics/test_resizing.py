import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from metrics.resizing import Resize, resize_bilinear_tf1

METHODS = ["bilinear", "bilinear_antialiased", "bilinear_corners", "bilinear_tf1", "bicubic", "bicubic_pil"]


def random_frames(height: int, width: int, num_frames: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(0, 256, (num_frames, 3, height, width), generator=rng, dtype=torch.uint8)


def pil_bicubic(frames: Tensor, height: int, width: int) -> Tensor:
    """What clean-fid does: each channel as float32 through Pillow, clipped."""
    resized = [
        np.asarray(Image.fromarray(channel.numpy().astype(np.float32), mode="F").resize((width, height), Image.BICUBIC))
        for channel in frames.flatten(0, 1)
    ]
    return torch.from_numpy(np.stack(resized).clip(0, 255)).view(*frames.shape[:2], height, width)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (200, 320), (480, 301), (299, 299), (37, 500), (1, 1)])
def test_bicubic_as_pil(height: int, width: int) -> None:
    frames = random_frames(height, width)
    expected = pil_bicubic(frames, 299, 299)
    assert frames.float().max() == 255 or height == 1  # so that clipping is part of the test
    torch.testing.assert_close(Resize(299, "bicubic_pil")(frames), expected, rtol=0, atol=1e-4)


def test_bicubic_as_pil_with_a_cut() -> None:
    frames = random_frames(40, 60)
    expected = pil_bicubic(frames, 20, 30)[:, :, :, 5:25]
    torch.testing.assert_close(Resize(20, "bicubic_pil", crop=True)(frames), expected, rtol=0, atol=1e-4)


def test_bilinear_and_antialiased_are_torchs() -> None:
    frames = random_frames(50, 70)
    for method, antialias in (("bilinear", False), ("bilinear_antialiased", True)):
        expected = F.interpolate(frames.float(), size=(24, 24), mode="bilinear", antialias=antialias)
        assert torch.equal(Resize(24, method)(frames), expected)


def test_corners_stay_corners() -> None:
    """Pixel i of the result lies at i * (input - 1) / (output - 1), as in Chainer's resize_images."""
    ramp = torch.tensor([0.0, 30.0, 60.0]).expand(1, 1, 3, 3)
    expected = torch.tensor([0.0, 15.0, 30.0, 45.0, 60.0])
    torch.testing.assert_close(Resize(5, "bilinear_corners")(ramp)[0, 0, 2], expected)


def test_bicubic_overshoots_as_opencv() -> None:
    """Halfway between two pixels OpenCV weighs four neighbours by -3/32, 19/32, 19/32, -3/32."""
    row = torch.tensor([0.0, 0.0, 255.0, 255.0]).expand(1, 1, 4, 4)
    resized = Resize(8, "bicubic")(row)[0, 0, 4]
    assert resized.min() < 0
    assert resized.max() > 255
    halved = Resize(2, "bicubic")(row)[0, 0, 0]
    torch.testing.assert_close(halved, torch.tensor([-3 / 32, 1 + 3 / 32]) * 255)


def test_bilinear_as_tensorflow_1() -> None:
    """Pixel i of the result lies at i * input / output of the input, and the last pixel repeats."""
    row = torch.tensor([0.0, 10.0, 20.0])[None, None, None]
    enlarged = resize_bilinear_tf1(row.expand(1, 1, 3, 3), 6, 6)
    assert enlarged.shape == (1, 1, 6, 6)
    torch.testing.assert_close(enlarged[0, 0, 0], torch.tensor([0.0, 5.0, 10.0, 15.0, 20.0, 20.0]))
    ramp = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(resize_bilinear_tf1(ramp, 2, 4), ramp[:, :, ::2])
    assert torch.equal(Resize(2, "bilinear_tf1")(ramp), ramp[:, :, ::2, ::2])


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (31, 77), (100, 100), (96, 144)])
def test_cut_as_videogpt(height: int, width: int) -> None:
    frames = random_frames(height, width).float()
    scale = 224 / min(height, width)
    size = (224, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), 224)
    scaled = F.interpolate(frames, size=size, mode="bilinear", align_corners=False)
    top, left = (size[0] - 224) // 2, (size[1] - 224) // 2
    expected = scaled[:, :, top : top + 224, left : left + 224]
    assert torch.equal(Resize(224, crop=True)(frames), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crop", [False, True])
def test_the_frames_own_size_changes_nothing(method: str, crop: bool) -> None:
    frames = random_frames(16, 16)
    resized = Resize(16, method, crop)(frames)
    assert resized.dtype == torch.float32
    torch.testing.assert_close(resized, frames.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_one_colour_stays(method: str) -> None:
    frames = torch.full((1, 3, 20, 33), 255, dtype=torch.uint8)
    torch.testing.assert_close(Resize(27, method)(frames), torch.full((1, 3, 27, 27), 255.0), rtol=0, atol=1e-3)


def test_floats_and_bytes_are_the_same() -> None:
    frames = random_frames(20, 30)
    for method in METHODS:
        assert torch.equal(Resize(11, method)(frames), Resize(11, method)(frames.double()))


def test_words_for_the_card() -> None:
    assert str(Resize(299, "bilinear_tf1")) == "299x299, bilinear as TensorFlow 1, stretched"
    assert str(Resize(224)) == "224x224, bilinear, not antialiased, stretched"
    assert str(Resize(224, crop=True)) == "224x224, bilinear, not antialiased, short side scaled, middle cut out"
    assert len({str(Resize(8, method, crop)) for method in METHODS for crop in (False, True)}) == 12


def test_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="size must be at least 1; got 0"):
        Resize(0)
    with pytest.raises(ValueError, match=r"method must be one of bilinear, .*; got 'lanczos'"):
        Resize(8, "lanczos")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"frames \(N, C, H, W\); got shape \(3, 8, 8\)"):
        Resize(8)(torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match=r"uint8 or floating point frames of 0\.\.255; got torch.int64"):
        Resize(8)(torch.zeros(1, 3, 8, 8, dtype=torch.int64))
