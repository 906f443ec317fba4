"""A folder of pictures as a LightningDataModule: clips of one frame."""

from typing import Any

from datamodules.video_folder import VideoFolder
from datamodules.video_index import VideoIndex, index_videos


class PictureFolder(VideoFolder):
    """Clips of one frame from a folder of png, jpg, bmp or webp files; every picture is decoded when it is needed.

    Args:
        root: folder of the pictures, at any depth.  The first folder below it is the class; without folders, one class.
        num_frames: 1; a picture has no more.
        others: as in `VideoFolder`.

    Raises: ValueError, in one line, if num_frames is not 1; otherwise as `VideoFolder`.
    """

    def __init__(self, root: str, num_frames: int = 1, **others: Any) -> None:
        if num_frames != 1:
            raise ValueError(f"num_frames is {num_frames}; clips of pictures have 1 frame")
        super().__init__(root=root, num_frames=num_frames, **others)

    def read_index(self) -> VideoIndex:
        """Every picture, as a video of one frame."""
        return index_videos(self.root, pictures=True, set_aside=self._ledger().entries)
