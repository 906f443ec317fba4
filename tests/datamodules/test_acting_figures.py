import pytest

from datamodules import acting_figures
from datamodules.acting_figures import ActingFigures
from datamodules.acting_figures_drawing import write_acting_figures

SMALL = {"num_frames": 4, "num_workers": 0, "batch_size": 2, "validation_fraction": 0.3}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A working directory, and the folders drawn in it; only three people with one take of each action are drawn."""
    folders = []

    def draw(folder):
        folders.append(str(folder))
        return write_acting_figures(folder, num_people=3, num_takes=1, num_frames=8)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(acting_figures, "write_acting_figures", draw)
    return folders


def test_figures_are_drawn_and_people_held_out(drawn, tmp_path):
    data = ActingFigures(**SMALL)
    data.prepare_data()
    assert drawn == ["data/acting_figures"] and (tmp_path / "data/acting_figures").is_dir()
    people = [{video.path.split("person")[1][:2] for video in data.videos(split)} for split in ("train", "validation")]
    assert len(people[0]) == 2 and len(people[1]) == 1 and not people[0] & people[1]
    assert len(data.class_names) == 5 and data.fps == 25
    batch = next(iter(data.train_dataloader()))
    assert batch["clip"].shape == (2, 3, 4, 64, 64) and batch["clip"].float().std() > 10


def test_they_are_drawn_once(drawn, tmp_path):
    ActingFigures(**SMALL).prepare_data()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    assert len(times) == 15
    ActingFigures(**SMALL).prepare_data()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")} == times


def test_a_given_root_is_used_as_it_is(drawn, numbered_folder):
    data = ActingFigures(root=str(numbered_folder), **SMALL)
    data.prepare_data()
    assert drawn == [] and data.class_names == ("bow", "jump", "wave")
    assert data.group_pattern is None  # the names of other videos need not say who is in them


def test_a_mistyped_root_is_never_drawn(drawn, tmp_path):
    with pytest.raises(FileNotFoundError, match="data/acting_figure: no such folder"):
        ActingFigures(root="data/acting_figure", **SMALL).prepare_data()
    assert drawn == [] and not (tmp_path / "data").exists()


def test_its_own_pattern_can_be_replaced(drawn):
    assert ActingFigures(group_pattern=r"(take\d)").group_pattern == r"(take\d)"
