"""The files of the acting figures: names, contents, and a folder that is complete or absent."""

import itertools
import json
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datamodules import acting_figures_drawing
from datamodules.acting_figures_drawing import CARD, main, plan_takes, write_acting_figures
from datamodules.acting_figures_frames import draw_clip
from datamodules.acting_figures_motions import ACTIONS
from video_io.reading import probe, read_clip

TINY = {"num_people": 1, "num_takes": 2, "num_frames": 6}


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return write_acting_figures(tmp_path_factory.mktemp("data") / "figures", seed=7, num_people=2, num_takes=2)


def test_the_whole_plan():
    takes = plan_takes(seed=0)
    assert len({take.path for take in takes}) == len(takes) == 12 * 5 * 4
    assert Counter(take.mirrored for take in takes) == {True: 120, False: 120}
    assert all(0 <= take.phase < 1 and 0.85 <= take.speed <= 1.2 for take in takes)
    assert len({(take.phase, take.speed) for take in takes}) == len(takes)
    assert takes[0].path == "bending/person01_bending_take1.mp4"
    assert {int(re.search(r"person(\d+)", take.path)[1]) - 1 == take.person for take in takes} == {True}


def test_a_smaller_set_is_a_part_of_the_whole():
    assert set(plan_takes(3, num_people=2, num_takes=1)) < set(plan_takes(3))
    assert not {take.phase for take in plan_takes(3)} & {take.phase for take in plan_takes(4)}


def test_one_class_folder_for_each_action(drawn):
    files = sorted(str(file.relative_to(drawn)) for file in drawn.rglob("*.mp4"))
    assert files == sorted(
        f"{action}/person{person:02d}_{action}_take{take}.mp4"
        for action, person, take in itertools.product(ACTIONS, (1, 2), (1, 2))
    )
    assert sorted(path.name for path in drawn.iterdir()) == sorted([CARD, *ACTIONS])


def test_videos_show_what_the_card_says(drawn):
    card = json.loads((drawn / CARD).read_text())
    for take in card["takes"][::3]:
        properties = probe(drawn / take["path"])
        assert tuple(properties) == (card["num_frames"], 64, 64, 25.0, True)
        clip = read_clip(drawn / take["path"], range(56), 64).permute(1, 2, 3, 0).numpy().astype(float)
        frames = draw_clip(take["person"], take["action"], take["phase"], take["speed"], 56, take["mirrored"])
        assert np.abs(clip - frames).mean() < 4


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    first = everything_in(write_acting_figures(tmp_path / "first", **TINY))
    assert everything_in(write_acting_figures(tmp_path / "second", **TINY)) == first
    third = everything_in(write_acting_figures(tmp_path / "third", seed=1, **TINY))
    assert third.keys() == first.keys()
    assert all(third[name] != first[name] for name in first)


def test_a_complete_set_is_left_alone(tmp_path, monkeypatch):
    folder = write_acting_figures(tmp_path / "figures", **TINY)
    monkeypatch.setattr(acting_figures_drawing, "write_video", lambda *_, **__: pytest.fail("drawn again"))
    assert write_acting_figures(folder, **TINY) == folder


def test_an_empty_folder_is_filled_and_missing_parents_are_made(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "new" / "deep"):
        assert len(list(write_acting_figures(folder, **TINY).rglob("*.mp4"))) == 10


def test_other_contents_are_never_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else than these acting figures; name another folder"):
        write_acting_figures(tmp_path, **TINY)
    with pytest.raises(ValueError, match="holds something else than these acting figures"):
        write_acting_figures(tmp_path / "mine.txt", **TINY)
    assert everything_in(tmp_path) == {"mine.txt": b"mine"}


def test_another_or_a_damaged_set_is_refused(tmp_path):
    folder = write_acting_figures(tmp_path / "figures", **TINY)
    with pytest.raises(ValueError, match="holds something else than these acting figures"):
        write_acting_figures(folder, seed=1, **TINY)
    (folder / "waving" / "person01_waving_take1.mp4").unlink()
    with pytest.raises(ValueError, match="1 videos of the acting figures are missing; remove it and draw again"):
        write_acting_figures(folder, **TINY)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch, interruption):
    count = itertools.count()

    def fail_in_the_middle(path, *_, **__):
        if next(count) == 4:
            raise interruption
        path.write_bytes(b"")

    monkeypatch.setattr(acting_figures_drawing, "write_video", fail_in_the_middle)
    with pytest.raises((KeyboardInterrupt, OSError)):
        write_acting_figures(tmp_path / "figures", **TINY)
    assert list(tmp_path.iterdir()) == []


def test_the_faster_of_two_processes_wins(tmp_path, monkeypatch):
    write_takes = acting_figures_drawing._write_takes

    def while_another_finishes(*arguments):
        monkeypatch.setattr(acting_figures_drawing, "_write_takes", write_takes)
        write_acting_figures(tmp_path / "figures", **TINY)
        write_takes(*arguments)

    monkeypatch.setattr(acting_figures_drawing, "_write_takes", while_another_finishes)
    write_acting_figures(tmp_path / "figures", **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_impossible_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_people must be from 1 to 12, not 13"):
        write_acting_figures(tmp_path / "figures", num_people=13)
    with pytest.raises(ValueError, match="seed -1 must be at least 0"):
        write_acting_figures(tmp_path / "figures", seed=-1)


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["acting_figures_drawing", str(tmp_path / "figures"), "--seed", "2"])
    few = plan_takes(2)[:3]
    monkeypatch.setattr(acting_figures_drawing, "plan_takes", lambda seed, *_: few if seed == 2 else [])
    assert main() == 0
    assert re.fullmatch(rf"{tmp_path}/figures: 3 videos, 0\.\d MB\n", capsys.readouterr().out)
    (tmp_path / "figures" / CARD).unlink()
    assert main() == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/figures: holds something else than these acting figures; name another folder or remove it\n"
    )
