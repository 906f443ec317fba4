"""Pictures as frames, and folders of pictures as videos."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from video_io.folders import name_a_few, walk
from video_io.reading import middle, scaled_size

FRAME_EXTENSIONS = (".jpeg", ".jpg", ".png")
_EIGHT_BIT_MODES = ("RGB", "RGBA", "L", "LA", "P", "1")


def is_frame(path: Path) -> bool:
    """Whether the extension, in any case, is one of `FRAME_EXTENSIONS`."""
    return path.suffix.lower() in FRAME_EXTENSIONS


def frames_of_videos(root: Path) -> dict[str, list[str]]:
    """Name of each video -> paths of its frames relative to the root, in natural order.

    Raises: ValueError if there is no picture, or if pictures lie beside folders of pictures.
    """
    videos: dict[str, list[str]] = {}
    for path in walk(root, is_frame):
        videos.setdefault(Path(path).parent.as_posix(), []).append(path)
    if not videos:
        raise ValueError(f"{root}: no picture in this folder; looked for {', '.join(FRAME_EXTENSIONS)}")
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


def read_picture(path: Path) -> np.ndarray:
    """A picture as (H, W, 3) uint8.

    Raises: ValueError, in one line, if it cannot be read or has not 8 bits a channel.
    """
    return decode_picture(path, path.read_bytes())


def decode_picture(path: Path | str, content: bytes) -> np.ndarray:
    """The picture of a file's content as (H, W, 3) uint8; `path` is what an error calls it.

    Raises: ValueError as `read_picture`.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            mode = picture.mode
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as a picture; repair, convert or remove it") from error
    if mode not in _EIGHT_BIT_MODES:
        raise ValueError(f"{path}: a picture of mode {mode}; convert it to 8 bits a channel, RGB or grey")
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
