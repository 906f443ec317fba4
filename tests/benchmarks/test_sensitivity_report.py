"""What a study says of a metric and a damage: sees it, does not, or is fooled."""

from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.sensitivity_report import Verdict, damages, findings, floors, head, ratios, verdict_on


def point(value: float, half_width: float = 1.0) -> dict[str, Any]:
    return {"value": value, "interval": [value - half_width, value + half_width]}


def metric(values: Sequence[float | None], floor: float = 10.0, higher_is_better: bool = False) -> dict[str, Any]:
    points = [None if value is None else point(value) for value in values]
    return {
        "name": "FVD",
        "key": "fvd8_16f/some",
        "higher_is_better": higher_is_better,
        "floor": point(floor),
        "values": {"noise": points},
    }


def results(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": "videos: 8 videos", "real": "4 clips", "fake": "4 clips", "num_frames": 16, "size": 64, "minutes": 1.5,
        "threads": 2, "modes": "classes", "metrics": list(metrics),
        "damages": [{"name": "noise", "words": "grey levels", "strengths": [5, 15, 45]}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "higher_is_better", "expected"),
    [
        ([11, 12, 30], False, Verdict("sees", 3.0, 1.0)),
        ([11, 12, 30], True, Verdict("fooled", 3.0, -1.0)),
        ([9, 8, 5], False, Verdict("fooled", 0.5, -1.0)),
        ([9, 8, 5], True, Verdict("sees", 0.5, 1.0)),
        ([11, 11.5, 12], False, Verdict("blind", 1.2, 1.0)),  # the intervals touch
        ([11, 12, 12.1], False, Verdict("sees", 1.21, 1.0)),
        ([10, 10, 10 + 1e-7], False, Verdict("blind", 1.0, 0.0)),  # rounding is no rise
        ([30, 20, 15], False, Verdict("sees", 1.5, 0.2)),
    ],
)
def test_verdicts(values: list[float], higher_is_better: bool, expected: Verdict) -> None:
    found = verdict_on(metric(values, higher_is_better=higher_is_better), "noise")
    assert found is not None
    assert (found.kind, found.correlation) == (expected.kind, pytest.approx(expected.correlation))
    assert found.ratio == pytest.approx(expected.ratio)


def test_a_metric_that_says_nothing_of_a_damage_has_no_verdict() -> None:
    assert verdict_on(metric([None, None, None]), "noise") is None
    assert verdict_on({**metric([1, 2, 3]), "floor": None}, "noise") is None


def test_a_floor_that_is_not_above_zero_has_no_ratios() -> None:
    found = verdict_on(metric([5, 10, 20], floor=-0.1), "noise")
    assert found == Verdict("sees", None, 1.0)


def test_a_value_without_an_interval_is_its_own() -> None:
    alone = metric([10, 10, 10])
    alone["values"]["noise"][-1] = {"value": 11.5, "interval": None}
    found = verdict_on(alone, "noise")
    assert found is not None and found.kind == "sees"


def test_tables() -> None:
    study = results(metric([11, 12, 30]), {**metric([9, 8, 5]), "name": "IS"}, {**metric([None] * 3), "name": "NIQE"})
    assert findings(study)[2:] == ["| FVD | noise | - | - |", "| IS | - | - | noise |", "| NIQE | - | - | - |"]
    assert ratios(study)[2:] == ["| FVD | **3.00** (+1.0) |", "| IS | *0.50* (-1.0) |", "| NIQE | - |"]
    assert floors(study)[2] == "| FVD | `fvd8_16f/some` | lower | 10 | 9 to 11 |"
    assert damages(study)[2] == "| noise | grey levels | 5, 15, 45 |"
    assert head(study)[0].startswith("videos: 8 videos. Real side: 4 clips.")
