import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch

from evaluation.clip_set import ClipSet
from evaluation.page import write_page
from evaluation.shown_clips import PairedScores
from tests.evaluation.clip_sets import clip_set

CARD: dict[str, Any] = {
    "key": "fvd256_16f/<net>", "value": 123.456, "interval": (100.0, 150.5), "num_real": 6, "num_fake": 5,
    "feature_network": "<net>", "sampling": {"weights": "latest"}, "step": None,
    "warnings": ("fewer clips & more",),
}  # fmt: skip


class Reader(HTMLParser):
    """Tags with their attributes, text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(path: Path, **changed: Any) -> Reader:
    labels = [0, 1, 0, 1, 0]
    given = {
        "cards": [CARD],
        "real": clip_set("real", torch.randn(6, 4), [*labels, 1]),
        "fake": clip_set("generated", torch.randn(5, 4), labels),
        "fps": 8,
        "class_names": ("bow & scrape", "wave"),
        **changed,
    }
    write_page(path, **given)
    read = Reader(path.read_text())
    assert not read.open
    return read


def sources(read: Reader) -> list[str]:
    return [unquote(attributes["src"] or "") for _, attributes in read.tags if "src" in attributes]


def test_everything_is_on_the_page_and_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "result.html"
    read = page(path, training=clip_set("training", torch.randn(3, 4)), title="Us & them", notes=["real: <folder>"])
    for text in (
        *("Us & them", "real: <folder>", "fvd256_16f/<net>", "123.5", "100 to 150.5", "fewer clips & more"),
        *("Feature space", "Classes", "bow & scrape", "Best clips", "Worst clips", "What is missing"),
        *("Nearest training clips", "distance ", "training: training 1", "weights: latest"),
    ):
        assert text in read.text, text
    assert len(sources(read)) == 1 + 2 * 2 * (3 + 2 + 6 + 5)  # the map; of each pair two videos and two strips
    assert {str(Path(source).parent) for source in sources(read)} == {"result_files"}
    assert {str(path.parent / source) for source in sources(read)} == {
        str(each) for each in (path.parent / "result_files").iterdir()
    }
    assert not list(path.parent.glob("*.part"))


def test_nothing_comes_from_outside(tmp_path: Path) -> None:
    read = page(tmp_path / "result.html")
    assert not {"script", "link", "iframe"} & {tag for tag, _ in read.tags}
    assert not re.search(r"https?:|url\(|@import", (tmp_path / "result.html").read_text())


def test_a_page_can_be_written_again(tmp_path: Path) -> None:
    first = page(tmp_path / "result.html", num_shown=1)
    assert len(sources(first)) == 1 + 2 * 2 * 3
    assert "another" in page(tmp_path / "result.html", title="another").text


def test_without_labels_there_are_no_classes(tmp_path: Path) -> None:
    read = page(tmp_path / "result.html", real=clip_set("real", torch.randn(6, 4)))
    assert "Classes" not in read.text and "Best clips" in read.text


def test_a_paired_task_needs_no_features(tmp_path: Path) -> None:
    def without_features(side: str) -> ClipSet:
        whole = clip_set(side, torch.zeros(3, 1))
        return ClipSet(side, whole.names, whole.clip)

    read = page(
        tmp_path / "result.html",
        real=without_features("real"),
        fake=without_features("generated"),
        scores=PairedScores("psnr", torch.tensor([3.0, 1.0, 2.0]), higher_is_better=True),
    )
    assert "Best by psnr" in read.text and "Worst by psnr" in read.text
    assert "Feature space" not in read.text and "What is missing" not in read.text
    nothing = page(tmp_path / "empty.html", real=without_features("real"), fake=without_features("generated"))
    assert "Metrics" in nothing.text and not sources(nothing)


def test_a_card_may_say_little(tmp_path: Path) -> None:
    cards = [{"key": "isv2048", "value": 12.0, "standard_deviation": 0.25}, {**CARD, "num_real": 0, "interval": None}]
    assert "sd 0.25" in page(tmp_path / "result.html", cards=cards).text


@pytest.mark.parametrize(("name", "num_shown"), [("result.json", 6), ("result.html", 0)])
def test_what_is_refused(tmp_path: Path, name: str, num_shown: int) -> None:
    with pytest.raises(ValueError, match=r"a page is called something\.html and shows at least 1 clip"):
        page(tmp_path / name, num_shown=num_shown)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("features", "labels", "expected"),
    [
        (torch.zeros(0, 4), None, "there is no real clip"),
        (torch.zeros(2, 4), [0], "1 labels do not fit 2 real clips"),
        (torch.zeros(2), None, r"must be \(N, D\), not \(2,\)"),
        (torch.full((2, 4), torch.nan), None, "the features of the real clips are not finite"),
    ],
)
def test_a_set_that_does_not_fit_itself(features: torch.Tensor, labels: list[int] | None, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        clip_set("real", features, labels)
