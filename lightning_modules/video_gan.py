"""Alternating updates of a generator and a discriminator: the training algorithm of a video GAN."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from lightning_modules.checks import check_arguments, check_data, check_limits, check_losses, check_precision
from lightning_modules.divergence import refuse_diverged
from lightning_modules.fine_tuning import FineTuning
from lightning_modules.generator_ema import ExponentialMovingAverage, average_buffers
from lightning_modules.noted_terms import NotedTerms
from lightning_modules.optimizers import correct, refuse_plateau
from lightning_modules.randomness import AUGMENTATION, EVALUATION, LATENTS, NOISE, VIEW, seed_own_draws, torch_generator
from lightning_modules.update import Judge, Update, sliced, summed
from losses.across_processes import mean_over_processes
from losses.base import AdversarialObjective, Augmentation, LossTerms, WeightTerm, refuse_reserved
from networks.base import Discriminator, Generator, Latents

PLAYERS = ("discriminator", "generator")  # the order of the optimizers


class VideoGAN(LightningModule):
    """A generator and a discriminator that take turns (Goodfellow et al. 2014, arXiv:1406.2661, Algorithm 1).

    One training step is one batch of real clips and one `trainer.global_step`: one update of the discriminator, then
    one of the generator.  With `discriminator_steps` or `generator_steps` above 1 the other player is updated on every
    so-many-th step only.  So max_steps, checkpoints, loggers, learning-rate schedules and the progress bar all count
    the same steps.

    Every random number of training is a function of (seed, step, position in the global batch): the number of
    processes does not change it, and with networks without batch norm two processes take the same step as one process
    on the joined batch.

    Args:
        generator: makes videos.
        discriminator: judges them.
        objective: what both minimise.
        generator_optimizer: made for the generator's parameters that learn.
        discriminator_optimizer: made for the discriminator's parameters that learn.
        generator_scheduler: learning-rate schedule, stepped once a training step; None is constant.
        discriminator_scheduler: the same for the discriminator.
        discriminator_steps: discriminator updates for one of the generator, n_critic in WGAN; at least 1.
        generator_steps: generator updates for one of the discriminator; at least 1, and one of the two must be 1.
        gradient_accumulation: parts in which a batch is processed one after another to save memory; must divide each
            process's share.  Losses that compare the clips of a batch (relativistic averages, minibatch features,
            batch norm) then compare those of a part.
        ema_half_life_clips: half-life of the generator's moving average in real clips.
        ema_ramp_up: the half-life's largest share of the clips seen so far; fine-tuning has no ramp-up.
        gradient_clip_norm: largest Euclidean norm of each player's gradient; None does not clip.
        divergence_limit: largest magnitude of a loss term or of a gradient's norm before clipping, above 0; beyond it,
            as where one is not finite, training stops before weights change.
        augmentation: what happens to real and fake clips on their way to the discriminator.
        weight_terms: losses of the players' own weights, by name.
        fine_tuning: a run to start from, and which parameters learn.
        truncation: psi of the videos for callbacks, above 0 and at most 1; see `networks.base.Generator.truncate`.
        seed: of latents and of the objective's noise.

    Shapes: a batch is {"clip": (B, C, T, H, W) float32 in [-1, 1], "label": (B,) int64}.
    Raises: ValueError if an argument is out of its range; DivergedError while training.
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
        generator_steps: int = 1,
        gradient_accumulation: int = 1,
        ema_half_life_clips: float = 10_000,
        ema_ramp_up: float = 0.05,
        gradient_clip_norm: float | None = None,
        divergence_limit: float = 1e6,
        augmentation: Augmentation | None = None,
        weight_terms: dict[str, WeightTerm] | None = None,
        fine_tuning: FineTuning | None = None,
        truncation: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_arguments(discriminator_steps, generator_steps, gradient_accumulation, truncation, seed)
        check_limits(gradient_clip_norm, divergence_limit)
        self.automatic_optimization = False
        self.generator = generator
        self.discriminator = discriminator
        continues = fine_tuning is not None and fine_tuning.checkpoint is not None
        self.generator_ema = ExponentialMovingAverage(
            generator, ema_half_life_clips, ramp_up=None if continues else ema_ramp_up
        )
        if fine_tuning is not None:
            fine_tuning.apply(self)
        self.objective = objective
        self.optimizer_of = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        self.scheduler_of = {"generator": generator_scheduler, "discriminator": discriminator_scheduler}
        # A player is updated on every so-many-th step: the other one's number of updates.
        self.steps_between = {"discriminator": generator_steps, "generator": discriminator_steps}
        self.gradient_accumulation = gradient_accumulation
        self.gradient_clip_norm = gradient_clip_norm
        self.divergence_limit = divergence_limit
        self.augmentation = augmentation
        refuse_reserved(weight_terms or {})
        self.weight_terms = nn.ModuleDict(weight_terms or {})
        for term in (weight_terms or {}).values():
            term.attach({player: getattr(self, player) for player in PLAYERS})
        self.truncation = truncation
        self.seed = seed
        self.noted = NotedTerms()
        self.is_checked = False
        self.videos_seen: Tensor
        self.register_buffer("videos_seen", torch.zeros((), dtype=torch.int64))  # real clips, over all processes
        self.configure_optimizers()  # an optimizer that cannot be made is found now, not after the data is read

    # ---- the algorithm ----

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One update of each player that is due, the discriminator first."""
        step = self.trainer.global_step  # the first update moves it on
        seed_own_draws(self.seed, step, self.trainer.global_rank)
        self.videos_seen += len(batch["clip"]) * self.trainer.world_size
        due = [player for player in PLAYERS if (step + 1) % self.steps_between[player] == 0]
        for player in due:
            update = self.drawn_update(player, batch, step)
            terms = self.take_step(update, counts=player == due[0])
            if player == "discriminator":
                self.after_discriminator_step(terms, update)
        if self.trainer.world_size > 1:
            average_buffers(self.generator, partial(self.trainer.strategy.reduce, reduce_op="mean"))
        if "generator" in due:
            self.after_generator_step(len(batch["clip"]))
        for scheduler in self.schedulers():
            scheduler.step()
        self.log_terms(step + 1)

    def discriminator_loss(self, update: Update) -> LossTerms:
        """The discriminator's loss on real clips and as many generated ones."""
        with torch.no_grad():
            fake, intermediates = update.fake_seen_by(self.discriminator, self.generator)
            real = self.discriminator.look(update.clips, update.view)
        draw = update.draw(intermediates, mean_over_processes)
        return self.objective.discriminator_loss(self.judge(update), real, fake, update.labels, draw)

    def generator_loss(self, update: Update) -> LossTerms:
        """The generator's loss."""
        fake, intermediates = update.fake_seen_by(self.discriminator, self.generator)
        real = self.discriminator.look(update.clips, update.view)
        draw = update.draw(intermediates, mean_over_processes)
        return self.objective.generator_loss(self.judge(update), real, fake, update.labels, draw)

    def take_step(self, update: Update, counts: bool) -> dict[str, Tensor]:
        """Backward pass, check, clip, log, step: the one place that toggles, zeroes and steps.

        Under DDP the gradients are means over processes after the backward pass, and so are the terms returned.  The
        step that `counts` moves `trainer.global_step` on.
        """
        player, network = update.player, self.player(update.player)
        loss = self.discriminator_loss if player == "discriminator" else self.generator_loss
        optimizer = self.optimizer_for(player)
        with self.toggled_optimizer(optimizer):
            optimizer.zero_grad()
            named: dict[str, Tensor] = {}
            for part in update.parts(self.gradient_accumulation):
                terms = loss(part)
                self.manual_backward(terms.total / self.gradient_accumulation)
                logged = {"loss": terms.total.detach(), **terms.named}
                named = summed(named, logged, share=1 / self.gradient_accumulation)
            for name, term in self.weight_terms.items():
                value = term(player, network)
                self.manual_backward(value)
                named[name] = value.detach()
            learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
            named["gradient_norm"] = nn.utils.clip_grad_norm_(learning, self.gradient_clip_norm or torch.inf)
            named = self.checked_means(player, update.step, named)
            if counts:
                optimizer.step()
            else:  # not through Lightning's wrapper, which would count a second global_step for this batch
                self.trainer.strategy.optimizer_step(optimizer.optimizer, closure=lambda: None)
        return named

    def checked_means(self, player: str, step: int, named: dict[str, Tensor]) -> dict[str, Tensor]:
        """The means over processes, noted for the loggers.

        Raises: DivergedError, on every process, if one of them is not finite or too large.
        """
        values = torch.stack([value.float() for value in named.values()])
        values = self.trainer.strategy.reduce(values, reduce_op="mean")
        refuse_diverged(player, step + 1, dict(zip(named, values.tolist(), strict=True)), self.divergence_limit)
        means = dict(zip(named, values, strict=True))
        self.noted.add({f"{player}/{name}": value for name, value in means.items()})
        return means

    def log_terms(self, num_steps: int) -> None:
        """Log, on the steps that loggers want, each term's mean since the last time; what was not computed is absent.

        Lightning would repeat what a step has not logged: a lazy penalty, a player that was not due.
        """
        newest = self.noted.newest()
        self.trainer.callback_metrics.update(newest)  # for the progress bar and for callbacks
        self.trainer._results.reset(fx="training_step")  # type: ignore[union-attr]
        # Lightning hands "step" to the loggers as their step; without it they would count from 0 and lag by one.
        self.log_dict({"step": float(num_steps), "videos_seen": self.videos_seen.double()})
        for player in PLAYERS:
            self.log(f"learning_rate/{player}", self.optimizer_for(player).param_groups[0]["lr"])
        if num_steps % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log_dict(self.noted.means())

    def after_discriminator_step(self, terms: dict[str, Tensor], update: Update) -> None:
        """Constrain its weights, adapt the augmentation."""
        self.objective.constrain(self.discriminator, update.number)
        if self.augmentation is not None:
            num_clips = len(update.clips) * self.trainer.world_size
            signs_real = terms.get("signs_real", torch.zeros((), device=self.device))
            adapted = self.augmentation.adapt(signs_real, num_clips)
            self.noted.add({f"discriminator/{name}": value for name, value in adapted.items()})

    def after_generator_step(self, num_clips: int) -> None:
        """Move the average along, by the clips since the last time."""
        num_clips *= self.trainer.world_size * self.steps_between["generator"]
        self.generator_ema.update(self.generator, num_clips, int(self.videos_seen))

    def player(self, name: str) -> nn.Module:
        """The generator or the discriminator."""
        return getattr(self, name)

    # ---- randomness ----

    def drawn_update(self, player: str, batch: dict[str, Tensor], step: int) -> Update:
        """Real clips and labels with this step's latents, view and noise for this player."""
        clips, labels = batch["clip"], batch["label"]
        draw = partial(self.draw, num_clips=len(clips), step=step, player=player)
        return Update(
            player,
            step,
            (step + 1) // self.steps_between[player] - 1,
            clips,
            labels,
            latents={**draw(self.generator.sample_latents, purpose=LATENTS), **self.generator.condition_on(clips)},
            view=draw(self.discriminator.sample_view, purpose=VIEW),
            noise=draw(self.objective.sample_noise, purpose=NOISE),
            rows=slice(0, len(clips)),
        )

    def judge(self, update: Update) -> Judge:
        """The discriminator for the objective of this update."""
        augmentation = self.augmentation
        if augmentation is None:
            return Judge(self.discriminator, update, None)

        def augment(seen: Tensor, call: int, rows: slice) -> Tensor:
            num_clips = len(update.clips) * self.gradient_accumulation
            noise = self.draw(augmentation.sample_noise, num_clips, update.step, update.player, AUGMENTATION + call)
            return augmentation(seen, sliced(noise, rows))

        return Judge(self.discriminator, update, augment)

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

    @property
    def sampling(self) -> dict[str, Any]:
        """How `generate` makes videos, for the cards of what is measured on them."""
        return {
            "weights": self.generator_ema.holds,
            "truncation": self.truncation,
            "conditions_on_clips": self.conditions_on_clips,
        }

    @property
    def conditions_on_clips(self) -> bool:
        """Whether `generate` needs real clips."""
        return self.generator.conditions_on_clips

    def sample_latents(self, indices: range, seed: int, num_frames: int | None = None) -> Latents:
        """Latents of the videos `indices` of an endless sequence: video i depends on (seed, i) alone.

        None of them is ever trained with.  `num_frames` may differ from training where the generator can do that.
        """
        each = [
            self.generator.sample_latents(1, torch_generator(seed, index, 0, EVALUATION), num_frames)
            for index in indices
        ]
        return {name: torch.cat([latents[name] for latents in each]).to(self.device) for name in each[0]}

    @torch.no_grad()
    def generate(
        self,
        num_videos: int,
        latents: Latents | None = None,
        labels: Tensor | None = None,
        clips: Tensor | None = None,
    ) -> Tensor:
        """Videos of the generator's moving average, (num_videos, C, T, H, W) in [-1, 1], truncated as configured.

        Without latents these are the first `num_videos` of the module's own seed; without labels the classes take
        turns.  `clips` are real ones (num_videos, C, T, H, W) in [-1, 1] for a generator that conditions on them.

        Raises: ValueError if such a generator gets none.
        """
        generator = self.generator_ema.average
        assert isinstance(generator, Generator)
        if latents is None:
            latents = self.sample_latents(range(num_videos), self.seed)
        if self.truncation < 1:
            latents = generator.truncate(latents, self.truncation)
        if generator.conditions_on_clips:
            if clips is None:
                raise ValueError(f"{type(generator).__name__} makes videos from real clips; pass them as `clips`")
            latents = {**latents, **generator.condition_on(clips.to(self.device))}
        if labels is None and generator.num_classes > 0:
            labels = torch.arange(num_videos, device=self.device) % generator.num_classes
        return self.generator_ema(latents, labels).float().clamp(-1, 1)

    # ---- Lightning ----

    def setup(self, stage: str) -> None:
        """Refuse what cannot work, before the first step.

        Raises: MisconfigurationException, see `lightning_modules.checks`.
        """
        check_precision(self.trainer)
        check_data(self, self.trainer)
        if not self.is_checked:  # train.py calls this before a run has a folder, and `fit` once more
            check_losses(self)
        self.is_checked = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what was noted since the last log, so that a resumed run logs the same means."""
        checkpoint["noted_terms"] = self.noted.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The other way round."""
        self.noted.load_state_dict(checkpoint.get("noted_terms", {}))

    def configure_optimizers(self) -> Any:
        """One optimizer, and where given one schedule, for each player."""
        configured = []
        for player in PLAYERS:
            learning = [parameter for parameter in self.player(player).parameters() if parameter.requires_grad]
            optimizer = self.optimizer_of[player](learning)
            if player == "discriminator":
                correct(optimizer, self.objective.optimizer_correction)
            make_scheduler = self.scheduler_of[player]
            config: dict[str, Any] = {"optimizer": optimizer}
            if make_scheduler is not None:
                config["lr_scheduler"] = make_scheduler(optimizer)
                refuse_plateau(config["lr_scheduler"], player)
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
