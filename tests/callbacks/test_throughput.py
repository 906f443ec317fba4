from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from callbacks import every_n_steps, throughput
from callbacks.every_n_steps import EveryNSteps
from callbacks.throughput import Throughput
from tests.callbacks.fakes import EndlessLoader, TinyData, TinyModule, make_trainer


class Clock:
    """Time that passes only when a test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        for module in (every_n_steps, throughput):
            monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)


class StepOfASecond(TinyModule):
    clock: Clock

    def training_step(self, batch, batch_idx):  # type: ignore[no-untyped-def]
        self.clock.now += 1.0
        return super().training_step(batch, batch_idx)


class Slow(EveryNSteps):
    """Takes 50 seconds."""

    clock: Clock

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.clock.now += 50.0


class WaitingData(TinyData):
    """Every batch but the first takes 0.25 seconds to come."""

    clock: Clock

    def train_dataloader(self) -> EndlessLoader:
        clock = self.clock

        class Loader(EndlessLoader):
            def __iter__(self):  # type: ignore[no-untyped-def]
                for batch in super().__iter__():
                    yield batch
                    clock.now += 0.25
                    self.seconds_waited += 0.25 - 0.001

        return Loader(4, self.video_shape, None)


def read_csv(folder: Path) -> list[dict[str, str]]:
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_counts_clips_over_seconds_without_what_other_callbacks_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StepOfASecond.clock = Slow.clock = WaitingData.clock = Clock(monkeypatch)
    logger = CSVLogger(tmp_path, name="", version="")
    trainer = make_trainer(tmp_path, Slow(2), Throughput(), max_steps=6, log_every_n_steps=3, logger=logger)
    trainer.fit(StepOfASecond(), datamodule=WaitingData())
    rows = read_csv(tmp_path)
    assert [row["step"] for row in rows] == ["3", "6"]
    for row in rows:
        assert float(row["speed/clips_per_second"]) == pytest.approx(4 / 1.25)
        assert float(row["speed/data_wait_share"]) == pytest.approx(0.25 / 1.25, abs=0.01)


def test_a_loader_that_does_not_count_its_waiting_gives_no_share(tmp_path: Path) -> None:
    clips = [{"clip": torch.zeros(3, 4, 8, 8)}] * 6
    trainer = make_trainer(tmp_path, Throughput(), max_steps=3)
    trainer.fit(TinyModule(), DataLoader(clips, batch_size=2))  # type: ignore[arg-type]
    assert trainer.logged_metrics["speed/clips_per_second"] > 0
    assert "speed/data_wait_share" not in trainer.logged_metrics
