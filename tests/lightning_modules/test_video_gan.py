import csv
import re
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_modules.divergence import DivergedError
from lightning_modules.generator_ema import average_buffers
from lightning_modules.randomness import LATENTS, torch_generator
from lightning_modules.video_gan import PLAYERS
from losses.base import LossTerms
from losses.non_saturating import NonSaturating
from losses.wgan_gp import WGANGP
from tests.lightning_modules.tiny import SHAPE, TinyVideoGAN, tiny_trainer, tiny_video_gan


class Recorder(Callback):
    """Copies of the weights after every step."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self.states.append({name: value.clone() for name, value in module.state_dict().items()})

    def changed(self, player: str) -> list[bool]:
        """Whether the player's parameters differ between each step and the one before."""
        names = [name for name in self.states[0] if name.startswith(f"{player}.layer")]
        return [
            any(not torch.equal(after[name], before[name]) for name in names)
            for before, after in zip(self.states, self.states[1:], strict=False)
        ]


@pytest.mark.parametrize("discriminator_steps", [1, 5])
def test_one_batch_is_one_step_for_everything_that_counts(tmp_path: Path, discriminator_steps: int) -> None:
    schedule = partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda step: 1 / (1 + step))
    module = tiny_video_gan(
        discriminator_steps=discriminator_steps, generator_scheduler=schedule, discriminator_scheduler=schedule
    )
    checkpoint = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=4, save_top_k=-1)
    trainer = tiny_trainer(
        tmp_path,
        max_steps=12,
        logger=CSVLogger(tmp_path, name="", version=""),
        log_every_n_steps=4,
        callbacks=[checkpoint],
        enable_checkpointing=True,
    )
    trainer.fit(module)
    assert trainer.global_step == 12
    assert int(module.videos_seen) == 12 * module.batch_size
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == ["step=12.ckpt", "step=4.ckpt", "step=8.ckpt"]
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [4, 8, 12]
    assert [float(row["videos_seen"]) for row in rows] == [16, 32, 48]
    for optimizer in trainer.optimizers:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 / 13)


@pytest.mark.parametrize("discriminator_steps", [1, 3])
def test_who_is_updated_when(tmp_path: Path, discriminator_steps: int) -> None:
    recorder = Recorder()
    module = tiny_video_gan(discriminator_steps=discriminator_steps)
    tiny_trainer(tmp_path, max_steps=7, callbacks=[recorder]).fit(module)
    assert all(recorder.changed("discriminator"))
    due = [(step + 1) % discriminator_steps == 0 for step in range(1, 7)]
    assert recorder.changed("generator") == due


def test_what_is_logged(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, max_steps=2)
    trainer.fit(tiny_video_gan(WGANGP()))
    assert {
        "discriminator/loss",
        "discriminator/wasserstein_distance",
        "discriminator/gradient_penalty",
        "discriminator/logits_real",
        "discriminator/logits_fake",
        "discriminator/gradient_norm",
        "generator/loss",
        "generator/logits_fake",
        "generator/gradient_norm",
        "learning_rate/generator",
        "learning_rate/discriminator",
        "videos_seen",
    } <= set(trainer.callback_metrics)


def test_the_moving_average_follows_its_formula(tmp_path: Path) -> None:
    recorder = Recorder()
    module = tiny_video_gan(ema_half_life_clips=100, ema_ramp_up=10, discriminator_steps=2)
    average = module.generator.layer.weight.detach().clone()
    tiny_trainer(tmp_path, max_steps=8, callbacks=[recorder]).fit(module)
    for step in (1, 3, 5, 7):
        half_life = min(100, 10 * 4 * (step + 1))
        weight = 1 - 0.5 ** (4 * 2 / half_life)
        average += weight * (recorder.states[step]["generator.layer.weight"] - average)
        torch.testing.assert_close(recorder.states[step]["generator_ema.average.layer.weight"], average)
    assert torch.equal(module.generator_ema.average.times_called, module.generator.times_called)
    assert not module.generator_ema.training
    assert module.generator.training


def test_buffers_are_averaged_over_processes() -> None:
    network = torch.nn.BatchNorm1d(3)
    other = torch.tensor([1.0, 2.0, 3.0, 5.0, 6.0, 7.0])  # running mean and variance of a second process
    average_buffers(network, lambda mine: (mine + other) / 2)
    torch.testing.assert_close(network.running_mean, torch.tensor([0.5, 1.0, 1.5]))
    torch.testing.assert_close(network.running_var, torch.tensor([3.0, 3.5, 4.0]))


