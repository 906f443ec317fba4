"""Alternating updates of a generator and a discriminator: the training algorithm of a video GAN."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lightning_modules.generator_ema import ExponentialMovingAverage
from losses.base import AdversarialObjective, Draw, LossTerms
from networks.base import Discriminator, Generator, Latents

PLAYERS = ("discriminator", "generator")  # the order of the optimizers
PRECISIONS = ("32-true", "bf16-mixed")
LATENTS, NOISE, EVALUATION = range(3)  # the last entry of every random seed: what its numbers are for

Minimize = Callable[[LossTerms], None]


class NonFiniteLossError(RuntimeError):
    """A player's loss term or gradient norm is not finite; raised on all processes before its weights are touched.

    When it is the generator's, the discriminator has made its update of that step.
    """


class VideoGAN(LightningModule):
    """A generator and a discriminator that take turns (Goodfellow et al. 2014, arXiv:1406.2661, Algorithm 1).

    One training step is one batch of real clips, one update of the discriminator and one `trainer.global_step`; every
    `discriminator_steps`-th step also updates the generator.  So max_steps, checkpoints, loggers, learning-rate
    schedules and the progress bar all count the same steps.

    Every random number of training is a function of (seed, step, position in the global batch): the number of
    processes does not change it, and with networks without batch norm two processes take the same step as one process
    on the joined batch.

    Args:
        generator: makes videos.
        discriminator: judges them.
        objective: what both minimise.
        generator_optimizer: made for the generator's parameters.
        discriminator_optimizer: made for the discriminator's parameters.
        generator_scheduler: learning-rate schedule, stepped once a training step; None is constant.
        discriminator_scheduler: the same for the discriminator.
        discriminator_steps: discriminator updates for one of the generator, n_critic in WGAN; at least 1.
        ema_half_life_clips: half-life of the generator's moving average in real clips.
        ema_ramp_up: the half-life's largest share of the clips seen so far.
        gradient_clip_norm: largest Euclidean norm of each player's gradient; None does not clip.
        seed: of latents and of the objective's noise.

    Shapes: a batch is {"clip": (B, C, T, H, W) float32 in [-1, 1], "label": (B,) int64}.
    Raises: ValueError if an argument is out of its range; NonFiniteLossError while training.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        objective: AdversarialObjective,
        generator_optimizer: OptimizerCallable,
        discriminator_optimizer: OptimizerCallable,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        discriminator_steps: int = 1,
        ema_half_life_clips: float = 10_000,
        ema_ramp_up: float = 0.05,
        gradient_clip_norm: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if discriminator_steps < 1:
            raise ValueError(f"discriminator_steps is {discriminator_steps}; it must be at least 1")
        if gradient_clip_norm is not None and gradient_clip_norm <= 0:
            raise ValueError(f"gradient_clip_norm is {gradient_clip_norm}; it must be above 0, or null for none")
        self.automatic_optimization = False
        self.generator = generator
        self.discriminator = discriminator
        self.generator_ema = ExponentialMovingAverage(generator, ema_half_life_clips, ema_ramp_up)
        self.objective = objective
        self.optimizer_of = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        self.scheduler_of = {"generator": generator_scheduler, "discriminator": discriminator_scheduler}
        self.discriminator_steps = discriminator_steps
        self.gradient_clip_norm = gradient_clip_norm
        self.seed = seed
        self.videos_seen: Tensor
        self.register_buffer("videos_seen", torch.zeros((), dtype=torch.int64))  # real clips, over all processes
        self.configure_optimizers()  # an optimizer that cannot be made is found now, not after the data is read

    # ---- the algorithm ----

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One discriminator update, and the generator's when it is due."""
        real, labels = batch["clip"], batch["label"]
        step = self.trainer.global_step  # the discriminator's optimizer moves it on
        self.videos_seen += real.shape[0] * self.trainer.world_size
        self.update_discriminator(real, labels, step)
        if (step + 1) % self.discriminator_steps == 0:
            self.update_generator(real, labels, step)
        for scheduler in self.schedulers():
            scheduler.step()
        # Lightning hands "step" to the loggers as their step; without it they would count from 0 and lag by one.
        self.log_dict({"step": float(step + 1), "videos_seen": self.videos_seen.double()})

    def update_discriminator(self, real: Tensor, labels: Tensor, step: int) -> None:
        """One step of the discriminator on real clips and as many generated ones."""
        with self.optimizing("discriminator", step) as minimize:
            with torch.no_grad():
                fake = self.generate_like(real, labels, step, "discriminator")
            noise = self.draw(self.objective.sample_noise, len(real), step, "discriminator", NOISE)
            minimize(
                self.objective.discriminator_loss(self.discriminator, real, fake, labels, Draw(step, noise)),
            )

    def update_generator(self, real: Tensor, labels: Tensor, step: int) -> None:
        """One step of the generator, and of its moving average."""
        with self.optimizing("generator", step) as minimize:
            fake = self.generate_like(real, labels, step, "generator")
            noise = self.draw(self.objective.sample_noise, len(real), step, "generator", NOISE)
            minimize(self.objective.generator_loss(self.discriminator, real, fake, labels, Draw(step, noise)))
        num_clips = len(real) * self.trainer.world_size * self.discriminator_steps
        self.generator_ema.update(self.generator, num_clips, int(self.videos_seen))
        if self.trainer.world_size > 1:
            self.generator_ema.average_buffers(partial(self.trainer.strategy.reduce, reduce_op="mean"))

    @contextmanager
    def optimizing(self, player: str, step: int) -> Iterator[Minimize]:
        """Give what minimises a loss for one player: the one place that toggles, zeroes, clips and steps."""
        optimizer = self.optimizer_for(player)
        with self.toggled_optimizer(optimizer):
            optimizer.zero_grad()
            yield partial(self.minimize, player, step)

    def minimize(self, player: str, step: int, terms: LossTerms) -> None:
        """Backward pass, check, clip, step, log.

        Under DDP the gradients are means over processes after the backward pass, and so are the logged terms.
        """
        optimizer = self.optimizer_for(player)
        network: nn.Module = getattr(self, player)
        self.manual_backward(terms.total)
        gradient_norm = nn.utils.clip_grad_norm_(network.parameters(), self.gradient_clip_norm or torch.inf)
        self.check_and_log(player, step, {"loss": terms.total.detach(), **terms.named, "gradient_norm": gradient_norm})
        if player == "discriminator":
            optimizer.step()
        else:  # not through Lightning's wrapper, which would count a second global_step for this batch
            self.trainer.strategy.optimizer_step(optimizer.optimizer, closure=lambda: None)

    def check_and_log(self, player: str, step: int, named: dict[str, Tensor]) -> None:
        """Log the means over processes; raise on every process if one of them is not finite.

        The message counts steps as loggers and the progress bar do, from 1.
        """
        values = torch.stack([value.float() for value in named.values()])
        values = self.trainer.strategy.reduce(values, reduce_op="mean")
        bad = [name for name, finite in zip(named, values.isfinite().tolist(), strict=True) if not finite]
        if bad:
            raise NonFiniteLossError(
                f"step {step + 1}: {player} {', '.join(bad)} not finite; stopped before the {player}'s weights "
                "changed. Lower the learning rates, or clip with model.gradient_clip_norm"
            )
        self.log_dict({f"{player}/{name}": value for name, value in zip(named, values, strict=True)})
        self.log(f"learning_rate/{player}", self.optimizer_for(player).param_groups[0]["lr"])

    # ---- randomness ----

    def generate_like(self, real: Tensor, labels: Tensor, step: int, player: str) -> Tensor:
        """As many videos as there are real clips, from this step's latents for this player; float32 as those are."""
        latents = self.draw(self.generator.sample_latents, len(real), step, player, LATENTS)
        return self.generator(latents, labels).float()

    def draw(
        self,
        sample: Callable[[int, torch.Generator], dict[str, Tensor]],
        num_clips: int,
        step: int,
        player: str,
        purpose: int,
    ) -> dict[str, Tensor]:
        """This process's share of what `sample` draws for the whole global batch."""
        rng = torch_generator(self.seed, step, PLAYERS.index(player), purpose)
        first = self.trainer.global_rank * num_clips
        drawn = sample(num_clips * self.trainer.world_size, rng)
        return {name: values[first : first + num_clips].to(self.device) for name, values in drawn.items()}

    # ---- what callbacks use ----

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """(C, T, H, W) of every video."""
        return self.generator.video_shape

    def sample_latents(self, indices: range, seed: int) -> Latents:
        """Latents of the videos `indices` of an endless sequence: video i depends on (seed, i) alone.

        None of them is ever trained with.
        """
        each = [self.generator.sample_latents(1, torch_generator(seed, index, 0, EVALUATION)) for index in indices]
        return {name: torch.cat([latents[name] for latents in each]).to(self.device) for name in each[0]}

    @torch.no_grad()
    def generate(self, num_videos: int, latents: Latents | None = None, labels: Tensor | None = None) -> Tensor:
        """Videos of the generator's moving average, (num_videos, C, T, H, W) in [-1, 1].

        Without latents these are the first `num_videos` of the module's own seed.
        """
        if latents is None:
            latents = self.sample_latents(range(num_videos), self.seed)
        return self.generator_ema(latents, labels).float()

    # ---- Lightning ----

    def setup(self, stage: str) -> None:
        """Refuse what cannot work, before the first step.

        Raises: MisconfigurationException for a precision whose losses could not be trusted (float16 is scaled, which
            would hide what is not finite; weights in bfloat16 lose small updates), for data whose clips are not of the
            generator's shape, and for a discriminator that cannot judge such clips.
        """
        if str(self.trainer.precision) not in PRECISIONS:
            raise MisconfigurationException(
                f"trainer.precision is {self.trainer.precision}; it must be {' or '.join(PRECISIONS)}"
            )
        given = getattr(getattr(self.trainer, "datamodule", None), "video_shape", self.video_shape)
        if tuple(given) != self.video_shape:
            raise MisconfigurationException(
                f"the data gives clips of (C, T, H, W) = {tuple(given)}, the generator makes {self.video_shape}; "
                "set data.num_frames and data.size as the generator's num_frames and size"
            )
        self.check_discriminator()

    @torch.no_grad()
    def check_discriminator(self) -> None:
        """Show a copy of the discriminator one black clip.

        Raises: MisconfigurationException if it is made for another shape.
        """
        clip = torch.zeros(1, *self.video_shape, device=self.device)
        label = torch.zeros(1, dtype=torch.int64, device=self.device)
        try:
            deepcopy(self.discriminator).eval()(clip, label)
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise MisconfigurationException(
                f"{type(self.discriminator).__name__} cannot judge videos of (C, T, H, W) = {self.video_shape}, which "
                f"the generator makes ({reason}); give both the same num_frames and size"
            ) from error

    def configure_optimizers(self) -> Any:
        """One optimizer, and where given one schedule, for each player."""
        configured = []
        for player in PLAYERS:
            network: nn.Module = getattr(self, player)
            optimizer = self.optimizer_of[player](network.parameters())
            make_scheduler = self.scheduler_of[player]
            config: dict[str, Any] = {"optimizer": optimizer}
            if make_scheduler is not None:
                config["lr_scheduler"] = make_scheduler(optimizer)
            configured.append(config)
        return tuple(configured)

    def optimizer_for(self, player: str) -> LightningOptimizer:
        """The optimizer of one player."""
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return optimizers[PLAYERS.index(player)]

    def schedulers(self) -> list[torch.optim.lr_scheduler.LRScheduler]:
        """The schedules that are configured, none, one or two."""
        schedulers = self.lr_schedulers()
        if schedulers is None:
            return []
        return schedulers if isinstance(schedulers, list) else [schedulers]


def torch_generator(seed: int, position: int, player: int, purpose: int) -> torch.Generator:
    """Random numbers on the CPU that depend on the arguments alone, alike on every machine.

    All four are always given: NumPy fills a shorter key with zeros, and (seed, 7) would be (seed, 7, 0, 0).
    """
    state = np.random.SeedSequence((seed, position, player, purpose)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)  # torch takes 63 bits
