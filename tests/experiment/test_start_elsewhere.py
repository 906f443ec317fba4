"""A run that starts from another run's checkpoint goes on when the same command is given again."""

from pathlib import Path

import pytest
import torch

from experiment.one_line import UserError
from experiment.start_elsewhere import check_is_checkpoint, check_started_from, note_start
from tensor_files.committed import committed
from tests.evaluation.runs import QUIET, TINY_DEMO, trained
from train import main
from video_io.writing import write_video


def test_a_folder_knows_what_it_started_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"of a run that did not start from a.ckpt; leave --resume out to go on there"):
        check_started_from(tmp_path, Path("a.ckpt"))
    note_start(tmp_path, Path("a.ckpt"))
    check_started_from(tmp_path, Path("a.ckpt"))
    check_started_from(tmp_path, Path("a.ckpt").absolute())
    with pytest.raises(UserError, match=r"of a run that started from /.+/a.ckpt, not from b.ckpt"):
        check_started_from(tmp_path, Path("b.ckpt"))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_note_that_is_no_note(tmp_path: Path, content: str) -> None:
    (tmp_path / "started_from.json").write_text(content)
    with pytest.raises(UserError, match=r"did not start from a.ckpt"):
        check_started_from(tmp_path, Path("a.ckpt"))


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder; give a file of a run's checkpoints folder$"):
        check_is_checkpoint(tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    with pytest.raises(UserError, match=rf"is a folder; give a file, such as {last}$"):
        check_is_checkpoint(tmp_path)
    check_is_checkpoint(last)
    with pytest.raises(UserError, match=r"there is no such checkpoint$"):
        check_is_checkpoint(tmp_path / "nowhere.ckpt")


def test_the_same_command_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mp4", torch.randint(0, 255, (3, 12, 32, 32), dtype=torch.uint8), fps=25)
    first = trained(tmp_path / "runs", tmp_path / "videos")
    start = tmp_path / "start.ckpt"
    start.write_bytes((first / "checkpoints" / "last.ckpt").read_bytes())
    run = tmp_path / "run"
    given = [*TINY_DEMO, *QUIET, "--data.root", str(tmp_path / "videos"), "--run_folder", str(run)]
    given += ["--resume", str(start)]
    capsys.readouterr()
    assert main([*given, "--trainer.max_steps", "3", "--model.generator_optimizer.lr", "0.5"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"train.py: --resume {start}: lr of optimizer 2 is 0.0006 there and 0.5 here, and would")
    assert said.count("\n") == 1 and not run.exists()
    assert main([*given, "--trainer.max_steps", "3"]) == 0
    assert f"going on from {start}" in capsys.readouterr().out
    start.unlink()  # what a run started from is not needed to go on
    assert main([*given, "--trainer.max_steps", "4"]) == 0
    assert f"going on from {run}/checkpoints/step-00000003.ckpt" in capsys.readouterr().out
    assert main([*given, "--trainer.max_steps", "4"]) == 0
    assert capsys.readouterr().out.startswith("this run is finished")
    assert [path.name for path in committed(run / "checkpoints")] == ["step-00000003.ckpt", "step-00000004.ckpt"]
    assert main([*given[:-1], str(first / "checkpoints" / "last.ckpt"), "--trainer.max_steps", "5"]) == 2
    assert f"has checkpoints of a run that started from {start}, not from" in capsys.readouterr().err
