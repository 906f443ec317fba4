"""R1 and R2: zero-centred gradient penalties on real and on generated clips."""

import torch
from torch import Tensor, nn

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Term, in_float32
from losses.gradient_penalties import refuse_batch_norm, squared_gradient_norms


class R1(Term):
    """1/2 mean ||grad_x D(x)||_2^2 on real clips x (Mescheder et al. 2018, arXiv:1801.04406, Eq. 9).

    One norm a clip over all its axes, computed in float32; heads add up.

    Args:
        weight: gamma; 10 in the paper, scaled with resolution and batch in later work.  At least 0.
        interval: as in `Term`; 16 in Karras et al. 2020 (arXiv:1912.04958, appendix B).
        corrects_optimizer: scale the discriminator's Adam to the effective learning rate of that paper's setting, where
            the penalty is an optimizer step of its own (`losses.base.AdversarialObjective.optimizer_correction`);
            without it the configured learning rate is what is used.

    Shapes: clips (B, ...) -> a scalar over this process's clips.
    Raises: ValueError if an argument is out of its range, or if the discriminator has batch norm.
    """

    differentiates = frozenset({"real"})
    penalizes_gradients = True

    def __init__(self, weight: float = 10.0, interval: int = 1, corrects_optimizer: bool = True) -> None:
        super().__init__(weight, interval)
        self.corrects_optimizer = corrects_optimizer

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        return half_squared_norm(real)

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """Refuse batch norm."""
        refuse_batch_norm(discriminator, type(self).__name__)


class R2(R1):
    """1/2 mean ||grad_x D(x)||_2^2 on generated clips x (Mescheder et al. 2018, arXiv:1801.04406, Eq. 10).

    Args, shapes and errors: as `R1`.
    """

    differentiates = frozenset({"fake"})

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        return half_squared_norm(fake)


def half_squared_norm(judged: Judged) -> Tensor:
    """1/2 mean over clips of ||grad_x D(x)||^2, summed over heads."""
    with in_float32(judged.clips):
        norms = squared_gradient_norms(judged.logits, judged.clips)
        return torch.stack([norm.mean() for norm in norms]).sum() / 2
