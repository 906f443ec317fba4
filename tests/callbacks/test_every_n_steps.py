from datetime import timedelta
from pathlib import Path

import pytest
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Timer

from callbacks.every_n_steps import EveryNSteps, step_name
from callbacks.protocols import check_makes_videos, check_provides_clips
from tests.callbacks.fakes import DoAt, TinyData, TinyModule, make_trainer


class Recorder(EveryNSteps):
    def __init__(self, every_n_steps: int | None) -> None:
        super().__init__(every_n_steps)
        self.steps: list[int] = []

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps.append(trainer.global_step)


@pytest.mark.parametrize(
    ("every", "max_steps", "expected"),
    [(2, 6, [2, 4, 6]), (2, 7, [2, 4, 6, 7]), (10, 3, [3]), (1, 2, [1, 2]), (None, 3, [])],
)
def test_acts_every_n_steps_and_once_at_the_end(
    tmp_path: Path, every: int | None, max_steps: int, expected: list[int]
) -> None:
    recorder = Recorder(every)
    make_trainer(tmp_path, recorder, max_steps=max_steps).fit(TinyModule(), datamodule=TinyData())
    assert recorder.steps == expected


def test_the_last_step_is_acted_on_inside_the_training_loop_when_another_callback_stops(tmp_path: Path) -> None:
    def stop(trainer: Trainer, _: LightningModule) -> None:
        trainer.should_stop = True

    recorder = Recorder(10)
    in_loop: list[int] = []
    looking = DoAt(3, lambda *_: in_loop.extend(recorder.steps))
    make_trainer(tmp_path, DoAt(3, stop), recorder, looking, max_steps=-1).fit(TinyModule(), datamodule=TinyData())
    assert in_loop == recorder.steps == [3]


def test_a_stop_that_lightning_does_not_follow_is_not_the_end(tmp_path: Path) -> None:
    def stop(trainer: Trainer, _: LightningModule) -> None:
        trainer.should_stop = True

    recorder = Recorder(10)
    trainer = make_trainer(tmp_path, DoAt(2, stop), recorder, max_steps=8, min_steps=5)  # in an endless epoch
    trainer.fit(TinyModule(), datamodule=TinyData())
    assert recorder.steps == [8]


def test_acts_when_the_data_end_before_the_steps_do(tmp_path: Path) -> None:
    recorder = Recorder(10)
    make_trainer(tmp_path, recorder, max_epochs=1).fit(TinyModule(), datamodule=TinyData(num_batches=3))
    assert recorder.steps == [3]


def test_acts_at_the_end_that_max_time_makes(tmp_path: Path) -> None:
    recorder = Recorder(10**6)
    trainer = make_trainer(tmp_path, recorder, max_steps=-1, max_time=timedelta(seconds=0.3))
    trainer.fit(TinyModule(), datamodule=TinyData())
    assert recorder.steps == [trainer.global_step]


def test_acts_inside_the_training_loop_when_a_timer_before_it_stops(tmp_path: Path) -> None:
    recorder = Recorder(10**6)
    in_loop: list[int] = []
    looking = DoAt(2, lambda *_: in_loop.extend(recorder.steps))
    timer = Timer(timedelta(hours=1))
    run_out = DoAt(2, lambda *_: setattr(timer, "_duration", 0.0))
    trainer = make_trainer(tmp_path, run_out, timer, recorder, looking, max_steps=-1)
    trainer.fit(TinyModule(), datamodule=TinyData())
    assert in_loop == recorder.steps == [2]


def test_a_resumed_run_does_not_act_on_the_step_it_starts_from(tmp_path: Path) -> None:
    first = make_trainer(tmp_path, max_steps=4)
    first.fit(TinyModule(), datamodule=TinyData())
    first.save_checkpoint(tmp_path / "at4.ckpt")
    done, going_on = Recorder(2), Recorder(2)
    make_trainer(tmp_path, done, max_steps=4).fit(TinyModule(), datamodule=TinyData(), ckpt_path=tmp_path / "at4.ckpt")
    trainer = make_trainer(tmp_path, going_on, max_steps=6)
    trainer.fit(TinyModule(), datamodule=TinyData(), ckpt_path=tmp_path / "at4.ckpt")
    assert done.steps == []
    assert going_on.steps == [6]


def test_counts_the_seconds_it_spends(tmp_path: Path) -> None:
    recorder = Recorder(1)
    make_trainer(tmp_path, recorder).fit(TinyModule(), datamodule=TinyData())
    assert 0 < recorder.seconds_spent < 1


def test_refuses_less_than_one_step() -> None:
    with pytest.raises(ValueError, match=r"Recorder.every_n_steps is 0; it must be at least 1, or null for never"):
        Recorder(0)


def test_step_names_sort_like_steps() -> None:
    assert step_name(1000) == "step-00001000"
    assert sorted(map(step_name, [9, 100, 20])) == [step_name(9), step_name(20), step_name(100)]


def test_what_a_module_lacks_is_said_in_one_line() -> None:
    needed = "sample_latents, generate, conditions_on_clips, sampling"
    with pytest.raises(Exception, match=rf"^Recorder needs {needed} of LightningModule: add them"):
        check_makes_videos(LightningModule(), Recorder(1))


def test_what_the_data_lack_is_said_in_one_line(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with pytest.raises(Exception, match=r"^Recorder needs real clips: pass a datamodule"):
        check_provides_clips(trainer, Recorder(1))
    trainer.datamodule = LightningModule()  # type: ignore[attr-defined]
    with pytest.raises(Exception, match=r"needs evaluation_dataset, fingerprint, video_shape, fps of LightningModule"):
        check_provides_clips(trainer, Recorder(1))
