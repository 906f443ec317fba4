"""What a YAML adds to the alternating updates: views, augmentation, weight terms, accumulation, fine-tuning, ..."""

import csv
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lightning_modules.fine_tuning import FineTuning
from lightning_modules.update import Judge, Update
from losses.adaptive_augmentation import AdaptiveAugmentation
from losses.auxiliary_classifier import AuxiliaryClassifier
from losses.base import AdversarialObjective, Augmentation, WeightTerm
from losses.diff_augment import DiffAugment
from losses.hinge import Hinge
from losses.historical_averaging import HistoricalAveraging
from losses.instance_noise import InstanceNoise
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1
from losses.singular_value_clipping import SingularValueClipping
from losses.vgan import MaskSparsity
from losses.wasserstein import Wasserstein
from losses.wgan_gp import WGANGP, GradientPenalty
from networks.auxiliary_classifier import AuxiliaryClassifier as Classified
from networks.base import Generator, Judgement, Latents, View
from networks.spectral_norm import SpectralNorm
from tensor_files.starting_points import weights_come_later
from tests.lightning_modules.test_video_gan import Recorder
from tests.lightning_modules.tiny import SHAPE, TinyDiscriminator, TinyGenerator, adam, tiny_trainer, tiny_video_gan

sgd = partial(torch.optim.SGD, lr=0.1)


def fitted(folder: Path, max_steps: int = 3, **settings: Any):
    module = tiny_video_gan(settings.pop("objective", None), **settings)
    tiny_trainer(folder, max_steps=max_steps).fit(module)
    return module


def same(first: nn.Module, second: nn.Module, atol: float = 0.0) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.allclose(mine, theirs, rtol=0, atol=atol) for mine, theirs in pairs)


# ---- who is updated when ----


def test_several_generator_steps_for_one_of_the_discriminator(tmp_path: Path) -> None:
    recorder = Recorder()
    module = tiny_video_gan(generator_steps=3)
    trainer = tiny_trainer(tmp_path, max_steps=7, callbacks=[recorder])
    trainer.fit(module)
    assert trainer.global_step == 7
    assert all(recorder.changed("generator"))
    assert recorder.changed("discriminator") == [(step + 1) % 3 == 0 for step in range(1, 7)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generator_steps": 0}, "generator_steps is 0"),
        ({"generator_steps": 2, "discriminator_steps": 2}, "one of them must be 1"),
        ({"gradient_accumulation": 0}, "gradient_accumulation is 0"),
        ({"truncation": 0.0}, "truncation is 0"),
        ({"truncation": 1.5}, "truncation is 1.5"),
    ],
)
def test_arguments_out_of_their_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_video_gan(**settings)


# ---- gradient accumulation ----


def test_a_batch_in_parts_takes_the_same_step(tmp_path: Path) -> None:
    settings = {"generator_optimizer": sgd, "discriminator_optimizer": sgd}
    whole = fitted(tmp_path, **settings)
    in_parts = fitted(tmp_path, gradient_accumulation=2, **settings)
    one_by_one = fitted(tmp_path, gradient_accumulation=4, augmentation=Brightness(), **settings)
    augmented = fitted(tmp_path, augmentation=Brightness(), **settings)
    assert same(whole.generator, in_parts.generator, 1e-6) and same(whole.discriminator, in_parts.discriminator, 1e-6)
    assert same(augmented.discriminator, one_by_one.discriminator, 1e-6)
    assert not same(whole.discriminator, augmented.discriminator, 1e-4)


def test_parts_that_do_not_divide_the_batch_are_refused_before_the_first_step(tmp_path: Path) -> None:
    module = tiny_video_gan(gradient_accumulation=3)
    module.trainer = tiny_trainer(tmp_path)
    module.trainer.datamodule = type("D", (), {"batch_size": 4})()
    with pytest.raises(MisconfigurationException, match="gradient_accumulation is 3; it must divide the 4 clips"):
        module.setup("fit")


