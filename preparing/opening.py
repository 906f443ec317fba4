"""The frames of one entry, in order, whatever it is: a video file, a strip, a folder or zip of pictures, an array."""

import functools
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from packs.formats import Size
from preparing.entries import ARRAY, FRAME_FOLDER, FRAME_ZIP, STRIP, VIDEO
from tensor_files.whole_files import sha256_of
from video_io.in_order import FirstFrame, TimedFrame
from video_io.pictures import decode_picture, is_picture, natural, scaled_and_cut
from video_io.reading import first_frame, frames_in_order, seeks_exactly


class Opened(Protocol):
    """One video: what its first frame tells."""

    first: FirstFrame

    def sha256(self) -> str:
        """Of the content of the source, in hex."""

    def frames(self, size: Size) -> Iterator[TimedFrame]:
        """Every frame, scaled until it covers the size, the middle cut out."""

    def seeks_exactly(self) -> bool:
        """Whether random reads give the frames of the sequential read."""


def open_entry(path: Path, kind: str, member: str, fps: float) -> Opened:
    """Open what a kind of entry names; `fps` is for what has none of its own.

    Raises: ValueError or OSError if it cannot be read.
    """
    if kind != FRAME_FOLDER and path.exists() and not path.is_file():
        raise ValueError("is no regular file")
    if kind == VIDEO:
        return OpenedVideo(path)
    if kind == STRIP:
        frames = Strip(path).frames()
        return OpenedPictures(frames, fps, lambda: [path.read_bytes()])
    if kind == FRAME_FOLDER:
        folder = FolderOfPictures(path)
        return OpenedPictures(folder, fps, lambda: map(Path.read_bytes, folder.paths))
    if kind == FRAME_ZIP:
        pictures = PicturesOfZip(path, member)
        return OpenedPictures(pictures, fps, lambda: map(pictures.zip.read, pictures.names))
    if kind == ARRAY:
        video = video_of_array(path, int(member))
        return OpenedPictures(list(video), fps, lambda: [video.tobytes()])
    raise ValueError(f"{path}: no kind of entry is called {kind!r}")


class OpenedVideo:
    """A video file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first = first_frame(path)

    def sha256(self) -> str:
        """See `Opened`."""
        return sha256_of(self.path)

    def frames(self, size: Size) -> Iterator[TimedFrame]:
        """See `Opened`."""
        return frames_in_order(self.path, size)

    def seeks_exactly(self) -> bool:
        """See `Opened`."""
        return seeks_exactly(self.path)


class OpenedPictures:
    """A video that lies there as pictures (H, W, 3) uint8 of one size; `contents` are the bytes that they come from.

    Raises: ValueError if there is none.
    """

    def __init__(self, pictures: Sequence[np.ndarray], fps: float, contents: Callable[[], Iterable[bytes]]) -> None:
        if len(pictures) == 0:
            raise ValueError("holds no picture")
        self.pictures = pictures
        self.contents = contents
        height, width, _ = pictures[0].shape
        self.first = FirstFrame(width, height, fps)

    def sha256(self) -> str:
        """Of the pictures one behind the other: those of a folder are the same in a zip."""
        digest = hashlib.sha256()
        for content in self.contents():
            digest.update(content)
        return digest.hexdigest()

    def frames(self, size: Size) -> Iterator[TimedFrame]:
        """See `Opened`."""
        expected = (self.first.height, self.first.width, 3)
        for index, picture in enumerate(self.pictures):
            if picture.shape != expected:
                raise ValueError(f"picture {index} is {picture.shape[1]}x{picture.shape[0]}, the first one is not")
            yield TimedFrame(index / self.first.fps, scaled_and_cut(picture, size))

    def seeks_exactly(self) -> bool:
        """See `Opened`."""
        return True


class Strip:
    """A picture that is a row (or column) of square frames, as MoCoGAN and VGAN keep their videos."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def frames(self) -> list[np.ndarray]:
        """The frames, from left to right or from top to bottom.

        Raises: ValueError if the long side is no multiple of the short one.
        """
        strip = decode_picture(self.path, self.path.read_bytes())
        height, width, _ = strip.shape
        short, long = min(height, width), max(height, width)
        if long % short:
            raise ValueError(f"is {width}x{height}: not a row of square frames")
        return np.split(strip, long // short, axis=1 if width > height else 0)


class FolderOfPictures(Sequence[np.ndarray]):
    """The pictures right in a folder, in natural order: 2.png comes before 10.png."""

    def __init__(self, folder: Path) -> None:
        self.paths = [
            folder / name for name in sorted((p.name for p in folder.iterdir() if is_picture(p)), key=natural)
        ]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # Sequence asks for slices, too, which nobody takes
        return decode_picture(self.paths[index], self.paths[index].read_bytes())


class PicturesOfZip(Sequence[np.ndarray]):
    """The pictures right in a folder of a zip, in natural order."""

    def __init__(self, path: Path, folder: str) -> None:
        self.path = path
        self.zip, folders = opened_zip(path)
        self.names = folders.get(folder, [])

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return decode_picture(f"{self.path}/{self.names[index]}", self.zip.read(self.names[index]))


@functools.lru_cache(maxsize=1)
def opened_zip(path: Path) -> tuple[zipfile.ZipFile, dict[str, list[str]]]:
    """A zip, and the pictures of each of its folders, in natural order; opened once for all of its videos."""
    archive = zipfile.ZipFile(path)
    folders: dict[str, list[str]] = {}
    for name in archive.namelist():
        if is_picture(Path(name)) and not any(part.startswith((".", "__MACOSX")) for part in Path(name).parts):
            folders.setdefault(Path(name).parent.as_posix(), []).append(name)
    return archive, {folder: sorted(names, key=natural) for folder, names in folders.items()}


def video_of_array(path: Path, number: int) -> np.ndarray:
    """One video of Moving MNIST's array, (T, N, H, W) uint8 grey: (T, H, W, 3).

    Raises: ValueError if the array is another.
    """
    return np.repeat(np.asarray(opened_array(path)[:, number])[..., None], 3, axis=-1)


@functools.lru_cache(maxsize=1)
def opened_array(path: Path) -> np.ndarray:
    """The array of a .npy file, (T, N, H, W) uint8, still on the disk.

    Raises: ValueError if it is another.
    """
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 4 or array.dtype != np.uint8 or 0 in array.shape:
        raise ValueError(f"{path}: an array {array.dtype} {array.shape}; Moving MNIST's is uint8 (T, N, H, W)")
    return array
