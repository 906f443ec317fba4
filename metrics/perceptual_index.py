"""The perceptual index of the PIRM challenge: NIQE and a score of Ma et al. that the user brings."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metrics.niqe import NIQE

WHY_A_FILE = (
    "The perceptual index needs the quality score of Ma et al. 2017, whose trained regressors exist for MATLAB alone "
    "(github.com/chaoma99/sr-metric): compute it there and give a CSV or JSON file of names and scores."
)


class PerceptualIndex:
    """Perceptual index of each clip (Blau et al. 2018, arXiv:1809.07517); lower is better.

        PI = ((10 - Ma) + NIQE) / 2

    Ma: the no-reference score of Ma et al. 2017 (arXiv:1612.05890), 0 to 10, 10 is best.  It is a forest of regression
    trees over a hundred and more features, published as MATLAB programs with binary parts; there is no implementation
    in Python with weights that one may use, and none is made up here.  The user computes it for the same clips and
    gives, for each, the mean over its frames.

    NIQE: mean over the frames of `NIQE(luma="ycbcr")`, after 4 pixels on each side are cut off, as the challenge does.

    Blind spots: those of NIQE; nothing of motion, diversity or likeness to real clips.  It was made for photographs
    that were enlarged four times, not for what a GAN makes.

    Args:
        ma_scores: CSV (two columns, name and score, with or without a head) or JSON (an object of names and scores).
        niqe: another `NIQE`, such as one that enlarges small frames; `settings` tells.
        border: pixels cut off on each side; 4 in the challenge.

    Raises: ValueError if there is no file, it cannot be understood, or a score is not in 0..10; FileNotFoundError if it
        is not where it is said to be.
    """

    higher_is_better = False

    def __init__(self, ma_scores: str | Path | None, niqe: NIQE | None = None, border: int = 4) -> None:
        if ma_scores is None:
            raise ValueError(WHY_A_FILE)
        if border < 0:
            raise ValueError(f"border must be at least 0; got {border}.")
        self.ma_scores = read_scores(ma_scores)
        self.niqe = niqe or NIQE(luma="ycbcr")
        self.border = border
        self.name = self.niqe.name.replace("niqe", "perceptual_index", 1)

    @property
    def settings(self) -> dict[str, Any]:
        """NIQE's, and what is cut off."""
        return {**self.niqe.settings, "border": self.border, "ma": "given by the user"}

    def __call__(self, clips: Tensor, names: Sequence[str]) -> Tensor:
        """Indices (N,) float64 of clips uint8 (N, 3 or 1, T, H, W) that the file of scores calls `names`.

        Raises: ValueError as `NIQE`, or if there are not N names, or one has no score.
        """
        if len(names) != len(clips):
            raise ValueError(f"{len(clips)} clips need as many names; got {len(names)}.")
        self.check_names(names)
        height, width = clips.shape[-2:]
        inner = clips[..., self.border : height - self.border, self.border : width - self.border]
        niqe = self.niqe(inner).mean(1)
        ma = torch.tensor([self.ma_scores[name] for name in names], dtype=torch.float64)
        return (10 - ma + niqe) / 2

    def check_names(self, names: Sequence[str]) -> None:
        """Raise ValueError if one has no score."""
        missing = [name for name in names if name not in self.ma_scores]
        if missing:
            raise ValueError(f"{len(missing)} of {len(names)} clips have no score of Ma et al., first {missing[0]}.")


def read_scores(path: str | Path) -> dict[str, float]:
    """Names and scores of a CSV or JSON file, see `PerceptualIndex`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} with scores of Ma et al.")
    pairs = _json_pairs(path) if path.suffix.lower() == ".json" else _csv_pairs(path)
    if not pairs:
        raise ValueError(f"{path} holds no scores; it should have a name and a number for each clip.")
    scores: dict[str, float] = {}
    for name, text in pairs:
        score = _number(text)
        if not 0 <= score <= 10:
            raise ValueError(f"{path}: the score of {name} is {text!r}, and should be a number in 0..10.")
        if name in scores:
            raise ValueError(f"{path}: {name} has two scores.")
        scores[name] = score
    return scores


def _json_pairs(path: Path) -> list[tuple[str, Any]]:
    try:
        # Pairs, not a dict, which would keep the last of two entries with one name.
        content = json.loads(path.read_text(), object_pairs_hook=list)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, list) or not all(isinstance(pair, tuple) for pair in content):
        raise ValueError(f"{path} should hold one object of names and scores.")
    return content


def _csv_pairs(path: Path) -> list[tuple[str, Any]]:
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise ValueError(f"{path}: row {number} has {len(row)} columns; a name and a score make two.")
    if rows and math.isnan(_number(rows[0][1])):  # its head
        rows = rows[1:]
    return [(name.strip(), score) for name, score in rows]


def _number(value: Any) -> float:
    """NaN for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan
