"""Reading picture files, such as png and jpg, with PIL."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from video_io.cropping import middle, scaled_size

PICTURE_EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_EIGHT_BIT_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr")


def is_picture(path: Path) -> bool:
    """Whether the extension, in any case, is one of `PICTURE_EXTENSIONS`."""
    return path.suffix.lower() in PICTURE_EXTENSIONS


def read_picture(path: str | Path, crop: tuple[int, int] | None) -> np.ndarray:
    """A picture as (height, width, 3) uint8 RGB, turned as its EXIF data say; transparency is dropped.

    Args:
        path: of the file.
        crop: (height, width): scaled, antialiased, until it just covers this, the aspect kept, and the middle cut out;
            None keeps its own size.

    Raises: ValueError, in one line, if it cannot be decoded or has not 8 bits a channel.
    """
    try:
        with Image.open(path) as file:
            if file.mode not in _EIGHT_BIT_MODES:
                raise ValueError(f"{path}: has pixels of kind {file.mode}; convert it to 8 bits a channel")
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot decode this picture; repair, convert or remove it") from error
    if crop is None:
        return np.array(picture)
    scaled = scaled_size(picture.size, crop)
    if scaled != picture.size:
        picture = picture.resize(scaled, Image.Resampling.BILINEAR)
    return np.array(middle(np.asarray(picture)[None], crop)[0])