def test_averaging_changes_no_buffer_that_is_alike_everywhere() -> None:
    network = torch.nn.Module()
    network.register_buffer("constants", torch.rand(1000))
    before = network.constants.clone()
    average_buffers(network, lambda mine: (mine + mine + mine) / 3)
    assert torch.equal(network.constants, before)
    assert not torch.equal((before + before + before) / 3, before)


def test_gradients_are_clipped(tmp_path: Path) -> None:
    recorder = Recorder()
    sgd = partial(torch.optim.SGD, lr=1.0)
    module = tiny_video_gan(gradient_clip_norm=1e-3, generator_optimizer=sgd, discriminator_optimizer=sgd)
    before = deepcopy(module.state_dict())
    tiny_trainer(tmp_path, max_steps=1, callbacks=[recorder]).fit(module)
    for player in ("generator.layer", "discriminator.layers"):
        moved = [recorder.states[0][name] - before[name] for name in before if name.startswith(player)]
        assert torch.cat([part.flatten() for part in moved]).norm() == pytest.approx(1e-3, rel=1e-2)


def test_the_same_seed_trains_the_same_weights_and_another_does_not(tmp_path: Path) -> None:
    modules = [tiny_video_gan(seed=seed) for seed in (0, 0, 1)]
    for module in modules:
        tiny_trainer(tmp_path, max_steps=3).fit(module)
    first, second, other = (module.generator.layer.weight for module in modules)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_resuming_from_a_checkpoint_is_exact(tmp_path: Path) -> None:
    whole = tiny_video_gan(discriminator_steps=2)
    tiny_trainer(tmp_path, max_steps=7).fit(whole)
    first = tiny_trainer(tmp_path, max_steps=3)
    first.fit(tiny_video_gan(discriminator_steps=2))
    first.save_checkpoint(tmp_path / "three.ckpt")
    resumed = tiny_video_gan(discriminator_steps=2)
    trainer = tiny_trainer(tmp_path, max_steps=7)
    trainer.fit(resumed, ckpt_path=tmp_path / "three.ckpt", weights_only=True)
    assert trainer.global_step == 7
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_bfloat16_keeps_weights_clips_and_the_penalty_in_float32(tmp_path: Path) -> None:
    module = tiny_video_gan(WGANGP())
    seen: list[tuple[torch.dtype, torch.dtype]] = []  # of the clips and of their logits
    module.discriminator.register_forward_hook(
        lambda _, clips, judged: seen.append((clips[0].dtype, judged.logits[0].dtype))
    )
    coarse = tiny_trainer(tmp_path, max_steps=1, precision="bf16-mixed")
    coarse.fit(module)
    in_bfloat16, in_float32 = (torch.float32, torch.bfloat16), (torch.float32, torch.float32)
    assert seen[-4:] == [in_bfloat16, in_bfloat16, in_float32, in_bfloat16]  # real, fake, penalised; generator's fake
    assert module.generator.layer.weight.dtype == torch.float32
    exact = tiny_trainer(tmp_path, max_steps=1)
    exact.fit(tiny_video_gan(WGANGP()))
    for key in ("discriminator/loss", "generator/loss"):
        assert coarse.callback_metrics[key] == pytest.approx(exact.callback_metrics[key].item(), abs=0.05)


class BreaksAt(NonSaturating):
    """One of the losses stops being a number at a step."""

    def __init__(self, step: int, player: str) -> None:
        super().__init__()
        self.step, self.player = step, player

    def broken(self, terms: LossTerms, step: int, player: str) -> LossTerms:
        if (step, player) != (self.step, self.player):
            return terms
        return LossTerms(terms.total * torch.nan, {**terms.named, "culprit": torch.tensor(torch.inf)})

    def discriminator_loss(self, *arguments: Any) -> LossTerms:
        return self.broken(super().discriminator_loss(*arguments), arguments[-1].step, "discriminator")

    def generator_loss(self, *arguments: Any) -> LossTerms:
        return self.broken(super().generator_loss(*arguments), arguments[-1].step, "generator")


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_that_is_not_finite_stops_before_its_players_weights_change(tmp_path: Path, player: str) -> None:
    recorder = Recorder()
    module = tiny_video_gan(BreaksAt(2, player))
    message = (
        f"step 3: {player} loss, culprit, gradient_norm not finite; stopped before the {player}'s weights changed. "
        "Lower the learning rates, or clip with model.gradient_clip_norm"
    )
    with pytest.raises(DivergedError, match=f"^{re.escape(message)}$"):
        tiny_trainer(tmp_path, max_steps=5, callbacks=[recorder]).fit(module)
    names = [name for name in recorder.states[-1] if name.startswith(f"{player}.layer")]
    assert len(recorder.states) == 2
    assert all(torch.equal(module.state_dict()[name], recorder.states[-1][name]) for name in names)


def test_latents_and_videos_depend_on_seed_and_index_alone(tmp_path: Path) -> None:
    module = tiny_video_gan()
    together = module.sample_latents(range(4), seed=7)["z"]
    apart = torch.cat([module.sample_latents(range(i, i + 1), seed=7)["z"] for i in range(4)])
    assert torch.equal(together, apart)
    assert not torch.equal(together, module.sample_latents(range(4), seed=8)["z"])
    videos = module.generate(4, {"z": together})
    assert videos.shape == (4, *SHAPE)
    assert videos.dtype == torch.float32 and not videos.requires_grad
    torch.testing.assert_close(videos[2:3], module.generate(1, {"z": together[2:3]}))


def test_latents_to_measure_with_are_never_trained_with(tmp_path: Path) -> None:
    def sample(num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> dict[str, Tensor]:
        return {"z": torch.randn(num_videos, 64, generator=rng)}  # so many that a batch begins with what one video gets

    module = tiny_video_gan()
    module.trainer = tiny_trainer(tmp_path)
    module.generator.sample_latents = sample  # type: ignore[method-assign]
    measured = module.sample_latents(range(20), seed=module.seed)["z"]
    for player in PLAYERS:
        for step in range(20):
            trained = module.draw(sample, 4, step, player, LATENTS)["z"]
            assert torch.cdist(measured, trained).amin() > 1


def test_random_numbers_do_not_change_between_machines() -> None:
    assert torch.randint(1000, (4,), generator=torch_generator(0, 1, 2, 0)).tolist() == [430, 23, 87, 126]


def test_mistakes_are_found_when_the_module_is_built(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="discriminator_steps is 0"):
        tiny_video_gan(discriminator_steps=0)
    with pytest.raises(ValueError, match="gradient_clip_norm is 0"):
        tiny_video_gan(gradient_clip_norm=0)
    with pytest.raises(ValueError, match=r"divergence_limit is nan; it must be above 0, or \.inf for none"):
        tiny_video_gan(divergence_limit=float("nan"))
    with pytest.raises(ValueError, match="ema_half_life_clips -1"):
        tiny_video_gan(ema_half_life_clips=-1)
    with pytest.raises(ValueError, match="learning rate"):
        tiny_video_gan(generator_optimizer=lambda parameters: torch.optim.Adam(parameters, lr=-1))


def test_data_of_another_shape_is_refused_before_the_first_step(tmp_path: Path) -> None:
    module: TinyVideoGAN = tiny_video_gan()
    trainer = tiny_trainer(tmp_path, max_steps=1)
    trainer.datamodule = type("D", (), {"video_shape": (3, 4, 16, 16)})()
    module.trainer = trainer
    with pytest.raises(MisconfigurationException, match=r"\(3, 4, 16, 16\), the generator makes \(3, 4, 8, 8\)"):
        module.setup("fit")


@pytest.mark.parametrize("precision", ["16-mixed", "16-true", "bf16-true", "64-true"])
def test_only_two_precisions_are_accepted(precision: str) -> None:
    module = tiny_video_gan()
    module.trainer = type("T", (), {"precision": precision})()
    with pytest.raises(
        MisconfigurationException, match=f"^trainer.precision is {precision}; it must be 32-true or bf16"
    ):
        module.setup("fit")


def test_a_discriminator_of_another_size_is_refused_before_the_first_step(tmp_path: Path) -> None:
    module = tiny_video_gan()
    module.trainer = tiny_trainer(tmp_path)
    module.discriminator.layers[-1] = torch.nn.Linear(4 * 2 * 8 * 8, 1)
    with pytest.raises(MisconfigurationException) as caught:
        module.setup("fit")
    message = str(caught.value)
    assert message.startswith(
        "TinyDiscriminator cannot judge videos of (C, T, H, W) = (3, 4, 8, 8), which the generator"
    )
    assert message.endswith("; give both the same num_frames and size") and "\n" not in message


def test_looking_for_mistakes_changes_nothing(tmp_path: Path) -> None:
    module = tiny_video_gan(NonSaturating())
    module.discriminator.layers.insert(1, torch.nn.BatchNorm3d(4))
    module.trainer = tiny_trainer(tmp_path)
    before, random_numbers = deepcopy(module.state_dict()), torch.get_rng_state()
    module.setup("fit")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_numbers)
    assert module.discriminator.training