# ---- what the discriminator sees ----


class TwoFrames(TinyDiscriminator):
    """Sees two of the four frames, twice each."""

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        return {"times": torch.rand(num_clips, 4, generator=rng).argsort(dim=1)[:, :2].sort(dim=1).values}

    def look(self, videos: Tensor, view: View) -> Tensor:
        index = view["times"][:, None, :, None, None].expand(-1, 3, -1, 8, 8)
        return videos.gather(2, index)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        assert seen.shape[2] == 2 and view is not None and len(view["times"]) == len(seen)
        return super().forward(seen.repeat_interleave(2, dim=2))


class RendersTimes(TinyGenerator):
    """Makes only the frames that are asked for."""

    renders = frozenset({"times"})

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        self.rendered = True
        return TwoFrames().look(self(latents, labels), view)


def test_a_generator_that_can_renders_only_what_is_seen(tmp_path: Path) -> None:
    torch.manual_seed(0)
    from tests.lightning_modules.tiny import TinyVideoGAN

    modules = []
    for generator_class in (TinyGenerator, RendersTimes):
        torch.manual_seed(0)
        module = TinyVideoGAN(generator_class(), TwoFrames(), NonSaturating(terms={"r1": R1()}), adam, adam)
        tiny_trainer(tmp_path, max_steps=3).fit(module)
        modules.append(module)
    assert modules[1].generator.rendered and not hasattr(modules[0].generator, "rendered")
    assert same(modules[0].generator, modules[1].generator, 1e-6)


def test_a_generator_without_render_says_so() -> None:
    with pytest.raises(NotImplementedError, match="TinyGenerator makes whole videos only"):
        TinyGenerator().render({}, None, {"times": torch.zeros(1)})


# ---- augmentation ----


