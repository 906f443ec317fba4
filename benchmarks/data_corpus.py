"""The same videos in every form that a reader of the data benchmark wants: made once, from nothing."""

import io
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from packs.formats import FORMATS
from packs.reading import Pack
from preparing.command_line import main as prepare
from video_io.writing import write_video

HEIGHT, WIDTH, FPS = 240, 320, 25
_CRF = 23  # x264's default
_JPEG_QUALITY = 95  # what StyleGAN-V's data sets are kept at, and our packs
_NUM_OBJECTS = 4


class Corpus(NamedTuple):
    """Where the videos lie: as files, and scaled to `size`, as small files, packs by format, zips of frames by format.

    Video i is the i-th in every one of them.
    """

    folder: Path
    num_videos: int
    num_frames: int
    size: int

    @property
    def videos(self) -> Path:
        """320x240 H.264, as x264 makes it when nobody says how."""
        return self.folder / "videos"

    @property
    def small_videos(self) -> Path:
        """The same, scaled and cut."""
        return self.folder / "small_videos"

    def pack(self, frame_format: str) -> Path:
        """A pack of one of `packs.formats.FORMATS`."""
        return self.folder / f"pack_{frame_format}"

    def zip(self, picture_format: str) -> Path:
        """Frames, "jpeg" or "png", stored as they are; video 3's frame 7 is 00003/000007.jpeg."""
        return self.folder / f"{picture_format}.zip"

    def video_files(self) -> list[Path]:
        """The large ones, in order."""
        return [self.videos / f"{number:05d}.mp4" for number in range(self.num_videos)]

    def bytes_per_frame(self) -> dict[str, float]:
        """Of each form, by the name of its file or folder."""
        num_frames = self.num_videos * self.num_frames
        sizes = {
            form.name: sum(path.stat().st_size for path in ([form] if form.is_file() else form.rglob("*.*")))
            for form in (self.videos, self.small_videos, self.zip("jpeg"), self.zip("png"))
        }
        for name in FORMATS:
            sizes[self.pack(name).name] = sum(Pack(self.pack(name)).header.shard_bytes)
        return {name: size / num_frames for name, size in sizes.items()}


def make_corpus(folder: Path, num_videos: int, num_frames: int, size: int, num_processes: int) -> Corpus:
    """Make what is not there yet.

    Raises: SystemExit in one line if the folder holds another corpus, or something else.
    """
    corpus = Corpus(folder, num_videos, num_frames, size)
    settings = json.dumps([num_videos, num_frames, size])
    kept = folder / "settings.json"
    if kept.exists() and kept.read_text() == settings:
        return corpus
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"data: --corpus {folder} holds something else, or a corpus half made; name an empty folder")
    corpus.videos.mkdir(parents=True)
    corpus.small_videos.mkdir()
    for number, path in enumerate(corpus.video_files()):
        write_video(path, moving_picture(number, num_frames), FPS, _CRF)
        print(f"data: video {number + 1} of {num_videos}", flush=True)
    for name in FORMATS:
        print(f"data: {name} pack", flush=True)
        arguments = ["--output", str(corpus.pack(name)), "--format", name, "--size", str(size)]
        if prepare([str(corpus.videos), *arguments, "--processes", str(num_processes)]):
            raise SystemExit("data: the corpus could not be packed")
    _write_small(corpus)
    kept.write_text(settings)
    return corpus


def moving_picture(number: int, num_frames: int) -> Tensor:
    """A textured ground that pans, textured discs that cross it: (3, T, 240, 320) uint8."""
    rng = np.random.default_rng(number)
    ground, *discs = (_texture(rng) for _ in range(1 + _NUM_OBJECTS))
    speeds = rng.uniform(-3, 3, (1 + _NUM_OBJECTS, 2))
    places = rng.uniform(0, 1, (_NUM_OBJECTS, 2)) * (HEIGHT, WIDTH)
    radii = rng.uniform(15, 45, _NUM_OBJECTS)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    frames = np.empty((num_frames, HEIGHT, WIDTH, 3), np.uint8)
    for time, frame in enumerate(frames):
        shifts = np.round(speeds * time).astype(int)
        frame[:] = np.roll(ground, shifts[0], (0, 1))
        for disc, place, radius, shift in zip(discs, places, radii, shifts[1:], strict=True):
            y, x = (place + shift) % (HEIGHT, WIDTH)
            inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            frame[inside] = np.roll(disc, shift, (0, 1))[inside]
    return torch.from_numpy(frames).permute(3, 0, 1, 2)


def _texture(rng: np.random.Generator) -> np.ndarray:
    """A picture (240, 320, 3) uint8 with coarse and fine detail."""
    texture = np.zeros((HEIGHT, WIDTH, 3))
    for cell, strength in ((60, 60), (20, 35), (5, 12)):
        coarse = rng.uniform(-1, 1, (HEIGHT // cell + 1, WIDTH // cell + 1, 3)) * strength
        texture += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return (texture + 128).clip(0, 255).astype(np.uint8)


def _write_small(corpus: Corpus) -> None:
    """The raw pack's frames as zips and as small videos."""
    pack = Pack(corpus.pack("raw"))
    if len(pack) != corpus.num_videos:
        raise SystemExit(f"data: {len(pack)} of {corpus.num_videos} videos of the corpus could be packed")
    with zipfile.ZipFile(corpus.zip("jpeg"), "w") as jpegs, zipfile.ZipFile(corpus.zip("png"), "w") as pngs:
        for number in range(len(pack)):
            clip = pack.read_clip(number, range(corpus.num_frames))
            write_video(corpus.small_videos / f"{number:05d}.mp4", clip, FPS, _CRF)
            for time, frame in enumerate(clip.permute(1, 2, 3, 0).contiguous().numpy()):
                name = f"{number:05d}/{time:06d}"
                jpegs.writestr(f"{name}.jpeg", _encoded(frame, format="JPEG", quality=_JPEG_QUALITY))
                pngs.writestr(f"{name}.png", _encoded(frame, format="PNG"))
    print("data: zips of frames and small videos", flush=True)


def _encoded(frame: np.ndarray, **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, **how)  # type: ignore[arg-type]
    return buffer.getvalue()
