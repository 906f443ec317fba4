"""A batch that training cannot digest is left out, so often as is allowed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch

from experiment.one_line import UserError
from experiment.rolling_back import Window, num_skipped_batches, roll_back, skipped_windows
from lightning_modules.divergence import DivergedError
from lightning_modules.video_gan import VideoGAN
from tensor_files.committed import commit
from tests.evaluation.runs import QUIET, TINY_DEMO
from train import main, train
from video_io.writing import write_video


def checkpoint(run: Path, step: int) -> None:
    commit(run / "checkpoints" / f"step-{step:08d}.ckpt", lambda file: file.write(b"content"))


def test_windows_add_up_and_are_bounded(tmp_path: Path) -> None:
    assert (skipped_windows(tmp_path), num_skipped_batches(tmp_path, 9)) == ([], 0)
    assert roll_back(tmp_path, 3, "bad", allowed=2) == ""  # nothing to go back to
    checkpoint(tmp_path, 10)
    said = roll_back(tmp_path, 13, "bad", allowed=2)
    assert said == "going back to step 10 and leaving out the next 3 batches (1 of 2 times)"
    checkpoint(tmp_path, 20)
    assert "step 20 and leaving out the next 1 batches (2 of 2 times)" in roll_back(tmp_path, 21, "bad", allowed=2)
    assert roll_back(tmp_path, 22, "bad", allowed=2) == ""
    assert skipped_windows(tmp_path) == [Window(10, 3, "bad"), Window(20, 1, "bad")]
    assert [num_skipped_batches(tmp_path, step) for step in (9, 10, 19, 20, 30)] == [0, 3, 3, 4, 4]


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"[1]", b'[{"from_step": 1}]', b'[{"from_step": "a", "num_batches": 1}]']
)
def test_a_record_that_is_damaged_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "skipped_batches.json").write_bytes(content)
    with pytest.raises(UserError, match=r"skipped_batches.json: cannot be read; bring it back, or give another --run"):
        num_skipped_batches(tmp_path, 5)


@pytest.mark.parametrize(("allowed", "code"), [("0", 1), ("1", 0)])
def test_a_run_goes_on_without_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], allowed: str, code: int
) -> None:
    (tmp_path / "videos").mkdir()
    for index in range(9):
        pixels = torch.randint(0, 255, (3, 12, 32, 32), dtype=torch.uint8)
        write_video(tmp_path / "videos" / f"{index}.mp4", pixels, fps=25)
    drawn_update = VideoGAN.drawn_update
    bad: list[torch.Tensor] = []

    def poisoned(self: VideoGAN, player: str, batch: dict[str, torch.Tensor], step: int) -> Any:
        bad.extend([batch["clip"]] if step == 3 and not bad else [])
        if any(torch.equal(batch["clip"], each) for each in bad):
            batch = {**batch, "clip": batch["clip"] * float("nan")}
        return drawn_update(self, player, batch, step)

    monkeypatch.setattr(VideoGAN, "drawn_update", poisoned)
    given = [*TINY_DEMO, *QUIET, "--data.root", str(tmp_path / "videos"), "--run_folder", str(tmp_path / "run")]
    assert (
        main([*given, "--checkpoints.every_n_steps", "2", "--trainer.max_steps", "6", "--rollbacks", allowed]) == code
    )
    said = capsys.readouterr().err
    assert "train.py: step 4: discriminator" in said
    if code == 0:
        assert "going back to step 2 and leaving out the next 2 batches (1 of 1 times)" in said
        assert (tmp_path / "run" / "checkpoints" / "last.ckpt").resolve().name == "step-00000006.ckpt"


@pytest.mark.parametrize(("rank", "allowed"), [(0, 1), (1, 1), (0, 0), (1, 0)])
def test_all_processes_wait_for_what_the_first_one_decides(tmp_path: Path, rank: int, allowed: int) -> None:
    checkpoint(tmp_path, 10)
    told: list[str] = []

    def fit(*_: Any, **__: Any) -> None:
        raise DivergedError("bad", 12)

    def broadcast(said: str) -> str:
        told.append(said)
        return said if rank == 0 else "going back to step 10" * allowed

    strategy = SimpleNamespace(broadcast=broadcast)
    trainer = SimpleNamespace(fit=fit, is_global_zero=rank == 0, world_size=2, strategy=strategy)
    data = SimpleNamespace(summary=lambda: "nothing")
    experiment: Any = SimpleNamespace(
        trainer=trainer,
        model=None,
        datamodule=data,
        resume=None,
        is_finished=False,
        run_folder=tmp_path,
        rollbacks=allowed,
    )
    with patch("train.describe", lambda _: ""):
        if allowed:
            assert train(experiment) is None
        else:
            with pytest.raises(DivergedError):
                train(experiment)
    assert len(told) == 1 and bool(told[0]) == (rank == 0 and allowed == 1)
    assert len(skipped_windows(tmp_path)) == (1 if rank == 0 and allowed else 0)
