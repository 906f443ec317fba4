"""The acting figures: a small set of drawn people who act, made on the spot, so that a first run downloads nothing."""

from typing import Any

from datamodules.acting_figures_drawing import write_acting_figures
from datamodules.video_folder import VideoFolder


class ActingFigures(VideoFolder):
    """The acting figures, drawn when they are first needed; or, with `root`, any other folder of videos.

    Args:
        root: folder of the videos, which must exist.  None is data/acting_figures below the working directory, drawn
            there if it is missing, and split so that no person is both in training and in validation.
        group_pattern: as in `VideoFolder`; None with the drawn figures is their person.
        others: as in `VideoFolder`.
    """

    DRAWN_ROOT = "data/acting_figures"
    PERSON = r"person(\d+)"

    def __init__(self, root: str | None = None, group_pattern: str | None = None, **others: Any) -> None:
        self.drawn = root is None
        if self.drawn:
            group_pattern = group_pattern or self.PERSON
        super().__init__(root=self.DRAWN_ROOT if root is None else root, group_pattern=group_pattern, **others)

    def prepare_data(self) -> None:
        """Draw the figures if they are not there, then index them."""
        if self.drawn:
            write_acting_figures(self.root)
        super().prepare_data()
