"""The file of an evaluation: cards, as JSON; written whole, read again, printed, compared."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.processes import one_line
from metrics.card import MetricCard


@dataclass(frozen=True)
class Outcome:
    """What has come of a protocol or a score: cards on the first process, or why it could not be computed."""

    name: str
    cards: tuple[MetricCard, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Results:
    """What an evaluation has found.

    Args:
        cards: one a value.
        real, fake: what was measured, in words.
        failed: why what was asked for is not there, by its name.
    """

    cards: tuple[MetricCard, ...]
    real: str
    fake: str
    failed: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        cards = [card.as_dict() for card in self.cards]
        return {"real": self.real, "fake": self.fake, "cards": cards, "failed": self.failed}

    def write(self, path: Path) -> None:
        """Write the file whole or not at all; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """The results in a file.

        Raises: FileNotFoundError, or ValueError if it holds something else.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such file of results")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            cards = tuple(MetricCard.from_dict(card) for card in content["cards"])
            return cls(cards, content["real"], content["fake"], dict(content.get("failed", {})))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: is not a file that evaluate.py has written ({one_line(error)})") from error


def table(results: Results) -> str:
    """Values with their intervals and what they are made of, a line each, then what failed, then the warnings."""
    cards = results.cards
    rows = [("metric", "value", "95 % interval", "fake / real", "features")]
    rows += [
        (card.key, f"{card.value:.5g}", shown_interval(card), shown_counts(card), card.feature_network)
        for card in cards
    ]
    lines = aligned(rows)
    lines.insert(1, "-" * max(map(len, lines)))
    lines += [f"{name}: failed: {why}" for name, why in results.failed.items()]
    warnings = dict.fromkeys(warning for card in cards for warning in card.warnings)
    for warning in warnings:
        concerned = ", ".join(card.key for card in cards if warning in card.warnings)
        lines.append(f"{concerned}: {warning}")
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def shown_interval(card: MetricCard) -> str:
    """The interval, or the standard deviation where the protocol has one."""
    parts = []
    if card.interval is not None:
        parts.append("{:.5g} to {:.5g}".format(*card.interval))
    if card.standard_deviation is not None:
        parts.append(f"sd {card.standard_deviation:.3g}")
    return ", ".join(parts) or "-"


def shown_counts(card: MetricCard) -> str:
    """Rows of features, or clips, of either side."""
    return f"{card.num_fake} / {card.num_real}" if card.num_real else f"{card.num_fake}"


def compare(one: Results, other: Results, names: tuple[str, str]) -> str:
    """A table of the values of two evaluations, side by side.

    Raises: ValueError, naming the fields, if a number of the one and that of the other were not measured alike, or if
        they have no metric in common.
    """
    others = {card.key: card for card in other.cards}
    pairs = [(card, others[card.key]) for card in one.cards if card.key in others]
    if not pairs:
        raise ValueError(
            f"{names[0]} has {keys(one.cards)}, {names[1]} has {keys(other.cards)}: there is nothing to compare"
        )
    refused = [f"{a.key} differs in {told(a, b)}" for a, b in pairs if a.differences(b)]
    if refused:
        raise ValueError(
            f"{names[0]} and {names[1]} were not measured alike and cannot be compared: {'; '.join(refused)}"
        )
    rows = [("metric", *names, "difference", "intervals")]
    for a, b in pairs:
        rows.append((a.key, shown(a), shown(b), f"{b.value - a.value:+.4g}", overlap(a, b)))
    lines = aligned(rows)
    only = sorted({card.key for card in (*one.cards, *other.cards)} - {a.key for a, _ in pairs})
    return "\n".join([*lines, *([f"in one of them only: {', '.join(only)}"] if only else [])])


def told(a: MetricCard, b: MetricCard) -> str:
    """The fields in which two cards differ, with both values; of fields with settings, the settings that differ."""
    mine, others = a.as_dict(), b.as_dict()
    parts = []
    for name in a.differences(b):
        one, other = mine[name], others[name]
        if isinstance(one, dict) and isinstance(other, dict):
            unlike = [key for key in {**one, **other} if one.get(key) != other.get(key)]
            if name == "versions":
                unlike = ["kinogan"]  # the only one that forbids it
            parts += [f"{name}.{key} ({both(one.get(key), other.get(key))})" for key in unlike]
        else:
            parts.append(f"{name} ({both(one, other)})")
    return ", ".join(parts)


def both(one: object, other: object) -> str:
    """Two unequal values in a line, cut where they are long, but not so short that they look alike."""
    texts = str(one), str(other)
    alike = next((place for place, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
    length = max(37, alike + 8)
    return " and ".join(text if len(text) <= length + 3 else f"{text[:length]}..." for text in texts)


def shown(card: MetricCard) -> str:
    """Value and interval."""
    interval = shown_interval(card)
    return f"{card.value:.5g}" + (f" ({interval})" if interval != "-" else "")


def overlap(a: MetricCard, b: MetricCard) -> str:
    """Whether the intervals overlap."""
    if a.interval is None or b.interval is None:
        return "-"
    return "overlap" if a.interval[0] <= b.interval[1] and b.interval[0] <= a.interval[1] else "apart"


def keys(cards: Sequence[MetricCard]) -> str:
    """Names of what was measured."""
    return ", ".join(card.key for card in cards) or "nothing"
