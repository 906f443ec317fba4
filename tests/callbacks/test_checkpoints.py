import errno
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from callbacks.checkpoints import Checkpoints, CheckpointsFailedError, relink
from callbacks.metrics_csv import MetricsCsv, drop_rows_after, read_rows
from tensor_files.committed import committed, damage, step_of
from tensor_files.loading import load_checkpoint
from tests.callbacks.fakes import TinyData, TinyModule, make_trainer


class Measures(Callback):
    """Publishes given values of a metric after given steps."""

    metric_keys = ("fvd4_4f/colours", "fid16/colours")

    def __init__(self, values: dict[int, float], at_end: float | None = None) -> None:
        self.values = values
        self.at_end = at_end

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        if trainer.global_step in self.values:
            trainer.callback_metrics["fvd4_4f/colours"] = torch.tensor(self.values[trainer.global_step])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.at_end is not None:
            trainer.callback_metrics["fvd4_4f/colours"] = torch.tensor(self.at_end)


def fit(folder: Path, *callbacks: Callback, max_steps: int = 6, **more: Any) -> Trainer:
    trainer = make_trainer(folder, *callbacks, max_steps=max_steps)
    trainer.fit(TinyModule(), datamodule=TinyData(), **more)
    return trainer


def names(folder: Path) -> list[str]:
    """Without the marks, of which each checkpoint has one."""
    found = sorted((folder / "checkpoints").iterdir())
    marked = {path.stem for path in found if path.suffix == ".sha256"}
    assert marked == {path.stem for path in found if path.stem.startswith("step-")}
    return [path.name for path in found if path.suffix == ".ckpt"]


def test_keeps_the_newest_and_links_the_last(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(2, keep_newest=2), max_steps=7)
    assert names(tmp_path) == ["last.ckpt", "step-00000006.ckpt", "step-00000007.ckpt"]
    assert (tmp_path / "checkpoints" / "last.ckpt").readlink() == Path("step-00000007.ckpt")
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 7


def test_keeps_the_best_also_when_it_was_measured_between_two_checkpoints(tmp_path: Path) -> None:
    measures = Measures({1: 9.0, 3: 1.0, 5: 4.0})
    fit(tmp_path, measures, Checkpoints(2, keep_newest=1, best_metric="fvd"))
    assert names(tmp_path) == ["best.ckpt", "last.ckpt", "step-00000003.ckpt", "step-00000006.ckpt"]
    assert (tmp_path / "checkpoints" / "best.ckpt").readlink() == Path("step-00000003.ckpt")


def test_a_best_measured_after_the_last_checkpoint_is_linked(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, Measures({1: 9.0}, at_end=1.0), Checkpoints(2, best_metric="fvd"), max_epochs=1)
    trainer.fit(TinyModule(), datamodule=TinyData(num_batches=2))
    assert (tmp_path / "checkpoints" / "best.ckpt").readlink() == Path("step-00000002.ckpt")


def test_a_metric_that_is_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    fit(tmp_path, Measures({1: float("nan")}), Checkpoints(3, best_metric="fvd"))
    assert "best.ckpt" not in names(tmp_path)


def test_a_resumed_run_remembers_the_best(tmp_path: Path) -> None:
    fit(tmp_path, Measures({2: 1.0}), Checkpoints(2, keep_newest=1, best_metric="fvd"), max_steps=4)
    callbacks = Measures({5: 2.0}), Checkpoints(2, keep_newest=1, best_metric="fvd")
    trainer = fit(tmp_path, *callbacks, max_steps=8, ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
    assert trainer.global_step == 8
    assert names(tmp_path) == ["best.ckpt", "last.ckpt", "step-00000002.ckpt", "step-00000008.ckpt"]


def test_a_run_that_went_back_keeps_what_it_wrote_last(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(3, keep_newest=3), max_steps=9)
    early = tmp_path / "checkpoints" / "step-00000003.ckpt"
    fit(tmp_path, Checkpoints(1, keep_newest=2), max_steps=5, ckpt_path=early)
    assert names(tmp_path) == ["last.ckpt", "step-00000004.ckpt", "step-00000005.ckpt"]


def test_what_a_kill_left_half_written_or_half_deleted_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(1), max_steps=4)
    folder = tmp_path / "checkpoints"
    for name in ("step-00000002", "step-00000004"):
        (folder / f"{name}.sha256").unlink()
    fit(tmp_path, Checkpoints(5), max_steps=5, ckpt_path=folder / "step-00000003.ckpt")
    assert names(tmp_path) == ["last.ckpt", "step-00000003.ckpt", "step-00000005.ckpt"]


def test_checkpoints_whose_marks_were_all_taken_away_are_not_deleted(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(1), max_steps=2)
    for mark in (tmp_path / "checkpoints").glob("*.sha256"):
        mark.unlink()
    fit(tmp_path, Checkpoints(5), max_steps=5)
    assert {path.name for path in (tmp_path / "checkpoints").glob("step-*.ckpt")} == {
        f"step-0000000{step}.ckpt" for step in (1, 2, 5)
    }


def test_the_checkpoint_of_the_last_step_lies_within_the_epoch_as_any_other(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(100), max_steps=4)
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"] == 0


def test_keeps_every_nth(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(1, keep_newest=2, keep_every_n_steps=3), max_steps=8)
    assert names(tmp_path)[1:] == [f"step-0000000{step}.ckpt" for step in (3, 6, 7, 8)]


