"""Reading picture files, such as png and jpg, with PIL, and folders of pictures as videos."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from video_io.cropping import middle, scaled_size
from video_io.folders import name_a_few, walk

PICTURE_EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_EIGHT_BIT_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr")


def is_picture(path: Path) -> bool:
    """Whether the extension, in any case, is one of `PICTURE_EXTENSIONS`."""
    return path.suffix.lower() in PICTURE_EXTENSIONS


def frames_of_videos(root: Path) -> dict[str, list[str]]:
    """Name of each video -> paths of its frames relative to the root, in natural order.

    Raises: ValueError if there is no picture, or if pictures lie beside folders of pictures.
    """
    videos: dict[str, list[str]] = {}
    for path in walk(root, is_picture):
        videos.setdefault(Path(path).parent.as_posix(), []).append(path)
    if not videos:
        raise ValueError(f"{root}: no picture in this folder; looked for {', '.join(PICTURE_EXTENSIONS)}")
    above = {parent.as_posix() for folder in videos for parent in Path(folder).parents}
    mixed = sorted(above & set(videos))
    if mixed:
        raise ValueError(
            f"{root}: pictures lie beside folders of pictures in {name_a_few(mixed)}; each video needs a folder of its "
            "own, with nothing but its frames"
        )
    if "." in videos:
        videos[root.resolve().name] = videos.pop(".")
    return {name: sorted(paths, key=natural) for name, paths in videos.items()}


def natural(path: str) -> list[tuple[int, int, str]]:
    """Key that sorts numbers in a path by their value, and equal ones (1, 01) by how they are written."""
    parts = re.split(r"(\d+)", path)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def read_picture(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """A picture file as (height, width, 3) uint8: see `decode_picture` and `scaled_and_cut`."""
    return scaled_and_cut(decode_picture(path, Path(path).read_bytes()), size)


def decode_picture(path: str | Path, content: bytes) -> np.ndarray:
    """The picture of a file's content, RGB, (H, W, 3) uint8, turned as its EXIF data say; transparency is dropped.

    `path` is what an error calls it.

    Raises: ValueError, in one line, if it cannot be decoded or has not 8 bits a channel.
    """
    try:
        with Image.open(io.BytesIO(content)) as file:
            mode = file.mode
            pixels = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot decode this picture; repair, convert or remove it") from error
    if mode not in _EIGHT_BIT_MODES:
        raise ValueError(f"{path}: has pixels of kind {mode}; convert it to 8 bits a channel, RGB or grey")
    return pixels


def scaled_and_cut(frame: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """A picture (H, W, C) uint8 scaled until it just covers `size` (height, width), and the middle cut out.

    PIL's bilinear filter, which antialiases, is what decord does with video files: within one level on average, and one
    or two levels brighter, because the conversion to RGB rounds otherwise where decord scales.
    """
    height, width, num_channels = frame.shape
    if size is None or size == (height, width):
        return frame
    scaled = scaled_size((width, height), size)
    if scaled != (width, height):
        picture = Image.fromarray(frame if num_channels == 3 else frame[:, :, 0])
        frame = np.asarray(picture.resize(scaled, Image.Resampling.BILINEAR)).reshape(*scaled[::-1], num_channels)
    return middle(frame[None], size)[0]
