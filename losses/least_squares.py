"""Least-squares GAN, with a matching-aware discriminator where clips have labels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Logits, Term, sum_of_means


class MismatchedLabels(Term):
    """1/2 mean (D(x, wrong label) - a)^2 on real clips x: wrong labels are as bad as fake clips.

    The matching-aware discriminator (Reed et al. 2016, arXiv:1605.05396, section 4.2) with the least-squares loss.
    Reed et al. halve this share and that of the fake clips; with weight 1 both count wholly.  A class that the data
    have no clips of makes it easy: being always wrong, it is known by the label alone.

    Args:
        weight: factor of the term; at least 0.
        num_classes: classes of the data, at least 2.  A wrong label is any of the others, all equally likely.
        fake_target: a; that of the objective.

    Shapes: clips (B, ...), labels (B,) int64 in [0, num_classes) -> a scalar over this process's clips, heads add up.
    Raises: ValueError if there are fewer than 2 classes, if clips have no labels, if the discriminator does not take
        labels of as many classes, or if the objective is not `LeastSquares` with the same a.
    """

    def __init__(self, weight: float = 1.0, num_classes: int = 0, fake_target: float = 0.0) -> None:
        super().__init__(weight)
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; a label can only be wrong if there are at least 2")
        self.num_classes = num_classes
        self.fake_target = fake_target

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """How far each clip's wrong label lies from its own: `offset`, (B,), 1 to num_classes - 1."""
        return {"offset": torch.randint(1, self.num_classes, (num_clips,), generator=rng)}

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        if real.labels is None:
            raise ValueError("the clips have no labels, so MismatchedLabels cannot give them wrong ones")
        wrong = (real.labels + draw.noise["offset"]) % self.num_classes
        logits = discriminator(real.clips.detach(), wrong).logits
        return half_squared_distance(logits, self.fake_target)

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """Refuse other losses, another target and other classes: without any, real clips would be taught to be fake."""
        if not isinstance(objective, LeastSquares):
            raise ValueError(
                f"MismatchedLabels is a least-squares loss, the objective is {type(objective).__name__}; use it with "
                "losses.least_squares.LeastSquares"
            )
        if objective.fake_target != self.fake_target:
            raise ValueError(
                f"fake_target of MismatchedLabels is {self.fake_target}, that of the objective "
                f"{objective.fake_target}; they must agree"
            )
        num_classes = getattr(discriminator, "num_classes", 0)
        if num_classes != self.num_classes:
            raise ValueError(
                f"num_classes of MismatchedLabels is {self.num_classes}, that of the discriminator {num_classes}; "
                "they must agree"
            )


class LeastSquares(AdversarialObjective):
    """Least-squares GAN (Mao et al. 2017, arXiv:1611.04076, Eq. 2).

    D minimises  1/2 mean (D(real) - b)^2 + 1/2 mean (D(fake) - a)^2.  G minimises  1/2 mean (D(fake) - c)^2.

    Two sets of targets in the paper: a = 0, b = 1, c = 1 (Eq. 9), where G wants its clips to be taken for real, and
    a = -1, b = 1, c = 0 (Eq. 8), where b - c = 1 and b - a = 2 make G minimise the Pearson chi^2 divergence between
    p_data + p_G and 2 p_G.

    Args:
        real_target: b.
        fake_target: a, below b: larger logits mean more real.
        generator_target: c.
        terms: penalties and aids that are added, by name.

    Shapes: logits (B, ...) for each head; both losses are scalars over this process's clips, heads add up.
    Raises: ValueError if the real target is not above the fake one.
    """

    def __init__(
        self,
        real_target: float = 1.0,
        fake_target: float = 0.0,
        generator_target: float = 1.0,
        terms: Mapping[str, Term] | None = None,
    ) -> None:
        super().__init__(terms)
        if real_target <= fake_target:
            raise ValueError(f"real_target is {real_target}, fake_target {fake_target}; the first must be larger")
        self.undecided = (real_target + fake_target) / 2
        self.real_target = real_target
        self.fake_target = fake_target
        self.generator_target = generator_target

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """1/2 mean (D(real) - b)^2 + 1/2 mean (D(fake) - a)^2."""
        return half_squared_distance(real, self.real_target) + half_squared_distance(fake, self.fake_target)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """1/2 mean (D(fake) - c)^2."""
        return half_squared_distance(fake, self.generator_target)


def half_squared_distance(logits: Logits, target: float) -> Tensor:
    """1/2 mean (D(x) - target)^2, summed over heads."""
    return sum_of_means(lambda head: (head - target).square() / 2, logits)
