"""One row a step, nothing lost and nothing twice."""

import csv
from pathlib import Path

import pytest
import torch

from callbacks.metrics_csv import MetricsCsv, drop_rows_after, read_rows


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_a_step_logs_in_several_calls_is_one_row(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path)
    log.log_metrics({"loss": 0.1, "fid": torch.tensor(2.0)}, step=1)
    log.log_metrics({"loss": 0.2}, step=2)
    log.log_metrics({"fid": 3.0}, step=2)
    log.log_metrics({"loss": 0.25}, step=2)
    log.log_metrics({"loss": 0.3, "new": 1}, step=3)
    log.log_metrics({"loss": 1 / 3}, step=4)
    assert rows(tmp_path) == [
        {"step": "1", "fid": "2.0", "loss": "0.1", "new": ""},
        {"step": "2", "fid": "3.0", "loss": "0.25", "new": ""},
        {"step": "3", "fid": "", "loss": "0.3", "new": "1.0"},
        {"step": "4", "fid": "", "loss": "0.3333333333333333", "new": ""},
    ]


def test_a_run_that_goes_on_appends_to_what_its_checkpoint_knows(tmp_path: Path) -> None:
    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    for folder in (whole, interrupted):
        folder.mkdir()
    log = MetricsCsv(interrupted)
    for step in (1, 2, 3, 4):
        log.log_metrics({"loss": step, **({"fid": 9} if step == 4 else {})}, step=step)
    with log.path.open("a") as file:
        file.write("5,1")  # killed while writing
    drop_rows_after(log.path, 2)
    again = MetricsCsv(interrupted)
    again.log_metrics({"loss": 2}, step=2)  # known already
    for log, steps in ((again, (3, 4, 5)), (MetricsCsv(whole), (1, 2, 3, 4, 5))):
        for step in steps:
            log.log_metrics({"loss": step, **({"fid": 9} if step == 4 else {})}, step=step)
    assert (interrupted / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@pytest.mark.parametrize("tail", ["7", "7,", "7,0.1,0.2,0.3,0.4\n", "x,1,2\n", "\n"])
def test_a_line_that_is_not_whole_is_dropped(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,fid,loss\n6,,0.1\n" + tail)
    assert read_rows(path) == [{"step": "6", "loss": "0.1"}]
    MetricsCsv(tmp_path).log_metrics({"loss": 1}, step=7)
    assert [row["step"] for row in rows(tmp_path)] == ["6", "7"]


@pytest.mark.parametrize("junk", [b"\xff\xfe\x80\n", b"\xb2,1,2\n", "\u00b2,1,2\n".encode(), b"\0" * 50])
def test_what_a_loss_of_power_leaves_is_dropped(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,fid,loss\n6,,0.1\n" + junk)
    drop_rows_after(path, 6)
    assert path.read_bytes() == b"step,loss\n6,0.1\n"


def test_a_disk_that_is_full_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = MetricsCsv(tmp_path / "gone")
    for step in (1, 2):
        log.log_metrics({"loss": 1}, step=step)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"step 1: {tmp_path}/gone/metrics.csv cannot be written (No such file or directory)"
