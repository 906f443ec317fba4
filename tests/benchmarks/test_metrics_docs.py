"""The page of the metrics says what the program is."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.damages import DAMAGES
from benchmarks.metrics_docs import PAGE, PARTS, STUDIES, with_parts
from benchmarks.sensitivity_measuring import own_protocols
from metrics.protocols import PUBLISHED
from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES


def test_the_page_is_as_the_program_would_write_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_parts(text, PAGE.parent / STUDIES) == text, "run python -m benchmarks.metrics_docs"


def test_everything_that_can_be_measured_stands_on_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in [*PUBLISHED, *(f"{family}_16f" for family in (*SCORES, PERCEPTUAL_INDEX))]:
        assert f"`{name}`" in text


def test_a_page_without_marks() -> None:
    text = "".join(f"<!-- begin {name} -->\nStale.\n<!-- end {name} -->\n" for name in PARTS)
    with pytest.raises(ValueError, match="no <!-- begin sensitivity -->"):
        with_parts(text, PAGE.parent / STUDIES)
    whole = with_parts(text + "<!-- begin sensitivity -->\nStale.\n<!-- end sensitivity -->\n", PAGE.parent / STUDIES)
    assert "Stale." not in whole
    assert with_parts(whole, PAGE.parent / STUDIES) == whole


def test_links_of_the_page_lead_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = {re.sub(r"[^a-z -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif "://" not in target:
            assert (PAGE.parent / target).is_file(), target


@pytest.mark.parametrize("path", sorted((PAGE.parent / STUDIES).glob("*.json")), ids=lambda path: path.stem)
def test_studies_are_of_the_damages_and_protocols_that_there_are(path: Path) -> None:
    results = json.loads(path.read_text(encoding="utf-8"))
    assert [(each["name"], tuple(each["strengths"])) for each in results["damages"]] == [
        (damage.name, damage.strengths) for damage in DAMAGES
    ]
    keys = {metric["key"] for metric in results["metrics"]}
    for protocol in own_protocols(results["num_clips"], results["num_frames"]).values():
        assert keys.issuperset(protocol.keys.values())
