"""Every way to read the same clips: which data set, and the loader with which it is used."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.data_corpus import Corpus
from benchmarks.data_peers import (
    DecordAndResize,
    OpenCVSeek,
    PyAVSeek,
    ReadFrames,
    VideoClipsLike,
    ZipOfFrames,
)
from datamodules.clip_dataset import ClipDataset
from datamodules.clip_sampling import PositionBatches
from datamodules.packed_videos import PackedVideos
from datamodules.video_folder import VideoFolder

OURS, SMALL, RAW_PACK, JPEG_PACK, H264_PACK = (
    "ours, video files",
    "ours, small video files",
    "ours, raw pack",
    "ours, JPEG pack",
    "ours, H.264 pack",
)
DECORD, PYAV, VIDEO_CLIPS, OPENCV = (
    "decord, torch resize",
    "PyAV, seek",
    "PyAV as VideoClips",
    "OpenCV",
)
JPEG_ZIP, PNG_ZIP = "zip of JPEG, PIL", "zip of PNG, PIL"
VIDEO_FILE_READERS = (DECORD, PYAV, VIDEO_CLIPS, OPENCV)  # of the same files as OURS


class Reader(NamedTuple):
    """One way.

    `dataset` has an item dict(clip, label, position) at each position, the same clips for all readers; `batches` gives
    the loader of its users, with so many workers, from a step on; `form` is the file or folder of the corpus.
    """

    dataset: ClipDataset
    batches: Callable[[int, int], Iterable[dict[str, Any]]]
    form: str

    def clip(self, position: int) -> Tensor:
        """(3, T, H, W) uint8."""
        return self.dataset[position]["clip"]


def readers_of(corpus: Corpus, num_frames: int, batch_size: int) -> dict[str, Reader]:
    """All of them, by name, for clips of so many frames."""
    settings: dict[str, Any] = {
        "num_frames": num_frames, "size": corpus.size, "batch_size": batch_size, "validation_fraction": 0.0,
    }  # fmt: skip
    ours = {
        OURS: VideoFolder(str(corpus.videos), **settings),
        SMALL: VideoFolder(str(corpus.small_videos), **settings),
        RAW_PACK: PackedVideos(str(corpus.pack("raw")), **settings),
        JPEG_PACK: PackedVideos(str(corpus.pack("jpeg")), **settings),
        H264_PACK: PackedVideos(str(corpus.pack("h264")), **settings),
    }
    readers = {name: _our_reader(data) for name, data in ours.items()}
    paths, like = corpus.video_files(), readers[OURS].dataset
    peers: dict[str, tuple[ReadFrames, str]] = {
        DECORD: (DecordAndResize(paths, corpus.size), corpus.videos.name),
        PYAV: (PyAVSeek(paths, corpus.size), corpus.videos.name),
        VIDEO_CLIPS: (VideoClipsLike(paths, corpus.size), corpus.videos.name),
        OPENCV: (OpenCVSeek(paths, corpus.size), corpus.videos.name),
        JPEG_ZIP: (ZipOfFrames(corpus.zip("jpeg"), "jpeg"), corpus.zip("jpeg").name),
        PNG_ZIP: (ZipOfFrames(corpus.zip("png"), "png"), corpus.zip("png").name),
    }
    for name, (read, form) in peers.items():
        readers[name] = _peer_reader(read, form, like, batch_size)
    return readers


def _our_reader(data: VideoFolder) -> Reader:
    def batches(num_workers: int, step: int) -> Iterable[dict[str, Any]]:
        data.num_workers, data.num_skipped_batches = num_workers, step
        return data.train_dataloader()

    dataset = data.train_dataloader().dataset
    assert isinstance(dataset, ClipDataset)
    return Reader(dataset, batches, Path(data.root).name)


def _peer_reader(read: ReadFrames, form: str, like: ClipDataset, batch_size: int) -> Reader:
    """The same clips as `like`, with torch's own loader."""
    dataset = ClipDataset(like.videos, like.choose, like.num_frames, read)

    def batches(num_workers: int, step: int) -> Iterable[dict[str, Any]]:
        positions = PositionBatches(batch_size, start_step=step)
        return DataLoader(dataset, batch_sampler=positions, num_workers=num_workers)

    return Reader(dataset, batches, form)


def check_alike(readers: dict[str, Reader], num_clips: int) -> dict[str, float]:
    """Mean distance of each reader's pixels from those of the raw pack, in levels of 255.

    Raises: SystemExit if a reader's clip is nearer to the frames before or after than to its own.
    """
    distances = {}
    raw = readers[RAW_PACK].dataset
    for name, reader in readers.items():
        total = 0.0
        for position in range(num_clips):
            choice = raw.choose(position)
            frames = choice.frames(raw.num_frames)
            clip = reader.dataset.read(choice.video, frames)
            own = _distance(clip, raw.read(choice.video, frames))
            total += own
            last = int(raw.videos.num_frames[choice.video]) - 1
            shifted = [range(frames.start + by, frames.stop + by) for by in (-1, 1)]
            inside = [each for each in shifted if each.start >= 0 and each[-1] <= last]
            if any(_distance(clip, raw.read(choice.video, each)) <= own for each in inside):
                raise SystemExit(f"data: {name} reads other frames than {RAW_PACK} of video {choice.video}")
        distances[name] = total / num_clips
    return distances


def _distance(clip: Tensor, other: Tensor) -> float:
    return float((clip.float() - other.float()).abs().mean())
