import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.every_n_steps import EveryNSteps
from callbacks.progress import ProgressBar
from tests.callbacks.fakes import DoAt, TinyData, TinyModule, make_trainer

NUMBER = r"[\d.e+-]+"


def fit(folder: Path, bar: ProgressBar, *callbacks: EveryNSteps | DoAt, **more: Any) -> None:
    trainer = make_trainer(folder, *callbacks, bar, **{"enable_progress_bar": True, **more})
    trainer.fit(TinyModule(), datamodule=TinyData())


def publish(trainer, _) -> None:  # type: ignore[no-untyped-def]
    trainer.callback_metrics["fvd256_16f/efficientnet_lite0"] = torch.tensor(812.34)


def test_a_log_file_gets_a_line_for_the_first_and_the_last_step_and_now_and_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path, ProgressBar(), max_steps=500)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(rf"step 1/500, {NUMBER} steps/s, 0:\d\d:\d\d left, D loss {NUMBER}, G loss {NUMBER}", lines[0])
    assert re.fullmatch(rf"step 500/500, {NUMBER} steps/s, 0:00:00 left, D loss {NUMBER}, G loss {NUMBER}", lines[1])


def test_slow_steps_are_told_in_seconds_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    one_hour_ago = DoAt(1, lambda *_: setattr(bar, "_counted", bar._counted - 3600))
    fit(tmp_path, bar, one_hour_ago, max_steps=1)
    assert ", 3.6e+03 s/step, " in capsys.readouterr().err


def test_shows_the_newest_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, ProgressBar(), DoAt(2, publish))
    first, last = capsys.readouterr().err.splitlines()
    assert "fvd" not in first
    assert last.endswith(", fvd256_16f 812.3")


def test_a_run_without_end_shows_no_total_and_no_time_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop = DoAt(3, lambda trainer, _: setattr(trainer, "should_stop", True))
    fit(tmp_path, ProgressBar(1e-9), stop, max_steps=-1, max_epochs=-1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 1", "step 2", "step 3"]
    assert not any("left" in line for line in lines)


def test_max_time_is_the_end_where_it_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, ProgressBar(), max_steps=-1, max_time=timedelta(seconds=0.3))
    assert "0:00:00 left" in capsys.readouterr().err.splitlines()[-1]
    fit(tmp_path, ProgressBar(), max_steps=3, max_time=timedelta(hours=1))
    assert "0:00:00 left" in capsys.readouterr().err.splitlines()[-1]


def test_a_terminal_gets_a_bar_towards_max_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    fit(tmp_path, ProgressBar(1e-9), DoAt(2, publish), max_steps=4)
    last = capsys.readouterr().err.replace("\n", "\r").strip("\r").split("\r")[-1]
    assert re.match(rf"step 4/4 \|█+\| 100%, {NUMBER} steps/s, 0:00:00 left, D loss", last)
    assert "fvd256_16f 812.3" in last


def test_a_resumed_run_counts_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = make_trainer(tmp_path, max_steps=4)
    trainer.fit(TinyModule(), datamodule=TinyData())
    trainer.save_checkpoint(tmp_path / "at4.ckpt")
    again = make_trainer(tmp_path, ProgressBar(), max_steps=6, enable_progress_bar=True)
    again.fit(TinyModule(), datamodule=TinyData(), ckpt_path=tmp_path / "at4.ckpt")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 5/6", "step 6/6"]


def test_other_ranks_and_a_disabled_bar_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    bar.disable()
    fit(tmp_path, bar)
    bar.print("nothing")
    assert capsys.readouterr().err == ""
    bar.enable()
    bar.print("a", "line")
    assert capsys.readouterr().err == "a line\n"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_what_others_print_goes_around_the_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, on_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    fit(tmp_path, ProgressBar(1e-9), DoAt(2, lambda _, module: module.print("step 2: fid 3")))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "step 2: fid 3" in printed.err.replace("\r", "\n").splitlines()


def test_refuses_a_time_that_is_not_above_0() -> None:
    with pytest.raises(ValueError, match=r"ProgressBar.refresh_seconds is 0; it must be above 0, or null"):
        ProgressBar(0)
