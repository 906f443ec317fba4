"""A folder of videos as a LightningDataModule."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pytorch_lightning import LightningDataModule
from torch.utils.data import Dataset

from datamodules.augmentation import ClipAugmentation
from datamodules.clip_dataset import CaptionOf, ClipDataset, FixedClipDataset, ReadFrames
from datamodules.clip_loader import ClipLoader
from datamodules.clip_sampling import EvaluationClips, PositionBatches, TrainingClips
from datamodules.data_ledger import LEDGER, DataLedger
from datamodules.file_guard import FileGuard
from datamodules.isolated_reading import Limits
from datamodules.sampling_rules import Sampling
from datamodules.splits import Split, split_by_fraction, split_by_lists
from datamodules.video_file_reader import VideoFileReader
from datamodules.video_index import VideoIndex, index_videos, long_enough
from datamodules.video_table import VideoTable
from video_io.pixels import uint8_to_float

SPLITS = ("train", "validation")


class VideoFolder(LightningDataModule):
    """Clips from a folder of video files (mp4, webm, mkv, mov, avi, gif, ...): each is decoded when it is needed.

    Training sees an endless stream of clips in one endless epoch (`max_steps` ends it).  The clip at each position is a
    function of (seed, position) alone, see `datamodules.clip_sampling`; a resumed run goes on at position `global_step`
    * `batch_size`.

    Args:
        root: folder of the videos, at any depth.  The first folder below it is the class; without folders, one class.
        num_frames: T, frames of a clip; at least 1.
        frame_stride: every how many frames of the video; 1 takes each.
        max_frame_stride: draw a stride for each training clip from `frame_stride` to this, uniformly over those that
            fit the video: clips at several speeds.  None keeps `frame_stride`, with which clips are measured, too.
        sampling: "by_video" takes one clip of every video before any comes again; "by_clip" every possible clip, by its
            first frame, before any comes again, so that long videos count for more; "by_class" every class equally
            often, and in it every video before any comes again.
        size: height and width of a clip in pixels; the video's short side is scaled to it and the middle cut out.
        batch_size: clips of a training step, of all processes together.
        num_workers: processes that decode, for each training process; 0 decodes in the training process.
        flip: mirror half of the training clips from left to right.
        seed: of the choice of clips, for training and for measuring; at least 0.
        validation_fraction: share of the videos (or groups) held out, by the hash of their names; at least 0, below 1.
        group_pattern: regular expression, searched in each path; its first group names what must not be divided between
            the splits: "person(\\d+)" keeps all videos of a person on one side.
        train_list: text file of the videos to train with, a path relative to root a line, instead of the fraction.
        validation_list: the same for the videos held out.  With one list only, the other split is all the rest.
        keep_decoded: decode each training video once and keep its frames in memory, for sets that fit there: videos *
            frames * 3 * size^2 bytes for each worker; with num_workers 0, once.
        skip_short_videos: leave out videos shorter than a clip, with a warning, instead of stopping.
        augmentation: changes of place, color and time, on the device, of training clips alone; None changes nothing.
        max_bad_share: of the videos that may turn out bad (changed, missing, or not to be decoded in time) and are
            replaced by others, from 0 to 1; a run stops above it.
        deadline_seconds: after which a decoder that has not answered is killed, above 0.

    Shapes: training batches are dict(clip=(B, C, T, H, W), label=(B,) int64), `clip` uint8 up to the device and float32
        in [-1, 1] in the training step; B = batch_size / processes.  The first frames are clip[:, :, 0].
    Raises: FileNotFoundError and ValueError, in one line, if the folder, its videos or the arguments do not fit.
    """

    def __init__(
        self,
        root: str,
        num_frames: int = 16,
        frame_stride: int = 1,
        max_frame_stride: int | None = None,
        sampling: Sampling = "by_video",
        size: int = 64,
        batch_size: int = 16,
        num_workers: int = 2,
        flip: bool = True,
        seed: int = 0,
        validation_fraction: float = 0.1,
        group_pattern: str | None = None,
        train_list: str | None = None,
        validation_list: str | None = None,
        keep_decoded: bool = False,
        skip_short_videos: bool = False,
        augmentation: ClipAugmentation | None = None,
        max_bad_share: float = 0.05,
        deadline_seconds: float = 60.0,
    ) -> None:
        super().__init__()
        for name, number, least in (
            ("num_frames", num_frames, 1),
            ("frame_stride", frame_stride, 1),
            ("size", size, 1),
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("seed", seed, 0),
        ):
            if number < least:
                raise ValueError(f"{name} is {number}; it must be at least {least}")
        if max_frame_stride is not None and max_frame_stride < frame_stride:
            raise ValueError(
                f"max_frame_stride is {max_frame_stride}; it must be at least frame_stride, {frame_stride}"
            )
        if sampling not in get_args(Sampling):
            raise ValueError(f"sampling is {sampling!r}; it must be one of {', '.join(get_args(Sampling))}")
        if not 0 <= max_bad_share <= 1:
            raise ValueError(f"max_bad_share is {max_bad_share}; it must be from 0 to 1")
        if deadline_seconds <= 0:
            raise ValueError(f"deadline_seconds is {deadline_seconds}; it must be above 0")
        self.root = root
        self.num_frames = num_frames
        self.frame_stride = frame_stride
        self.max_frame_stride = max_frame_stride
        self.sampling = sampling
        self.size = size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.flip = flip
        self.seed = seed
        self.validation_fraction = validation_fraction
        self.group_pattern = group_pattern
        self.train_list = train_list
        self.validation_list = validation_list
        self.keep_decoded = keep_decoded
        self.skip_short_videos = skip_short_videos
        self.augmentation = augmentation
        self.max_bad_share = max_bad_share
        self.deadline_seconds = deadline_seconds
        self.num_skipped_batches = 0  # of the stream, before the trainer's step: those that a run leaves out
        self._index: VideoIndex | None = None
        self._splits: dict[str, VideoTable] = {}

    @property
    def clip_span(self) -> int:
        """Frames of the video from a clip's first to its last, both counted, at the least stride."""
        return (self.num_frames - 1) * self.frame_stride + 1

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """(C, T, H, W) of every clip."""
        return 3, self.num_frames, self.size, self.size

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, sorted; a label is a place in it."""
        return self._indexed().class_names

    @property
    def fps(self) -> float:
        """Frames per second of a clip: the median over the videos, divided by `frame_stride`."""
        return float(np.median(self._indexed().videos.column("fps"))) / self.frame_stride

    def prepare_data(self) -> None:
        """Index the folder into the cache, which takes time once; checks what can be checked."""
        self.setup()

    def read_index(self) -> VideoIndex:
        """Every video of the data set; of one that the run has set aside, what it was before."""
        return index_videos(self.root, set_aside=self._ledger().entries)

    def reader(self, videos: VideoTable) -> ReadFrames:
        """Reads frames of some videos of the index."""
        return VideoFileReader(Path(self.root), videos, self.size, Limits(self.deadline_seconds))

    def caption_of(self, videos: VideoTable) -> CaptionOf | None:
        """Says the captions of some videos of the index; None leaves them out of the batch.  Files have none."""
        return None

    def setup(self, stage: str | None = None) -> None:
        """Read the index and divide it into splits; does nothing the second time."""
        if self._index is not None:
            return
        index = self.read_index()
        train, validation = self._split(index.videos)
        long = long_enough(index.videos, train | validation, self.clip_span, self.skip_short_videos)
        splits = zip(SPLITS, (train, validation), strict=True)
        self._splits = {name: index.videos.select(wanted & long) for name, wanted in splits}
        if not self._splits["train"]:
            raise ValueError(f"{self.root}: no video of {self.clip_span} frames or more is left to train with")
        self._index = index

    def train_dataloader(self) -> ClipLoader:
        """This process's share of the endless stream, from the trainer's step on."""
        trainer = self.trainer
        batches = PositionBatches(
            self.batch_size,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
            start_step=(trainer.global_step if trainer else 0) + self.num_skipped_batches,
        )
        videos = self.videos("train")
        choose = TrainingClips(
            videos.num_frames,
            self.num_frames,
            self.seed,
            self.flip,
            range(self.frame_stride, (self.max_frame_stride or self.frame_stride) + 1),
            self.sampling,
            videos.labels,
        )
        guard = self._guard("train", in_training=True)
        dataset = ClipDataset(
            videos, choose, self.num_frames, self.reader(videos), self.keep_decoded, guard, self.caption_of(videos)
        )
        return ClipLoader(dataset, batches, self.video_shape, self.num_workers, guard)

    def evaluation_dataset(self, num_clips: int, split: str) -> Dataset:
        """Fixed clips of a split, "train" or "validation", to measure with: see `clip_sampling.EvaluationClips`.

        Item i is dict(clip=(C, T, H, W) uint8, label=int), a function of (seed, i), never mirrored.
        """
        if num_clips < 1:
            raise ValueError(f"num_clips is {num_clips}; it must be at least 1")
        videos = self._videos_to_measure_on(split)
        choose = EvaluationClips(videos.num_frames, self.num_frames, self.seed, self.frame_stride)
        return FixedClipDataset(
            num_clips=num_clips,
            videos=videos,
            choose=choose,
            num_frames=self.num_frames,
            read=self.reader(videos),
            guard=self._guard(split, in_training=False),
            caption_of=self.caption_of(videos),
        )

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Make float32 in [-1, 1] of the uint8 clips, and augment them, on the device."""
        clips = uint8_to_float(batch["clip"])
        if self.augmentation is not None:
            clips = self.augmentation(clips, batch["position"], self.seed)
        return {**batch, "clip": clips}

    def videos(self, split: str) -> VideoTable:
        """The videos of a split, "train" or "validation"; none in a validation split that was not asked for."""
        if split not in SPLITS:
            raise ValueError(f"no split {split!r}; there are {' and '.join(SPLITS)}")
        self.setup()
        return self._splits[split]

    def num_videos(self, split: str) -> int:
        """How many videos a split has."""
        return len(self.videos(split))

    def fingerprint(self, split: str) -> str:
        """SHA-256, in hex, over the (path, SHA-256 of the content) of a split's videos: what the numbers refer to."""
        return content_hash((video.path, video.sha256) for video in self._videos_to_measure_on(split))

    def summary(self) -> str:
        """One line for the screen: videos, splits, classes and the shape of a clip."""
        train, validation = self.num_videos("train"), self.num_videos("validation")
        num_classes = len(self.class_names)
        return (
            f"{Path(self.root).resolve().name}: {train + validation} videos ({train} train, {validation} validation), "
            f"{num_classes} {'class' if num_classes == 1 else 'classes'}, "
            f"{self.num_frames} frames of {self.size}x{self.size}, stride {self.frame_stride}"
        )

    def _split(self, videos: VideoTable) -> Split:
        paths = list(videos.paths())
        if self.train_list is not None or self.validation_list is not None:
            return split_by_lists(paths, self.train_list, self.validation_list)
        return split_by_fraction(paths, self.validation_fraction, self.group_pattern)

    def _ledger(self) -> DataLedger:
        """That of the run, or one in memory where nothing is run."""
        folder = getattr(self.trainer, "default_root_dir", None)
        ledger = DataLedger(None if folder is None else Path(folder) / LEDGER)
        ledger.refresh()
        return ledger

    def _guard(self, split: str, in_training: bool) -> FileGuard:
        num_files = sum(map(self.num_videos, SPLITS))
        return FileGuard(self.videos(split), self._ledger(), num_files, self.max_bad_share, in_training)

    def _videos_to_measure_on(self, split: str) -> VideoTable:
        videos = self.videos(split)
        if not videos:
            raise ValueError("the validation split is empty; set validation_fraction above 0, or measure on 'train'")
        return videos

    def _indexed(self) -> VideoIndex:
        self.setup()
        assert self._index is not None
        return self._index


def content_hash(videos: Iterable[tuple[str, str]]) -> str:
    """SHA-256, in hex, over the path and the SHA-256 of each of some videos."""
    digest = hashlib.sha256()
    for path, sha256 in videos:
        digest.update(f"{path}\0{sha256}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