def test_each_is_committed_and_knows_its_data(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(2))
    (*_, path) = committed(tmp_path / "checkpoints")
    assert (step_of(path), damage(path)) == (6, "")
    assert load_checkpoint(path)["data_fingerprint"] == TinyData().fingerprint("train")


class FailingDisk:
    """Takes no checkpoint at some steps; torch makes a RuntimeError of what the file says."""

    def __init__(self, steps: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = steps
        self.save = torch.save
        monkeypatch.setattr(torch, "save", self)

    def __call__(self, content: dict[str, Any], file: BinaryIO) -> None:
        if content["global_step"] in self.steps:
            file.write(b"half")
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise RuntimeError("unexpected pos 64 vs 0") from error
        self.save(content, file)


def test_a_full_disk_costs_checkpoints_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    FailingDisk({2, 3, 5}, monkeypatch)
    trainer = fit(tmp_path, Checkpoints(1, keep_newest=9, failures_allowed=2))
    assert trainer.global_step == 6
    assert names(tmp_path)[1:] == [f"step-0000000{step}.ckpt" for step in (1, 4, 6)]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"step {step}: the checkpoint cannot be written (No space left on device); training goes on, and the one "
        "before is kept" for step in (2, 3, 5)
    ]  # fmt: skip


@pytest.mark.parametrize(("steps", "last"), [({3, 4, 5}, 5), ({6}, 6)])
def test_a_disk_that_stays_full_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: set[int], last: int
) -> None:
    FailingDisk(steps, monkeypatch)
    with pytest.raises(
        CheckpointsFailedError, match=rf"step {last}: .* {len(steps)} in a row failed, so training ends"
    ):
        fit(tmp_path, Checkpoints(1, failures_allowed=2))
    assert damage(committed(tmp_path / "checkpoints")[-1]) == ""


def refuse(*_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def test_links_that_cannot_be_made_do_not_end_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path, Checkpoints(1), max_steps=2)
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    monkeypatch.setattr("callbacks.checkpoints.link", refuse)
    newest = committed(tmp_path / "checkpoints")[-1]
    assert fit(tmp_path, Checkpoints(1), max_steps=4, ckpt_path=newest).global_step == 4
    said = f"step 2: {tmp_path}/checkpoints cannot be written (Read-only file system); training goes on"
    assert capsys.readouterr().err.splitlines() == [said]
    assert step_of(committed(tmp_path / "checkpoints")[-1]) == 4


def test_right_links_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, Checkpoints(1), max_steps=2)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    relink(tmp_path / "checkpoints", None)
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(OSError, match="Read-only"):
        relink(tmp_path / "checkpoints", None)


def test_a_given_up_checkpoint_that_cannot_be_deleted_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path, Checkpoints(1), max_steps=3)
    first = committed(tmp_path / "checkpoints")[0]
    monkeypatch.setattr("callbacks.checkpoints.delete", refuse)
    said = r"step 1: .*step-00000002\.ckpt is damaged or given up, and cannot be deleted \(Read-only file system\)"
    with pytest.raises(CheckpointsFailedError, match=said):
        fit(tmp_path, Checkpoints(1), max_steps=4, ckpt_path=first)


def test_a_best_that_could_not_be_written_is_not_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FailingDisk({4}, monkeypatch)
    fit(tmp_path, Measures({2: 5.0, 4: 1.0, 5: 2.0}), Checkpoints(1, keep_newest=1, best_metric="fvd"))
    assert (tmp_path / "checkpoints" / "best.ckpt").readlink() == Path("step-00000005.ckpt")


def test_what_a_step_logged_is_logged_again_when_the_run_goes_on(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path)
    trainer = make_trainer(tmp_path, Checkpoints(2), max_steps=2, logger=log)
    trainer.fit(TinyModule(), datamodule=TinyData())
    rows = read_rows(log.path)
    drop_rows_after(log.path, 1)  # killed after the checkpoint of step 2 and before its row
    again = MetricsCsv(tmp_path)
    resumed = make_trainer(tmp_path, Checkpoints(2), max_steps=3, logger=again)
    resumed.fit(TinyModule(), datamodule=TinyData(), ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
    assert read_rows(log.path)[:2] == rows
    assert [row["step"] for row in read_rows(log.path)] == ["1", "2", "3"]


def test_off_saves_nothing(tmp_path: Path) -> None:
    fit(tmp_path, Checkpoints(None, best_metric="nothing"))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("wanted", ["f", "kvd"])
def test_a_best_metric_that_is_not_exactly_one_is_refused_before_the_first_step(tmp_path: Path, wanted: str) -> None:
    message = (
        f"Checkpoints.best_metric is '{wanted}'; this run measures fvd4_4f/colours, fid16/colours. Name one of them"
    )
    with pytest.raises(Exception, match=message):
        fit(tmp_path, Measures({}), Checkpoints(2, best_metric=wanted))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(("name", "number", "least"), [
    ("keep_newest", 0, 1), ("keep_every_n_steps", 0, 1), ("failures_allowed", -1, 0),
])  # fmt: skip
def test_numbers_below_their_least(name: str, number: int, least: int) -> None:
    with pytest.raises(ValueError, match=rf"Checkpoints.{name} is {number}; it must be at least {least}"):
        Checkpoints(2, **{name: number})  # type: ignore[arg-type]
