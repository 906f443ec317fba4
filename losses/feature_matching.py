"""Feature matching: the generator makes clips whose mean features are those of real ones."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Logits, Term, precise
from losses.non_saturating import NonSaturating

NO_FEATURES = "feature matching needs a discriminator that gives features, and this one gives none"


class FeatureMatching(Term):
    """||mean f(x) - mean f(G(z))||_2^2 for the generator (Salimans et al. 2016, arXiv:1606.03498, section 3.1).

    f are the discriminator's last hidden activations; heads add up.  As a term it comes on top of the adversarial loss;
    `FeatureMatchingGAN` replaces that, as the paper does.

    The means are over the clips of all processes.  With gradient accumulation each part has means of its own.

    Args:
        weight: factor of the term; at least 0.
        interval: as in `Term`; 1 in the paper.

    Shapes: features (B, F) for each head -> a scalar, alike on all processes.
    Raises: ValueError if an argument is out of its range, or if the discriminator gives no features.
    """

    needs_real = True

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        if real is None or not real.features:
            raise ValueError(NO_FEATURES)
        distances = []
        for of_real, of_fake in zip(real.features, fake.features, strict=True):
            # One exchange between the processes: the mean of differences is the difference of means.
            difference = (precise(of_real.detach()) - precise(of_fake)).mean(dim=0)  # (B, F) -> (F,)
            distances.append(draw.mean_over_processes(difference).square().sum())
        return torch.stack(distances).sum()

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """Refuse a discriminator without features."""
        if not getattr(discriminator, "num_features", ()):
            raise ValueError(NO_FEATURES)


class FeatureMatchingGAN(NonSaturating):
    """Feature matching as the generator's only loss (Salimans et al. 2016, arXiv:1606.03498, section 3.1).

    D minimises  the binary cross-entropy of its logits.  G minimises  ||mean f(x) - mean f(G(z))||_2^2.

    Args:
        real_target: what D should say of real clips, above 0.5 and at most 1; below 1 it is label smoothing.
        terms: further penalties and aids, by name; `feature_matching` takes the place of this loss.

    Shapes: as `losses.base.AdversarialObjective`.
    Raises: ValueError if an argument is out of its range, if the discriminator gives no features, or if `terms` leave
        the generator without a loss.
    """

    def __init__(self, real_target: float = 1.0, terms: Mapping[str, Term] | None = None) -> None:
        super().__init__(real_target, {"feature_matching": FeatureMatching(), **(terms or {})})
        own = self.terms["feature_matching"]
        if not isinstance(own, FeatureMatching) or own.weight == 0 or own.interval > 1:
            raise ValueError(
                "feature_matching is the generator's only loss here; it must be a FeatureMatching with a weight above "
                "0 and interval 1"
            )

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """0: the term is the whole loss."""
        return precise(fake[0].new_zeros(()))
