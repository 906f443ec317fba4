from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from video_io.pictures import PICTURE_EXTENSIONS, is_picture
from video_io.reading import UnreadableVideoError, probe, read_clip


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


def save(pixels: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp"])
def test_a_picture_is_a_clip_of_one_frame(tmp_path, pixels, name):
    path = save(pixels, tmp_path / name)
    assert is_picture(path) and probe(path) == (1, 32, 24, 1.0, True)
    clip = read_clip(path, [0], None)
    assert clip.dtype == torch.uint8 and clip.is_contiguous()
    assert np.array_equal(clip[:, 0].permute(1, 2, 0).numpy(), pixels)
    assert torch.equal(read_clip(path, range(1), 24), clip[:, :, :, 4:28])


@pytest.mark.parametrize("extension", PICTURE_EXTENSIONS)
@pytest.mark.parametrize("size", [16, (8, 20), 100])
def test_it_is_scaled_to_cover_the_size(tmp_path, extension, size):
    path = save(np.full((24, 32, 3), (200, 100, 50), np.uint8), tmp_path / f"a{extension}")
    clip = read_clip(path, [0], size)
    assert clip.shape == (3, 1, *((size, size) if isinstance(size, int) else size))
    assert (clip.float().mean((1, 2, 3)) - torch.tensor([200.0, 100, 50])).abs().max() < 4


def test_grey_and_transparent_pictures_are_rgb(tmp_path, pixels):
    grey = read_clip(save(pixels[..., 0], tmp_path / "grey.png"), [0], None)
    assert np.array_equal(grey[1, 0].numpy(), pixels[..., 0]) and torch.equal(grey[0], grey[2])
    transparent = save(np.dstack([pixels, pixels[..., 0]]), tmp_path / "transparent.png")
    assert np.array_equal(read_clip(transparent, [0], None)[:, 0].permute(1, 2, 0).numpy(), pixels)


def test_a_photo_is_turned_upright(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, clockwise, to see it
    path = save(pixels, tmp_path / "a.png", exif=exif)
    assert probe(path)[1:3] == (24, 32)
    assert np.array_equal(read_clip(path, [0], None)[:, 0].permute(1, 2, 0).numpy(), np.rot90(pixels, -1))


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "sixteen bits"])
def test_what_cannot_be_read_is_named_in_one_line(tmp_path, pixels, kind):
    path = save(pixels, tmp_path / "a.png")
    if kind == "sixteen bits":
        save(pixels[..., 0].astype(np.uint16) * 257, path)
    else:
        path.write_bytes({"text": b"no picture", "empty": b"", "truncated": path.read_bytes()[:-1000]}[kind])
    for read in (probe, lambda path: read_clip(path, [0], 16)):
        with pytest.raises(
            UnreadableVideoError, match="8 bits" if kind == "sixteen bits" else "cannot decode"
        ) as error:
            read(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_is_not_there(tmp_path, pixels):
    with pytest.raises(FileNotFoundError, match="no such picture"):
        probe(tmp_path / "a.png")
    path = save(pixels, tmp_path / "a.png")
    for frames in ([], [1], [0, 1]):
        with pytest.raises(ValueError, match="a picture has frame 0 alone"):
            read_clip(path, frames, 16)
