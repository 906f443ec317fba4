"""What an adversarial objective is: two losses that receive the discriminator itself, and terms that a YAML adds.

Because the objective calls the discriminator, gradient penalties and relativistic pairing stay in their paper's own
file and share forward passes, and the training loop has no branch for any of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

Logits = tuple[Tensor, ...]
# What objectives and the training loop log beside the terms.
RESERVED_NAMES = frozenset(
    {"adversarial", "loss", "logits_real", "logits_fake", "signs_real", "gradient_norm", "wasserstein_distance"}
)
BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)  # what mixes the clips of a batch


class Opinion(Protocol):
    """What a discriminator returns, see `networks.base.Judgement`."""

    @property
    def logits(self) -> Logits:
        """One tensor (B, ...) per head; larger means more real."""

    @property
    def features(self) -> tuple[Tensor, ...]:
        """(B, F) for each head, or nothing."""

    @property
    def class_logits(self) -> Tensor | None:
        """(B, num_classes) of an auxiliary classifier, or None."""


# A discriminator: what it sees of clips, (B, ...), and labels (B,) or None -> its judgement.
DiscriminatorFunction = Callable[[Tensor, Tensor | None], Opinion]


@dataclass(frozen=True)
class Judged:
    """Clips, (B, ...) as the discriminator sees them, with their labels and what it says of them."""

    clips: Tensor
    labels: Tensor | None
    logits: Logits
    features: tuple[Tensor, ...]
    class_logits: Tensor | None


@dataclass(frozen=True)
class LossTerms:
    """One loss: `total` is minimised, `named` is logged (detached scalars, means over this process's clips)."""

    total: Tensor
    named: dict[str, Tensor]


def identity(tensor: Tensor) -> Tensor:
    """The tensor itself."""
    return tensor


@dataclass(frozen=True)
class Draw:
    """What is particular to one update.

    Attributes:
        step: the training step, from 0.
        noise: what the objective asked for in `sample_noise`.
        latents: what the fake clips were made from.
        intermediates: what arose on the way, see `networks.base.Synthesis`.
        update: how often this player was updated before; not the step where players take turns of several updates.
        mean_over_processes: what a batch statistic goes through; `losses.across_processes.mean_over_processes` where
            all processes take the update together.
    """

    step: int = 0
    noise: dict[str, Tensor] = field(default_factory=dict)
    latents: dict[str, Tensor] = field(default_factory=dict)
    intermediates: dict[str, Tensor] = field(default_factory=dict)
    update: int = 0
    mean_over_processes: Callable[[Tensor], Tensor] = identity


class Term:
    """Something that an objective adds to its adversarial losses, for one player or for both.

    A term is named by the key under which a YAML adds it; it is logged, without weight and interval, under this name.

    Args:
        weight: factor of the term; at least 0.
        interval: it is added to every interval-th update of a player, multiplied by interval (lazy: Karras et al.
            2020, arXiv:1912.04958, section 3.1 and appendix B); at least 1.

    Attributes:
        differentiates: "real" or "fake" for each side of the discriminator's update whose clips' gradients are needed.
        needs_real: whether `generator_term` uses the judgement of the real clips.
        penalizes_gradients: whether it bounds the discriminator's slope.
        corrects_optimizer: whether a lazy term scales the discriminator's Adam, see `optimizer_correction`.
    """

    differentiates: frozenset[str] = frozenset()
    penalizes_gradients = False
    needs_real = False
    corrects_optimizer = False

    def __init__(self, weight: float = 1.0, interval: int = 1) -> None:
        if weight < 0:
            raise ValueError(f"weight of {type(self).__name__} is {weight}; it must be at least 0")
        if interval < 1:
            raise ValueError(f"interval of {type(self).__name__} is {interval}; it must be at least 1")
        self.weight = weight
        self.interval = interval

    def weight_at(self, step: int) -> float:
        """The weight at a training step; a term with a schedule has others than `weight`, its largest."""
        return self.weight

    def is_due(self, draw: Draw) -> bool:
        """Whether the term is added to this update."""
        return self.weight_at(draw.step) > 0 and draw.update % self.interval == 0

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """As `AdversarialObjective.sample_noise`; it comes back as `draw.noise`."""
        return {}

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """What the discriminator minimises besides, a scalar; None adds nothing."""
        return None

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """What the generator minimises besides, a scalar; None adds nothing.  `real` is None unless `needs_real`."""
        return None

    def check(self, discriminator: nn.Module, objective: "AdversarialObjective") -> None:
        """Look whether the term goes with a discriminator, and with the objective that it is added to.

        Raises: ValueError, with the reason, if it contradicts one.  What is merely dubious is a warning.
        """


class AdversarialObjective(ABC):
    """What the discriminator and the generator minimise: an adversarial loss of the logits, and terms.

    Every loss is a mean over clips, so that the mean over processes equals one process on the joined batch.  Heads add
    up.

    Args:
        terms: penalties and aids that are added, by name.

    Attributes:
        is_relativistic: whether the generator's loss needs the logits of the real clips.
        undecided: the logit by which the discriminator does not lean to either side; None where no value means that.

    Raises: ValueError if a term has the name of something else that is logged.
    """

    is_relativistic = False
    undecided: float | None = None

    def __init__(self, terms: Mapping[str, Term] | None = None) -> None:
        self.terms = dict(terms or {})
        refuse_reserved(self.terms)

    @abstractmethod
    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """The adversarial loss of the discriminator, a scalar."""

    @abstractmethod
    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """The adversarial loss of the generator, a scalar.  `real` is None unless the objective is relativistic."""

    def constrain(self, discriminator: nn.Module, update: int) -> None:  # noqa: B027 (most have nothing to do)
        """Called after each update of the discriminator, the first being 0: clip its weights, say."""

    def check(self, discriminator: nn.Module) -> None:
        """Look whether objective and terms go with a discriminator.

        Raises: ValueError, with the reason.
        """
        for term in self.terms.values():
            if term.weight > 0:
                term.check(discriminator, self)

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Draw, on the CPU, the noise that one update needs: named tensors, each with the clips along its first axis.

        The caller hands it back as `draw.noise`; drawn outside, it does not depend on the number of processes.
        """
        return {
            f"{name}/{key}": values
            for name, term in self.terms.items()
            for key, values in term.sample_noise(num_clips, rng).items()
        }

    def discriminator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """Loss of the discriminator on real and fake clips in [-1, 1]; `fake` carries no gradient.

        Raises: ValueError if real and fake differ in shape.
        """
        if real.shape != fake.shape:
            raise ValueError(f"real clips are {tuple(real.shape)}, fake ones {tuple(fake.shape)}; they must be alike")
        due = {name: term for name, term in self.terms.items() if term.is_due(draw)}
        differentiated = frozenset[str]().union(*(term.differentiates for term in due.values()))
        judged_real = judge(discriminator, real, labels, "real" in differentiated)
        judged_fake = judge(discriminator, fake, labels, "fake" in differentiated)
        adversarial = self.discriminator_adversarial(judged_real.logits, judged_fake.logits, draw)
        added = {
            name: term.discriminator_term(discriminator, judged_real, judged_fake, own_noise(draw, name))
            for name, term in due.items()
        }
        logged = {
            "logits_real": mean_over_heads(judged_real.logits),
            "logits_fake": mean_over_heads(judged_fake.logits),
        }
        if self.undecided is not None:
            decisions = tuple((precise(head) - self.undecided).sign() for head in judged_real.logits)
            logged["signs_real"] = mean_over_heads(decisions)
        return self.joined(adversarial, added, logged, draw)

    def generator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """Loss of the generator; gradients flow through `fake`."""
        due = {name: term for name, term in self.terms.items() if term.is_due(draw)}
        needs_real = self.is_relativistic or any(term.needs_real for term in due.values())
        judged_real = judge(discriminator, real, labels) if needs_real else None
        judged_fake = judge(discriminator, fake, labels)
        adversarial = self.generator_adversarial(judged_real.logits if judged_real else None, judged_fake.logits, draw)
        added = {
            name: term.generator_term(discriminator, judged_real, judged_fake, own_noise(draw, name))
            for name, term in due.items()
        }
        return self.joined(adversarial, added, {"logits_fake": mean_over_heads(judged_fake.logits)}, draw)

    def joined(
        self, adversarial: Tensor, added: Mapping[str, Tensor | None], logged: dict[str, Tensor], draw: Draw
    ) -> LossTerms:
        """The adversarial loss and the terms, each with its weight and interval, as one loss."""
        total = adversarial
        for name, value in added.items():
            if value is not None:
                total = total + self.terms[name].weight_at(draw.step) * self.terms[name].interval * value
                logged[name] = value.detach()
        return LossTerms(total, {"adversarial": adversarial.detach(), **logged})

    @property
    def optimizer_correction(self) -> float:
        """c = k / (k + 1) for lazy terms of interval k: the discriminator's Adam takes lr * c and beta^c.

        In the code of Karras et al. (2020, arXiv:1912.04958, appendix B) a lazy penalty is an optimizer step of its
        own: Adam makes k + 1 steps where the loss alone makes k, and c makes up for it.  Here the penalty is in the
        loss's own step, and c gives that the effective learning rate of their setting.  1 without such terms.
        """
        intervals = [term.interval for term in self.terms.values() if term.corrects_optimizer and term.weight > 0]
        interval = max(intervals, default=1)
        return interval / (interval + 1) if interval > 1 else 1.0


class WeightTerm(nn.Module, ABC):
    """A loss of a player's own weights, added to what the player minimises; its state is saved with the run."""

    @abstractmethod
    def attach(self, players: Mapping[str, nn.Module]) -> None:
        """Called once, before training, with both players."""

    @abstractmethod
    def forward(self, player: str, network: nn.Module) -> Tensor:
        """The weighted loss of this player's weights before its step, a scalar; called once for each of its steps."""


class Augmentation(nn.Module, ABC):
    """Changes every clip on its way to the discriminator, real and fake alike, once a clip for all its frames.

    It must be differentiable twice: gradients flow through it to the generator, and penalties through it twice.

    Attributes:
        adapts: whether `adapt` needs `signs_real`, which only an objective with an undecided logit has.
    """

    adapts = False

    @abstractmethod
    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Draw, on the CPU, what happens to each clip: named tensors, each with the clips along its first axis."""

    @abstractmethod
    def forward(self, clips: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """(B, C, T, H, W) in [-1, 1] -> the same shape, the values possibly outside that range."""

    def adapt(self, signs_real: Tensor, num_clips: int) -> dict[str, Tensor]:
        """Called after each update of the discriminator, alike on all processes; returns scalars to log.

        Args:
            signs_real: mean sign(D(real) - undecided) over all processes; 0 if the objective has no such logit.
            num_clips: real clips of that update, over all processes.
        """
        return {}


def in_float32(clips: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for the device of `clips`."""
    return torch.autocast(clips.device.type, enabled=False)


def judge(
    discriminator: DiscriminatorFunction, clips: Tensor, labels: Tensor | None, differentiable: bool = False
) -> Judged:
    """Ask the discriminator; `differentiable` clips are detached, float32, require gradients and have no autocast."""
    if differentiable:
        with in_float32(clips):
            clips = precise(clips.detach()).requires_grad_(True)
            opinion = discriminator(clips, labels)
    else:
        opinion = discriminator(clips, labels)
    return Judged(clips, labels, opinion.logits, opinion.features, opinion.class_logits)


def own_noise(draw: Draw, name: str) -> Draw:
    """The draw with the noise of one term alone, under the names that the term gave."""
    prefix = f"{name}/"
    own = {key.removeprefix(prefix): values for key, values in draw.noise.items() if key.startswith(prefix)}
    return replace(draw, noise=own)


def refuse_reserved(names: Collection[str]) -> None:
    """Terms are logged by their names, which must not be those of other things that are."""
    if reserved := sorted(RESERVED_NAMES.intersection(names)):
        raise ValueError(f"a term is called {reserved[0]}, as something else that is logged; give it another name")


def precise(head: Tensor) -> Tensor:
    """In float32, or in float64 if it is."""
    return head if head.dtype == torch.float64 else head.float()


def score(head: Tensor) -> Tensor:
    """Mean logit of each clip, (B, ...) -> (B,), in float32 or float64."""
    return precise(head).flatten(1).mean(dim=1) if head.dim() > 1 else precise(head)


def sum_of_means(function: Callable[[Tensor], Tensor], logits: Logits) -> Tensor:
    """mean f(D(x)) over clips and positions, in float32 or float64, summed over heads."""
    return torch.stack([function(precise(head)).mean() for head in logits]).sum()


def mean_over_heads(logits: Logits) -> Tensor:
    """Mean of the logits over clips and positions, averaged over the heads, detached: what is logged."""
    return torch.stack([precise(head.detach()).mean() for head in logits]).mean()
