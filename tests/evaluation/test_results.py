import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.results import Results, compare, table
from metrics.card import MetricCard

CARD = MetricCard(
    key="fvd10_8f/quarters", value=123.456, num_real=10, num_fake=10, num_frames=8, fps=8.0, frame_size=(16, 16),
    resize="none", feature_network="quarters", weights_sha256="ab" * 32, real_fingerprint="cd" * 32, real_split="all",
    real_clips_sha256="", seed=0, sampling={}, interval=(100.0, 150.5),
    real_rule={"order": "shuffled", "one_per_video": True}, warnings=("few clips",),
)  # fmt: skip


def results(*cards: MetricCard, **failed: str) -> Results:
    return Results(cards, "real ones", "fake ones", failed)


def card(**changed: Any) -> MetricCard:
    return dataclasses.replace(CARD, **changed)


def compared(one: Results, other: Results) -> str:
    return compare(one, other, ("A.json", "B.json"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "result.json"
    written = results(CARD, card(key="psnr_8f", interval=None, curve=(1.0, 2.0)), niqe_8f="one colour")
    written.write(path)
    assert Results.read(path) == written
    results(CARD).write(path)
    assert Results.read(path) == results(CARD)
    assert [each.name for each in path.parent.iterdir()] == ["result.json"]
    assert json.loads(path.read_text())["cards"][0]["value"] == 123.456


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    results(CARD).write(path)
    with pytest.raises(ValueError, match="Out of range float"):
        results(card(value=float("nan"))).write(path)  # is not JSON
    assert Results.read(path) == results(CARD) and len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize("content", ["", "[]", "7", "{}", '{"cards": [{"key": "x"}], "real": "", "fake": ""}', "\x00"])
def test_a_file_that_is_no_result(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json: is not a file that evaluate\.py has written") as raised:
        Results.read(path)
    assert "\n" not in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"gone\.json: there is no such file of results"):
        Results.read(tmp_path / "gone.json")


def test_a_value_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    content = results(CARD).as_dict()
    path.write_text(json.dumps({**content, "cards": [{**content["cards"][0], "value": "low"}]}))
    with pytest.raises(ValueError, match=r"is not a file that evaluate\.py has written .*'low'"):
        Results.read(path)


def test_the_table() -> None:
    other = card(key="kvd10_8f/quarters", value=1e-7, interval=None, standard_deviation=0.5)
    assert table(results(CARD, other, niqe_8f="frames of one colour")).splitlines() == [
        "metric             value   95 % interval  fake / real  features",
        "---------------------------------------------------------------",
        "fvd10_8f/quarters  123.46  100 to 150.5   10 / 10      quarters",
        "kvd10_8f/quarters  1e-07   sd 0.5         10 / 10      quarters",
        "niqe_8f: failed: frames of one colour",
        "fvd10_8f/quarters, kvd10_8f/quarters: few clips",
    ]
    assert table(results(niqe_8f="no")).endswith("niqe_8f: failed: no")


def test_equal_cards_compare() -> None:
    better = card(value=50.0, interval=(40.0, 60.0), step=7, fake="another run", warnings=())
    assert compared(results(CARD), results(better, card(key="fid80/quarters"))).splitlines() == [
        "metric             A.json                 B.json         difference  intervals",
        "fvd10_8f/quarters  123.46 (100 to 150.5)  50 (40 to 60)  -73.46      apart",
        "in one of them only: fid80/quarters",
    ]
    assert "overlap" in compared(results(CARD), results(card(interval=(150.0, 160.0))))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 3}, "seed (0 and 3)"),
        ({"frame_size": (32, 32)}, "frame_size ([16, 16] and [32, 32])"),
        ({"num_fake": 11, "fps": 25.0}, "num_fake (10 and 11), fps (8.0 and 25.0)"),
        (
            {"weights_sha256": "ab" * 20 + "ac" * 12},  # begins alike
            "weights_sha256 (" + "ab" * 24 + "a... and " + "ab" * 20 + "ac" * 4 + "a...)",
        ),
        ({"real_rule": {"order": "sorted", "one_per_video": True}}, "real_rule.order (shuffled and sorted)"),
        ({"real_rule": None}, "real_rule ({'order': 'shuffled', 'one_per_video'... and None)"),
        ({"sampling": {"weights": "latest"}}, "sampling.weights (None and latest)"),
        ({"versions": {**CARD.versions, "kinogan": "9"}}, f"versions.kinogan ({CARD.versions['kinogan']} and 9)"),
    ],
)
def test_unequal_cards_are_refused_with_both_values(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as raised:
        compared(results(CARD), results(card(**changed)))
    text = str(raised.value)
    assert text.startswith(
        "A.json and B.json were not measured alike and cannot be compared: fvd10_8f/quarters differs in "
    )
    assert text.endswith(f"differs in {said}")
    assert "\n" not in text


def test_versions_of_libraries_do_not_forbid_comparing() -> None:
    assert "overlap" in compared(results(CARD), results(card(versions={**CARD.versions, "torch": "1"})))


def test_nothing_in_common() -> None:
    with pytest.raises(ValueError, match=r"A\.json has fvd10_8f/quarters, B\.json has nothing: there is nothing to co"):
        compared(results(CARD), results(niqe_8f="failed"))
