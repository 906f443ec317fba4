from pathlib import Path

import pytest
import torch
from PIL import Image

from evaluation.clip_set import ClipSet
from evaluation.shown_clips import PairedScores, by_distance, by_score, copies, enlarged, strip, write_clips
from tests.evaluation.clip_sets import clip_set
from video_io.reading import probe, read_clip

REAL = [[0.0], [10.0], [20.0]]
FAKE = [[1.0], [9.9], [14.0], [50.0], [0.5]]


def shown(gallery: object) -> list[tuple[int, int]]:
    """(clip, the one beside it) of each pair."""
    return [(pair.shown[1], pair.beside[1]) for pair in gallery.pairs]  # type: ignore[attr-defined]


def test_best_worst_and_missing_clips_by_distance() -> None:
    best, worst, missing = by_distance(clip_set("real", REAL), clip_set("generated", FAKE), num_shown=2)
    assert shown(best) == [(1, 1), (4, 0)]
    assert shown(worst) == [(3, 2), (2, 1)]
    assert shown(missing) == [(2, 2), (0, 4)]
    assert best.pairs[0].text == "distance 0.1"
    assert {pair.shown[0].side for pair in missing.pairs} == {"real"}


def test_a_clip_that_was_chosen_twice_is_missed_once() -> None:
    real = clip_set("real", [[0.0], [0.0], [20.0]])
    twice = ClipSet("real", ["a", "a", "b"], real.clip, real.features)
    *_, missing = by_distance(twice, clip_set("generated", [[30.0]]), num_shown=2)
    assert shown(missing) == [(0, 0), (2, 0)]


def test_no_clip_is_both_best_and_worst() -> None:
    best, worst, _ = by_distance(clip_set("real", REAL), clip_set("generated", FAKE), num_shown=9)
    assert len(shown(best)) == 3 and len(shown(worst)) == 2
    assert {index for index, _ in shown(best) + shown(worst)} == set(range(5))
    best, worst, _ = by_distance(clip_set("real", REAL), clip_set("generated", FAKE[:1]), num_shown=9)
    assert shown(best) == [(0, 0)] and shown(worst) == []


def test_copies_of_training_clips() -> None:
    gallery = copies(clip_set("generated", FAKE), clip_set("training", [[9.9], [100.0]]), num_shown=2)
    assert shown(gallery) == [(1, 0), (2, 0)]
    assert gallery.pairs[0].text == "distance 0"
    assert "one of 2 training clips" in gallery.explanation and "all generated clips is 8.9" in gallery.explanation


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_pairs_by_their_score(higher_is_better: bool) -> None:
    real, fake = clip_set("real", [[0.0]] * 4), clip_set("generated", [[0.0]] * 4)
    scores = PairedScores("psnr", torch.tensor([30.0, 10.0, 20.0, 40.0]), higher_is_better)
    best, worst = by_score(real, fake, scores, num_shown=2)
    expected = [[(3, 3), (0, 0)], [(1, 1), (2, 2)]]
    assert [shown(best), shown(worst)] == (expected if higher_is_better else expected[::-1])
    assert best.pairs[0].text == ("psnr 40" if higher_is_better else "psnr 10")
    with pytest.raises(ValueError, match="4 scores do not fit 3 real and 4 generated"):
        by_score(clip_set("real", REAL), fake, scores, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_clip_is_written_once(tmp_path: Path, channels: int) -> None:
    asked: list[int] = []
    fake = clip_set("generated", FAKE, channels=channels)
    counting = ClipSet("generated", fake.names, lambda i: (asked.append(i), fake.clip(i))[1], fake.features)
    galleries = by_distance(clip_set("real", REAL, channels=channels), counting, num_shown=3)
    names = write_clips(tmp_path, galleries, fps=8)
    assert len(asked) == len(set(asked)) == 5
    assert names["real", 2] == "real-00002"
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}{end}" for name in names.values() for end in (".mp4", ".png")
    }
    assert probe(tmp_path / "generated-00003.mp4")[:4] == (4, 192, 128, 8)
    assert abs(read_clip(tmp_path / "generated-00003.mp4", [0], None).float() - 30).max() <= 3
    with Image.open(tmp_path / "real-00001.png") as picture:
        assert picture.size == (4 * 192, 128)


def test_pixels_of_small_clips_become_squares() -> None:
    clip = torch.randint(0, 256, (3, 2, 60, 100), dtype=torch.uint8)
    large = enlarged(clip)
    assert large.shape == (3, 2, 180, 300)
    assert torch.equal(large[:, :, 1::3, 1::3], clip)
    assert torch.equal(enlarged(large), large)


def test_a_strip_is_of_all_the_time() -> None:
    clip = torch.arange(29, dtype=torch.uint8)[None, :, None, None].expand(3, -1, 5, 4)
    assert strip(clip).shape == (3, 5, 8 * 4)
    assert strip(clip)[0, 0, ::4].tolist() == [0, 4, 8, 12, 16, 20, 24, 28]
    assert strip(clip[:, :3])[0, 0, ::4].tolist() == [0, 1, 2]
