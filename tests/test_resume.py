"""A run that is killed, stopped or damaged, and started again by the same command, ends as one that was not."""

import re
from pathlib import Path

import pytest
import torch

from experiment.run_lock import lock_run_folder, unlock
from tensor_files.committed import committed, damage
from tensor_files.loading import load_checkpoint
from tests.resuming import (
    STEPS,
    TWO_WITH_BATCH_NORM,
    differences,
    killed,
    make_videos,
    measured_steps,
    rows,
    same,
    state,
    train,
)
from tests.test_train import ROOT
from video_io.writing import write_video

# Without batch norm, whose statistics are of each process's part, and with steps in which rounding stays what it is.
NORM_FREE = [
    "--config", str(ROOT / "conf/r3gan_video.yaml"), "--config", str(ROOT / "conf/small/r3gan_video.yaml"),
    "--trainer.accelerator", "cpu", "--trainer.precision", "32-true", "--data.batch_size", "4",
    "--data.num_frames", "8", "--data.size", "16", "--data.validation_fraction", "0",
    "--model.generator.num_classes", "0",
    "--model.generator.base_channels", "16", "--model.discriminator.base_channels", "16",
    "--model.generator_optimizer", "torch.optim.SGD", "--model.generator_optimizer.lr", "0.1",
    "--model.discriminator_optimizer", "torch.optim.SGD", "--model.discriminator_optimizer.lr", "0.1",
    "--trainer.logger", "false", "--samples.every_n_steps", "null", "--metrics.every_n_steps", "null",
    "--checkpoints.every_n_steps", "2", "--trainer.max_steps", str(STEPS), "--trainer.log_every_n_steps", "1",
    "--data.keep_decoded", "true",
]  # fmt: skip


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> Path:
    """The run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    finished = train(folder, videos)
    assert finished.returncode == 0, finished.stderr
    return folder


def assert_same_run(folder: Path, whole: Path) -> None:
    assert differences(folder, whole) == []
    assert [row["step"] for row in rows(folder)] == [str(step) for step in range(1, STEPS + 1)]
    assert measured_steps(folder) == [3, 6] * 2


KILLS = [
    ("between the players", 5), ("before a checkpoint", 2), ("in the payload", 2), ("before the mark", 2),
    ("after a checkpoint", 1), ("after a checkpoint", 2), ("while a row is written", 6), ("in the payload", 1),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("point", "count"), KILLS)
def test_a_killed_run_ends_as_one_that_was_not(
    tmp_path: Path, videos: Path, whole: Path, point: str, count: int
) -> None:
    run = tmp_path / "run"
    first = killed(run, videos, point, count)
    assert first.returncode == -9, first.stderr
    assert all(not damage(path) for path in committed(run / "checkpoints"))
    again = train(run, videos)
    assert again.returncode == 0, again.stderr
    assert_same_run(run, whole)
    assert not list(run.rglob(".*.part"))


@pytest.mark.slow
def test_killed_while_an_old_checkpoint_is_deleted(tmp_path: Path, videos: Path, whole: Path) -> None:
    run, more = tmp_path / "run", ("--checkpoints.keep_newest", "1")
    assert killed(run, videos, "while deleting", 1, *more).returncode == -9
    again = train(run, videos, *more)
    assert again.returncode == 0, again.stderr
    assert "step-00000004.ckpt" in again.stdout
    assert {path.name for path in (run / "checkpoints").iterdir()} == {
        "last.ckpt", "step-00000006.ckpt", "step-00000006.sha256"
    }  # fmt: skip
    assert rows(run) == rows(whole)


@pytest.mark.slow
@pytest.mark.parametrize(("point", "count"), [("after a checkpoint", 3), ("while deleting", 1), ("half deleted", 1)])
def test_killed_right_after_the_last_checkpoint_a_run_is_finished(
    tmp_path: Path, videos: Path, whole: Path, point: str, count: int
) -> None:
    run = tmp_path / "run"
    assert killed(run, videos, point, count).returncode == -9
    assert len(rows(run)) == STEPS - 1 or rows(run) != rows(whole)
    again = train(run, videos)
    assert (again.returncode, again.stdout.partition("\n")[0]) == (0, "this run is finished"), again.stderr
    assert_same_run(run, whole)


@pytest.mark.slow
def test_killed_again_and_again_with_other_workers_each_time(tmp_path: Path, videos: Path, whole: Path) -> None:
    run = tmp_path / "run"
    for workers, (point, count) in enumerate([("between the players", 3), ("while loading", 1), ("in the payload", 1)]):
        more = ("--data.num_workers", str(workers))
        assert killed(run, videos, point, count, *more).returncode == -9
    again = train(run, videos, "--data.num_workers", "1")
    assert again.returncode == 0, again.stderr
    assert f"going on from {run}/checkpoints/step-00000002.ckpt" in again.stdout
    assert_same_run(run, whole)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGUSR1", 75)])
def test_a_signal_saves_between_two_steps(tmp_path: Path, videos: Path, whole: Path, name: str, code: int) -> None:
    run = tmp_path / "run"
    first = killed(run, videos, name, 3)
    assert first.returncode == code, first.stderr
    assert f"stopped by {name} and saved after step 3" in first.stdout
    assert committed(run / "checkpoints")[-1].name == "step-00000003.ckpt"
    again = train(run, videos)
    assert again.returncode == 0, again.stderr
    assert_same_run(run, whole)


@pytest.mark.slow
def test_ctrl_c_before_the_first_step(tmp_path: Path, videos: Path) -> None:
    first = killed(tmp_path / "run", videos, "SIGINT while starting", 1)
    assert (first.returncode, committed(tmp_path / "run" / "checkpoints")) == (130, []), first.stderr
    assert "Traceback" not in first.stderr


@pytest.mark.slow
def test_damage_is_said_and_the_one_before_taken(tmp_path: Path, videos: Path, whole: Path) -> None:
    run = tmp_path / "run"
    assert killed(run, videos, "before a checkpoint", 3).returncode == -9
    path = run / "checkpoints" / "step-00000004.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    again = train(run, videos)
    assert again.returncode == 0, again.stderr
    assert f"{path} is damaged: its SHA-256 is not that of step-00000004.sha256; going on from the one" in again.stderr
    assert_same_run(run, whole)


@pytest.mark.slow
def test_a_finished_run_says_so(videos: Path, whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file() and path.name != ".lock"}
    again = train(whole, videos)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"this run is finished\ntrained {STEPS} steps; results in ")
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_what_does_not_belong_to_the_run_is_refused(tmp_path: Path, videos: Path, whole: Path) -> None:
    checkpoint = committed(whole / "checkpoints")[0]
    lock = lock_run_folder(whole)
    try:
        refused = train(whole, videos)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
        assert re.search(r"another run writes there \(process \d+ on .+\)", refused.stderr)
    finally:
        unlock(lock)
    for more, said in (
        (("--model.seed", "1"), "its run has model.init_args.seed 0, this one 1; give another --run_folder"),
        (("--resume", str(checkpoint)), "; leave --resume out to go on there, or give another folder"),
    ):
        refused = train(whole, videos, *more)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
        assert said in refused.stderr
    other = tmp_path / "videos"
    other.mkdir()
    for index in range(3):
        write_video(other / f"{index}.mp4", torch.randint(0, 255, (3, 20, 32, 32), dtype=torch.uint8), fps=25)
    refused = train(whole, other)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert "its run was trained on other videos than there are now" in refused.stderr


@pytest.mark.slow
@pytest.mark.ddp
@pytest.mark.parametrize("point", ["between the players", "SIGTERM"])
def test_two_processes_with_batch_norm_go_on_exactly(tmp_path: Path, videos: Path, point: str) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    finished = train(whole, videos, settings=TWO_WITH_BATCH_NORM)
    assert finished.returncode == 0, finished.stderr
    first = killed(run, videos, point, 5, settings=TWO_WITH_BATCH_NORM)
    assert first.returncode == (143 if point == "SIGTERM" else -9), first.stderr
    again = train(run, videos, settings=TWO_WITH_BATCH_NORM)
    assert again.returncode == 0, again.stderr
    one, other = state(run), state(whole)
    for name in one:
        assert same(one[name], other[name]), name
    assert any("running_mean" in name for name in one["state_dict"])
    assert rows(run) == rows(whole)


@pytest.mark.slow
@pytest.mark.ddp
def test_another_number_of_processes_goes_on_with_the_same_batches(tmp_path: Path, videos: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(whole, videos, settings=NORM_FREE).returncode == 0
    assert killed(run, videos, "between the players", 4, settings=NORM_FREE).returncode == -9
    again = train(run, videos, "--config", str(ROOT / "conf/trainer/ddp.yaml"), settings=NORM_FREE)
    assert again.returncode == 0, again.stderr
    start = load_checkpoint(committed(whole / "checkpoints")[0])["state_dict"]
    one, other = state(run)["state_dict"], state(whole)["state_dict"]
    for name, value in one.items():  # sums in another order
        torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-6, msg=name)
    moved = [(other[name] - start[name]).abs().max() for name in other if other[name].is_floating_point()]
    assert max(moved) > 1e-3
    assert [row["step"] for row in rows(run)] == [str(step) for step in range(1, STEPS + 1)]


@pytest.mark.slow
def test_what_a_run_started_from_is_not_needed_to_go_on(tmp_path: Path, videos: Path, whole: Path) -> None:
    run, start = tmp_path / "run", tmp_path / "start.ckpt"
    start.write_bytes(committed(whole / "checkpoints")[0].read_bytes())
    tuning = (
        "--model.fine_tuning.class_path", "lightning_modules.fine_tuning.FineTuning",
        "--model.fine_tuning.checkpoint", str(start), "--metrics.every_n_steps", "null",
    )  # fmt: skip
    first = train(run, videos, *tuning, "--trainer.max_steps", "2")
    assert first.returncode == 0, first.stderr
    start.unlink()
    again = train(run, videos, *tuning, "--trainer.max_steps", "3")
    assert again.returncode == 0, again.stderr
    assert "trained 3 steps" in again.stdout