class Brightness(Augmentation):
    """Adds a number of its own to each clip; counts what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("heard", torch.zeros((), dtype=torch.int64))
        self.drawn: list[Tensor] = []

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        return {"shift": torch.randn(num_clips, generator=rng)}

    def forward(self, clips: Tensor, noise: dict[str, Tensor]) -> Tensor:
        self.drawn.append(noise["shift"])
        return clips + noise["shift"].view(-1, 1, 1, 1, 1)

    def adapt(self, signs_real: Tensor, num_clips: int) -> dict[str, Tensor]:
        assert -1 <= signs_real <= 1
        self.heard += num_clips
        return {"heard": self.heard.float()}


def test_every_call_of_the_discriminator_is_augmented_anew(tmp_path: Path) -> None:
    augmentation = Brightness()
    module = tiny_video_gan(augmentation=augmentation)
    trainer = tiny_trainer(tmp_path, max_steps=2)
    trainer.fit(module)
    assert len(augmentation.drawn) == 2 * 3  # real and fake for the discriminator, fake for the generator
    assert len({float(shift[0]) for shift in augmentation.drawn}) == 6
    assert trainer.callback_metrics["discriminator/heard"] == 8
    assert module.state_dict()["augmentation.heard"] == 8


def test_penalties_go_through_the_augmentation() -> None:
    class Doubled(Brightness):
        def forward(self, clips: Tensor, noise: dict[str, Tensor]) -> Tensor:
            return 2 * clips

    weight = torch.randn(SHAPE)
    discriminator = TinyDiscriminator()
    discriminator.forward = lambda seen, labels, view: Judgement(((seen * weight).flatten(1).sum(1),))  # type: ignore
    clips = torch.rand(2, *SHAPE)
    update = Update("discriminator", 0, 0, clips, torch.zeros(2), {}, {}, {}, slice(0, 2))
    judge = Judge(discriminator, update, lambda seen, call, rows: Doubled()(seen, {}))
    terms = NonSaturating(terms={"r1": R1()}).discriminator_loss(judge, clips, clips, None, update.draw({}))
    torch.testing.assert_close(terms.named["r1"], (2 * weight).square().sum() / 2)


# ---- weight terms and constraints ----


class Decay(WeightTerm):
    def attach(self, players: Any) -> None:
        self.players = set(players)

    def forward(self, player: str, network: nn.Module) -> Tensor:
        return 100.0 * torch.stack([parameter.square().sum() for parameter in network.parameters()]).sum()


def test_weight_terms_are_minimised_and_logged(tmp_path: Path) -> None:
    decay = Decay()
    optimizers = {"generator_optimizer": partial(torch.optim.SGD, lr=1e-3), "discriminator_optimizer": sgd}
    module = tiny_video_gan(weight_terms={"decay": decay}, **optimizers)
    before = module.generator.layer.weight.norm().item()
    trainer = tiny_trainer(tmp_path, max_steps=1)
    trainer.fit(module)
    assert decay.players == {"generator", "discriminator"}
    assert module.generator.layer.weight.norm() < 0.9 * before
    assert trainer.callback_metrics["generator/decay"] > 0 and trainer.callback_metrics["discriminator/decay"] > 0


class Clipped(NonSaturating):
    def constrain(self, discriminator: nn.Module, step: int) -> None:
        for parameter in discriminator.parameters():
            parameter.data.clamp_(-0.001, 0.001)


def test_the_objective_constrains_the_discriminator_after_each_of_its_steps(tmp_path: Path) -> None:
    module = fitted(tmp_path, objective=Clipped())
    assert all(parameter.abs().max() <= 0.001 for parameter in module.discriminator.parameters())


# ---- optimizers ----


def test_lazy_penalties_correct_the_discriminators_adam() -> None:
    objective = NonSaturating(terms={"r1": R1(interval=15), "late": R1(0.0, interval=99)})
    module = tiny_video_gan(objective)
    discriminator, generator = (config["optimizer"].param_groups[0] for config in module.configure_optimizers())
    share = 15 / 16
    assert discriminator["lr"] == pytest.approx(1e-3 * share)
    assert discriminator["betas"] == pytest.approx((0.0, 0.9**share))
    assert generator["lr"] == 1e-3 and generator["betas"] == (0.0, 0.9)
    uncorrected = tiny_video_gan(NonSaturating(terms={"r1": R1(interval=15, corrects_optimizer=False)}))
    assert uncorrected.configure_optimizers()[0]["optimizer"].param_groups[0]["lr"] == 1e-3


@pytest.mark.parametrize(("generator_steps", "interval", "expected"), [(2, 2, [1, 5]), (5, 5, [4]), (1, 3, [0, 3, 6])])
def test_lazy_penalties_count_the_updates_of_their_player(
    tmp_path: Path, generator_steps: int, interval: int, expected: list[int]
) -> None:
    steps: list[int] = []

    class Spied(R1):
        def discriminator_term(self, discriminator: Any, real: Any, fake: Any, draw: Any) -> Tensor:
            steps.append(draw.step)
            return super().discriminator_term(discriminator, real, fake, draw)

    module = tiny_video_gan(NonSaturating(terms={"r1": Spied(interval=interval)}), generator_steps=generator_steps)
    trainer = tiny_trainer(tmp_path, max_steps=8)
    module.trainer = trainer
    module.setup("fit")
    steps.clear()  # of the look before the first step
    trainer.fit(module)
    assert steps == expected


def test_a_term_is_logged_as_its_mean_and_only_where_it_was_computed(tmp_path: Path) -> None:
    module = tiny_video_gan(NonSaturating(terms={"r1": R1(interval=4)}), discriminator_steps=3)
    logger = CSVLogger(tmp_path, name="", version="")
    tiny_trainer(tmp_path, max_steps=6, logger=logger, log_every_n_steps=1).fit(module)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [bool(row["discriminator/r1"]) for row in rows] == [True, False, False, False, True, False]
    assert [bool(row["generator/loss"]) for row in rows] == [False, False, True, False, False, True]
    every = [float(row["discriminator/loss"]) for row in rows]

    again = tiny_video_gan(NonSaturating(terms={"r1": R1(interval=4)}), discriminator_steps=3)
    logger = CSVLogger(tmp_path / "three", name="", version="")
    tiny_trainer(tmp_path, max_steps=6, logger=logger, log_every_n_steps=3).fit(again)
    thirds = [float(row["discriminator/loss"]) for row in csv.DictReader((tmp_path / "three/metrics.csv").open())]
    assert thirds == pytest.approx([sum(every[:3]) / 3, sum(every[3:]) / 3])


def test_players_have_schedules_of_their_own_and_resume_them(tmp_path: Path) -> None:
    def gan() -> Any:
        decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
        linear = partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda step: 1 / (1 + step))
        objective = NonSaturating(terms={"r1": R1(interval=3)})
        return tiny_video_gan(objective, generator_scheduler=decay, discriminator_scheduler=linear)

    whole, first, rest = gan(), gan(), gan()
    trainer = tiny_trainer(tmp_path, max_steps=5)
    trainer.fit(whole)
    rates = [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers]
    assert rates == pytest.approx([1e-3 * 3 / 4 / 6, 1e-3 * 0.5**5])
    trainer = tiny_trainer(tmp_path, max_steps=2)
    trainer.fit(first)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    trainer = tiny_trainer(tmp_path, max_steps=5)
    trainer.fit(rest, ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    assert [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers] == pytest.approx(rates)
    assert same(whole.generator, rest.generator) and same(whole.discriminator, rest.discriminator)


def test_a_schedule_that_waits_for_a_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="discriminator_scheduler is ReduceLROnPlateau, which waits for a metric"):
        tiny_video_gan(discriminator_scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau)


STATEFUL: dict[str, Any] = {
    "ada": lambda: {
        "objective": NonSaturating(),
        "augmentation": AdaptiveAugmentation(initial_probability=0.5, interval=2, speed_clips=100),
    },
    "instance_noise": lambda: {"objective": NonSaturating(), "augmentation": InstanceNoise(0.2, decay_clips=30)},
    "history": lambda: {"objective": NonSaturating(), "weight_terms": {"history": HistoricalAveraging(1.0)}},
    "spectral_norm": lambda: {"objective": Hinge(), "discriminator": SpectralNorm(TinyDiscriminator())},
    "generator_steps": lambda: {"objective": NonSaturating(terms={"r1": R1(interval=2)}), "generator_steps": 2},
    "singular_values": lambda: {"objective": Wasserstein(constraint=SingularValueClipping(2))},
}


@pytest.mark.parametrize("technique", STATEFUL)
def test_every_technique_resumes_exactly(tmp_path: Path, technique: str) -> None:
    def gan() -> Any:
        torch.manual_seed(0)
        return tiny_video_gan(**STATEFUL[technique]())

    whole, first, rest = gan(), gan(), gan()
    tiny_trainer(tmp_path, max_steps=6).fit(whole)
    trainer = tiny_trainer(tmp_path, max_steps=3)
    trainer.fit(first)
    trainer.save_checkpoint(tmp_path / "three.ckpt")
    tiny_trainer(tmp_path, max_steps=6).fit(rest, ckpt_path=tmp_path / "three.ckpt", weights_only=True)
    resumed = rest.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.state_dict().items())


def test_what_a_network_draws_itself_resumes_exactly_too(tmp_path: Path) -> None:
    def gan() -> Any:
        module = tiny_video_gan()
        module.discriminator.layers.insert(1, nn.Dropout3d(0.5))
        return module

    whole, first, rest = gan(), gan(), gan()
    tiny_trainer(tmp_path, max_steps=4).fit(whole)
    trainer = tiny_trainer(tmp_path, max_steps=2)
    trainer.fit(first)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    torch.rand(7)  # as another process would not have done
    tiny_trainer(tmp_path, max_steps=4).fit(rest, ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    resumed = rest.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.state_dict().items())


# ---- fine-tuning ----


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    trainer = tiny_trainer(tmp_path, max_steps=2)
    trainer.fit(tiny_video_gan())
    trainer.save_checkpoint(tmp_path / "trained.ckpt")
    return tmp_path / "trained.ckpt"


def test_fine_tuning_starts_from_a_run_and_trains_what_it_is_told(tmp_path: Path, checkpoint: Path) -> None:
    saved = torch.load(checkpoint, weights_only=True)["state_dict"]
    tuning = FineTuning(str(checkpoint), generator_trained=["*bias"], discriminator_frozen=["layers.0.*"])
    module = tiny_video_gan(fine_tuning=tuning)
    for name in ("generator.layer.bias", "discriminator.layers.3.weight", "generator_ema.average.layer.weight"):
        assert torch.equal(module.state_dict()[name], saved[name])
    saved["generator.layer.weight"] = saved["generator_ema.average.layer.weight"]  # it does not learn
    tiny_trainer(tmp_path, max_steps=2).fit(module)
    state = module.state_dict()
    changed = {name for name in saved if name.startswith(("generator.", "discriminator."))}
    changed = {name for name in changed if not torch.equal(state[name], saved[name]) and "called" not in name}
    assert changed == {"generator.layer.bias", "discriminator.layers.3.weight", "discriminator.layers.3.bias"}


def test_fine_tuning_keeps_the_average_that_it_starts_from(tmp_path: Path, checkpoint: Path) -> None:
    saved = torch.load(checkpoint, weights_only=True)["state_dict"]
    saved["generator_ema.average.layer.weight"] = torch.full_like(saved["generator_ema.average.layer.weight"], 3.0)
    saved["generator_ema.average.layer.bias"] = torch.full_like(saved["generator_ema.average.layer.bias"], 3.0)
    torch.save({"state_dict": saved}, checkpoint)
    module = tiny_video_gan(fine_tuning=FineTuning(str(checkpoint)), ema_half_life_clips=1000)
    tiny_trainer(tmp_path, max_steps=1).fit(module)
    assert module.generator_ema.average.layer.bias.mean() == pytest.approx(3.0, rel=0.01)  # 4 clips of 1000
    frozen = tiny_video_gan(fine_tuning=FineTuning(str(checkpoint), generator_trained=["*bias"]))
    tiny_trainer(tmp_path, max_steps=1).fit(frozen)
    for generator in (frozen.generator, frozen.generator_ema.average):
        assert torch.equal(generator.layer.weight, torch.full_like(generator.layer.weight, 3.0))


def test_a_run_that_goes_on_does_not_need_what_it_started_from(tmp_path: Path, checkpoint: Path) -> None:
    def tuned() -> Any:
        return tiny_video_gan(fine_tuning=FineTuning(str(checkpoint), generator_trained=["*bias"]))

    whole, first = tuned(), tuned()
    tiny_trainer(tmp_path, max_steps=4).fit(whole)
    trainer = tiny_trainer(tmp_path, max_steps=2)
    trainer.fit(first)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    checkpoint.unlink()
    with pytest.raises(FileNotFoundError):
        tuned()
    with weights_come_later():
        rest = tuned()
    tiny_trainer(tmp_path, max_steps=4).fit(rest, ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    resumed = rest.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.state_dict().items())


def test_frozen_batch_norms_keep_their_statistics(tmp_path: Path) -> None:
    module = tiny_video_gan(NonSaturating())
    module.discriminator.layers.insert(1, nn.BatchNorm3d(4))
    FineTuning(discriminator_frozen=["layers.1.*"]).choose("discriminator", module.discriminator)
    tiny_trainer(tmp_path, max_steps=2).fit(module)
    assert torch.equal(module.discriminator.layers[1].running_mean, torch.zeros(4))


def test_mistakes_of_fine_tuning(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere\.ckpt"):
        FineTuning("nowhere.ckpt")
    (tmp_path / "rubbish.ckpt").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"fine_tuning.checkpoint .*rubbish.ckpt: cannot be read as a checkpoint"):
        tiny_video_gan(fine_tuning=FineTuning(str(tmp_path / "rubbish.ckpt")))
    with pytest.raises(ValueError, match=r"no parameter of the generator is called \*norm\*"):
        tiny_video_gan(fine_tuning=FineTuning(generator_trained=["*norm*"]))
    with pytest.raises(ValueError, match="leaves the discriminator nothing to learn"):
        tiny_video_gan(fine_tuning=FineTuning(discriminator_frozen=["*"]))
    saved = torch.load(checkpoint, weights_only=True)
    saved["state_dict"]["discriminator.layers.3.weight"] = torch.zeros(2, 2)
    torch.save(saved, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"of other networks: discriminator.layers.3.weight differs"):
        tiny_video_gan(fine_tuning=FineTuning(str(tmp_path / "other.ckpt")))
    fresh = tiny_video_gan(fine_tuning=FineTuning(str(tmp_path / "other.ckpt"), skip_mismatched=True))
    assert torch.equal(fresh.generator.layer.weight, saved["state_dict"]["generator.layer.weight"])
    assert not torch.equal(fresh.discriminator.layers[3].weight, torch.zeros(2, 2))


# ---- videos for callbacks ----


class Conditional(TinyGenerator):
    """Adds a frame of a real clip, and the label, to its video."""

    conditions_on_clips = True

    def __init__(self) -> None:
        super().__init__()
        self.num_classes = 3

    def condition_on(self, clips: Tensor) -> Latents:
        return {"first": clips[:, :, :1]}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        return 0 * super().forward(latents) + latents["first"] + 0.1 * labels.view(-1, 1, 1, 1, 1)


class Conditions(AdversarialObjective):
    """Checks that fake clips were made from the real ones beside them."""

    def discriminator_adversarial(self, real: Any, fake: Any, draw: Any) -> Tensor:
        assert draw.latents["first"].shape == (len(real[0]), 3, 1, 8, 8)
        return real[0].mean()

    def generator_adversarial(self, real: Any, fake: Any, draw: Any) -> Tensor:
        return fake[0].mean()


def test_conditions_come_from_the_real_clips_and_labels_from_the_caller(tmp_path: Path) -> None:
    from tests.lightning_modules.tiny import TinyVideoGAN

    module = TinyVideoGAN(Conditional(), TinyDiscriminator(), Conditions(), adam, adam)
    tiny_trainer(tmp_path, max_steps=1).fit(module)
    clips = torch.rand(4, *SHAPE) / 2
    videos = module.generate(4, clips=clips, labels=torch.tensor([2, 0, 0, 0]))
    torch.testing.assert_close(videos[0, :, 1], clips[0, :, 0] + 0.2)
    in_turn = module.generate(4, clips=clips)  # labels 0, 1, 2, 0
    torch.testing.assert_close(in_turn[:, 0, 0, 0, 0] - clips[:, 0, 0, 0, 0], torch.tensor([0, 0.1, 0.2, 0]))
    with pytest.raises(ValueError, match="makes videos from real clips"):
        module.generate(4)


def test_truncation_scales_latents_for_callbacks_alone() -> None:
    whole, truncated = tiny_video_gan(), tiny_video_gan(truncation=0.5)
    latents = whole.sample_latents(range(2), 0)
    expected = whole.generate(2, {"z": 0.5 * latents["z"]})
    torch.testing.assert_close(truncated.generate(2, latents), expected)
    kept = Generator.truncate(whole.generator, {"z": torch.ones(2), "category": torch.tensor([1, 2])}, 0.5)
    assert kept["z"].tolist() == [0.5, 0.5] and kept["category"].tolist() == [1, 2]


# ---- what contradicts itself ----


def test_a_penalty_of_one_norm_a_clip_and_batch_norm_contradict_each_other(tmp_path: Path) -> None:
    module = tiny_video_gan()
    module.discriminator.layers.insert(1, nn.BatchNorm3d(4))
    module.trainer = tiny_trainer(tmp_path)
    with pytest.raises(MisconfigurationException, match=r"R1 takes .* discriminator.layers.1 is a batch norm"):
        module.setup("fit")


def test_what_a_player_does_not_give_is_found_before_the_first_step(tmp_path: Path) -> None:
    module = tiny_video_gan(NonSaturating(terms={"mask": MaskSparsity()}))
    module.trainer = tiny_trainer(tmp_path)
    with pytest.raises(MisconfigurationException, match="mask"):
        module.setup("fit")


def refused(tmp_path: Path, **settings: Any) -> str:
    """What is said of a module that cannot work, before its first step."""
    module = tiny_video_gan(**settings)
    module.trainer = tiny_trainer(tmp_path)
    module.trainer.datamodule = type("D", (), {"class_names": ("a", "b", "c", "d")})()
    with pytest.raises(MisconfigurationException) as caught:
        module.setup("fit")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ada_needs_logits_that_mean_something(tmp_path: Path) -> None:
    message = refused(tmp_path, objective=WGANGP(), augmentation=AdaptiveAugmentation())
    assert message.startswith("AdaptiveAugmentation adapts to how many real clips")


def test_an_augmentation_that_cannot_take_what_is_seen(tmp_path: Path) -> None:
    class Flat(TinyDiscriminator):
        def look(self, videos: Tensor, view: View) -> Tensor:
            return videos.flatten(1)

        def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
            return super().forward(seen.unflatten(1, SHAPE))

    message = refused(tmp_path, discriminator=Flat(), augmentation=DiffAugment(), objective=NonSaturating())
    assert message.startswith("the discriminator sees (1, 768); augmentations need clips, (B, C, T, H, W)")


def test_a_head_that_does_not_exist(tmp_path: Path) -> None:
    objective = Wasserstein(terms={"penalty": GradientPenalty(heads=[5])})
    assert "5" in refused(tmp_path, objective=objective)


def test_a_classifier_of_fewer_classes_than_the_data(tmp_path: Path) -> None:
    objective = NonSaturating(terms={"classes": AuxiliaryClassifier(1.0)})
    discriminator = Classified(TinyDiscriminator(), num_classes=3)
    assert "3" in refused(tmp_path, objective=objective, discriminator=discriminator)


def test_a_loss_that_is_not_finite_before_any_training(tmp_path: Path) -> None:
    broken = TinyDiscriminator()
    broken.layers[-1].bias.data.fill_(torch.nan)
    assert "not finite even for a grey clip" in refused(tmp_path, discriminator=broken)


def test_labels_that_nothing_teaches_are_a_warning(tmp_path: Path) -> None:
    module = tiny_video_gan(NonSaturating())
    module.generator.num_classes = 2
    module.trainer = tiny_trainer(tmp_path)
    with pytest.warns(UserWarning, match="nothing teaches the generator what its labels mean"):
        module.setup("fit")


def test_accumulation_with_batch_norm_is_a_warning(tmp_path: Path) -> None:
    module = tiny_video_gan(NonSaturating(), gradient_accumulation=2)
    module.trainer = tiny_trainer(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.setup("fit")
    module = tiny_video_gan(NonSaturating(), gradient_accumulation=2)
    module.trainer = tiny_trainer(tmp_path)
    module.discriminator.layers.insert(1, nn.BatchNorm3d(4))
    with pytest.warns(UserWarning, match="statistics are those of a part"):
        module.setup("fit")


def test_more_classes_than_a_player_knows(tmp_path: Path) -> None:
    module = tiny_video_gan()
    module.generator.num_classes = 2
    module.trainer = tiny_trainer(tmp_path)
    module.trainer.datamodule = type("D", (), {"class_names": ("a", "b", "c")})()
    with pytest.raises(MisconfigurationException, match=r"3 classes, the generator knows 2; set model.generator.num_c"):
        module.setup("fit")
