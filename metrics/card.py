"""The card beside every number: all that decides whether two numbers may be compared."""

import configparser
import dataclasses
import importlib.metadata
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torchmetrics


def versions() -> dict[str, str]:
    """Versions of what computed the number: torch, torchmetrics, kinogan."""
    return {"torch": torch.__version__, "torchmetrics": torchmetrics.__version__, "kinogan": _kinogan_version()}


def _kinogan_version() -> str:
    """Of the checkout this file lies in, else of the installed package."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    if setup.get("metadata", "name", fallback="") == "kinogan":
        return setup["metadata"]["version"]
    return importlib.metadata.version("kinogan")


NOT_COMPARED = ("value", "interval", "standard_deviation", "curve", "step", "fake", "warnings")
TUPLES = ("frame_size", "interval", "warnings", "curve")  # which JSON makes lists of


@dataclass(frozen=True)
class MetricCard:
    """What a value of a metric is made of.  Unequal cards are not compared: see `differences`.

    Args:
        key: name of the protocol, and of the value where a protocol has several, see `metrics.protocols`.
        value: the number.
        num_real, num_fake: rows of features on either side: frames for FID, clips for FVD.
        num_frames: frames of a clip.  For FID, too: the frames come from such clips, and those of one clip resemble
            each other.
        frame_stride: every how many-th frame of the model's clips was measured.
        fps: frames per second of the clips as measured; tells the data's own frame stride.
        frame_size: (H, W) in pixels of the clips, before the network's resize.
        resize: `FeatureNetwork.resize`.
        feature_network, weights_sha256: `FeatureNetwork.name`, `.weights_sha256`.
        real_fingerprint: of the real videos, what the data module's `fingerprint` says.
        real_split: "train" or "validation", where a data module has split them; else "all".
        real_clips_sha256: of the pixels of some of the real clips, which tell what the data module chose: its own seed,
            stride, cropping.
        seed: of the generated videos' latents.
        sampling: how the generated videos were drawn: which weights, what truncation, whether from parts of real clips.
        covariance_divisor: "N - 1", or "N" as in StyleGAN-V.
        step: training step of the measured generator; None if it is not known.
        interval: 95 %, by a bootstrap over the generated clips, see `metrics.bootstrap`; None if none was made.
        standard_deviation: of the value, where the protocol repeats its measurement; None where it does not.
        curve: the value frame by frame, of scores that have one; empty elsewhere.
        num_trials: how often the protocol measures; the value is the mean.
        estimator: name and settings of what makes a number of the features.
        real_rule, fake_rule: which clips are taken from the videos, see `metrics.clip_rules`; None: all that there are.
        settings: what else decides the number, by name.
        source: who has published the protocol.
        fake: what was measured, in words; another one does not forbid comparing.
        warnings: what a reader must know about the value.
    """

    key: str
    value: float
    num_real: int
    num_fake: int
    num_frames: int
    fps: float
    frame_size: tuple[int, int]
    resize: str
    feature_network: str
    weights_sha256: str
    real_fingerprint: str
    real_split: str
    real_clips_sha256: str
    seed: int
    sampling: dict[str, Any]
    frame_stride: int = 1
    covariance_divisor: str = "N - 1"
    step: int | None = None
    interval: tuple[float, float] | None = None
    standard_deviation: float | None = None
    curve: tuple[float, ...] = ()
    num_trials: int = 1
    estimator: dict[str, Any] = field(default_factory=lambda: {"name": "Frechet"})
    real_rule: dict[str, Any] | None = None
    fake_rule: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    fake: str = ""
    warnings: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=versions)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts, ready for JSON, YAML or a logger."""
        content = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}

    def differences(self, other: "MetricCard") -> list[str]:
        """Names of the fields that forbid comparing the two values; empty if they may be compared.

        Everything but what was measured and what came out (`NOT_COMPARED`) counts; of the versions only kinogan's.
        """
        mine, others = self.as_dict(), other.as_dict()
        for card in (mine, others):
            for name in NOT_COMPARED:
                del card[name]
            card["versions"] = card["versions"]["kinogan"]
        return [name for name in mine if mine[name] != others[name]]

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "MetricCard":
        """The card that `as_dict` was made of.

        Raises: ValueError if it is not the content of a card.
        """
        try:
            lists = {name: tuple(content[name]) for name in TUPLES if content.get(name)}
            card = cls(**{**content, "warnings": (), "curve": (), **lists})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"This is not the card of a metric: {error}") from error
        if not isinstance(card.value, int | float) or not math.isfinite(card.value):
            raise ValueError(f"This is not the card of a metric: its value is {card.value!r}")
        if card.interval is not None and [type(end) in (int, float) for end in card.interval] != [True, True]:
            raise ValueError(f"This is not the card of a metric: its interval is {card.interval!r}")
        if not isinstance(card.versions, dict) or "kinogan" not in card.versions:
            raise ValueError(f"This is not the card of a metric: its versions are {card.versions!r}")
        return card
