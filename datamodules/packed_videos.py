"""A pack of videos, which `python prepare.py` makes, as a LightningDataModule."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from datamodules.clip_dataset import CaptionOf, ReadFrames
from datamodules.index_cache import kept_mask
from datamodules.isolated_reading import BadFileError
from datamodules.splits import Split, split_by_fraction
from datamodules.video_folder import VideoFolder, content_hash
from datamodules.video_index import VideoIndex
from datamodules.video_table import VideoTable
from packs.index import PackError
from packs.names import named_videos
from packs.reading import Pack
from video_io.folders import NUM_NAMED, name_a_few

_TRAINING = ("train", "training")
_HELD_OUT = (("validation", "val", "valid"), ("test", "testing"))  # the first kind that there is
_MANY = 1 << 18  # videos, whose names take a second to hash
_COLUMNS = ("width", "height", "fps", "split")


class PackReader:
    """Reads frames of a pack.

    Args:
        pack: which.
        rows: of the videos, by their numbers, in the pack; (N,).
        size: H = W, in pixels.
    """

    def __init__(self, pack: Pack, rows: np.ndarray, size: int) -> None:
        self.pack = pack
        self.rows = rows
        self.size = size

    def __call__(self, number: int, frames: range) -> Tensor:
        """Frames of a video, (3, T, H, W) uint8.

        Raises: BadFileError if its bytes are damaged.
        """
        try:
            return self.pack.read_clip(int(self.rows[number]), frames, (self.size, self.size))
        except (PackError, OSError) as error:
            raise BadFileError("undecodable", str(error)) from error


class Captions:
    """The captions of some videos of a pack, in Arrow's memory, which workers share, and no Python object of them.

    Args:
        column: the captions of the whole pack; null where there is none.
        rows: of the videos, by their numbers, in the pack; (N,).
    """

    def __init__(self, column: pa.LargeStringArray, rows: np.ndarray) -> None:
        self.column = column
        self.rows = rows

    def __call__(self, number: int) -> str:
        """Of a video; "" if it has none."""
        return self.column[int(self.rows[number])].as_py() or ""


class PackedVideos(VideoFolder):
    """Clips from a pack: the same ones as from the folder that was packed, for the same seed and settings.

    Pixels are the same, too, in a raw pack of the same size; JPEG and H.264 lose a little.

    Args:
        root: folder of the pack.
        use_splits: take the splits that the pack's videos have (UCF-101, KTH, the column of a list) instead of
            `validation_fraction`, where they have some: "train", and "validation" or else "test".
        captions: have the clips' captions in the batch.
        others: as in `VideoFolder`; a `size` below that of the pack scales its frames down, a larger one is refused.
            Lists name videos as they were called in what was packed.

    Shapes: as in `VideoFolder`; with `captions` a batch has also `caption`, B strings, "" for a video without one.
    Raises: FileNotFoundError and ValueError, in one line, if there is no finished pack, it is damaged, or the arguments
        do not fit it.
    """

    def __init__(self, root: str, use_splits: bool = True, captions: bool = False, **others: Any) -> None:
        super().__init__(root=root, **others)
        self.use_splits = use_splits
        self.captions = captions

    @cached_property
    def pack(self) -> Pack:
        """The pack; nothing of it is kept open."""
        return Pack(self.root)

    def read_index(self) -> VideoIndex:
        """Every video of the pack."""
        height, width = self.pack.header.size
        if min(height, width) < self.size:
            raise ValueError(
                f"{self.root}: its frames are {width}x{height}, smaller than size, {self.size}; lower size, or pack "
                f"again with python prepare.py --size {self.size}"
            )
        if self.captions and self._captions.null_count == len(self._captions):
            raise ValueError(
                f"{self.root}: captions is true, but no video of the pack has one; pack again from a list with the "
                "column caption, or set captions: false"
            )
        class_names, _ = self.pack.classes
        return VideoIndex(self.pack.folder, class_names, _table_of(self.pack, self._listed))

    def reader(self, videos: VideoTable) -> ReadFrames:
        """Reads frames of some videos of the index."""
        return PackReader(self.pack, videos.column("row"), self.size)

    def caption_of(self, videos: VideoTable) -> CaptionOf | None:
        """Says the captions of some videos of the index, if `captions` asks for them."""
        return Captions(self._captions, videos.column("row")) if self.captions else None

    def fingerprint(self, split: str) -> str:
        """SHA-256, in hex, over a split's videos as they were packed: not that of the files that they come from."""
        videos = self._videos_to_measure_on(split)
        hashes = self.pack.rows(["packed_sha256"])["packed_sha256"].take(pa.array(videos.column("row")))
        content = content_hash(zip(videos.paths(), hashes.to_pylist(), strict=True))
        return hashlib.sha256(f"{self.pack.header.format}\0{self.pack.header.size}\0{content}".encode()).hexdigest()

    @cached_property
    def _captions(self) -> pa.LargeStringArray:
        return self.pack.rows(["caption"])["caption"].cast(pa.large_string()).combine_chunks()

    @cached_property
    def _listed(self) -> pa.Table:
        return named_videos(self.pack, _COLUMNS)

    def _split(self, videos: VideoTable) -> Split:
        """By the lists, by the splits of the pack, or by the fraction, which keeps the parts of a file together."""
        if self.train_list is not None or self.validation_list is not None:
            return super()._split(videos)
        splits = self._listed["split"].combine_chunks()
        if self.use_splits and splits.null_count < len(splits):
            return _split_of(self.root, videos, splits)
        if not 0 < self.validation_fraction < 1 or len(videos) < _MANY:
            return self._split_by_fraction()
        about = f"{self.pack.fingerprint} {self.validation_fraction} {self.group_pattern}"
        validation = kept_mask(about, len(videos), lambda: self._split_by_fraction()[1])
        return ~validation, validation

    def _split_by_fraction(self) -> Split:
        return split_by_fraction(self._listed["path"].to_pylist(), self.validation_fraction, self.group_pattern)


def _table_of(pack: Pack, listed: pa.Table) -> VideoTable:
    """The videos in columns, without an object for each, and without their hashes, which only a fingerprint needs."""
    names = listed["name"].combine_chunks()
    _, places, content = names.buffers()
    ends = np.frombuffer(places, np.int64)[names.offset : names.offset + len(names) + 1]
    rows = listed["row"].to_numpy()
    _, labels = pack.classes
    return VideoTable(
        {
            "num_frames": listed["num_frames"].to_numpy().astype(np.int32),
            "width": listed["width"].to_numpy().astype(np.int32),
            "height": listed["height"].to_numpy().astype(np.int32),
            "fps": listed["fps"].to_numpy(),
            "exact_seek": np.ones(len(rows), bool),
            "label": labels[rows].astype(np.int32),
            "path_begin": ends[:-1],
            "path_end": ends[1:],
            "paths": np.frombuffer(content, np.uint8),
            "row": rows,
        }
    )


def _split_of(root: str, videos: VideoTable, splits: pa.StringArray) -> Split:
    """The split that each video has.

    Raises: ValueError if some videos have none, or none is for training.
    """
    without = np.flatnonzero(splits.is_null())
    if len(without):
        named = name_a_few([videos.path(number) for number in without[:NUM_NAMED].tolist()], len(without))
        raise ValueError(
            f"{root}: {len(without)} of {len(videos)} videos have no split ({named}); give all of them "
            "one and pack again, or set use_splits: false"
        )
    encoded = splits.dictionary_encode()
    kinds = [str(kind).lower() for kind in encoded.dictionary.to_pylist()]
    held_out = next((kind for kind in _HELD_OUT if set(kind) & set(kinds)), ())
    if not set(_TRAINING) & set(kinds):
        raise ValueError(
            f"{root}: no video has the split train, there are {name_a_few(sorted(set(kinds)))}; set use_splits: false"
        )
    of_video = encoded.indices.to_numpy()
    train, validation = (np.isin(kinds, chosen)[of_video] for chosen in (_TRAINING, held_out))
    return train, validation
