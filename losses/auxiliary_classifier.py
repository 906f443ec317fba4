"""The auxiliary classifier GAN: a discriminator that names the class as well."""

import torch.nn.functional as F
from torch import Tensor

from losses.base import DiscriminatorFunction, Draw, Judged, Term, precise


class AuxiliaryClassifier(Term):
    """-L_C of the auxiliary classifier GAN (Odena et al. 2017, arXiv:1610.09585, Eq. 3).

    D minimises  mean -log P(y | real) + mean -log P(y | fake),  G minimises  mean -log P(y | fake),  with y the labels
    and P the softmax of the discriminator's class logits.  MoCoGAN (Tulyakov et al. 2018, arXiv:1707.04993) has its
    discriminator learn from real clips alone.

    Args:
        weight: factor of the term; 1 in both papers.  At least 0.
        interval: as in `Term`.
        learns_from_fake: whether the discriminator learns from fake clips too, as in the paper.

    Shapes: class_logits (B, num_classes), labels (B,); every term is a scalar over this process's clips.
    Raises: ValueError if there are no class logits or no labels or, on a CPU, if a label is none of the classes (to
        look would make every step wait for a GPU, whose own assertion stops there).
    """

    def __init__(self, weight: float = 1.0, interval: int = 1, learns_from_fake: bool = True) -> None:
        super().__init__(weight, interval)
        self.learns_from_fake = learns_from_fake

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """Cross-entropy of the labels on real clips and, if asked for, on fake ones."""
        on_real = class_cross_entropy(real, real.labels, "labels")
        return on_real + class_cross_entropy(fake, fake.labels, "labels") if self.learns_from_fake else on_real

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """Cross-entropy of the labels on fake clips."""
        return class_cross_entropy(fake, fake.labels, "labels")


def class_cross_entropy(judged: Judged, classes: Tensor | None, name: str) -> Tensor:
    """Mean cross-entropy, in float32 or float64, of indices (B,) or probabilities (B, num_classes), called `name`."""
    if judged.class_logits is None:
        raise ValueError("the discriminator gives no class_logits; it needs num_classes or num_categories above 0")
    if classes is None:
        raise ValueError(f"there are no {name} for the class logits; the objective classifies {name}")
    logits = precise(judged.class_logits)
    num_classes = logits.shape[1]
    if classes.is_floating_point():
        classes = classes.to(logits)
        needed = classes.shape[-1]
        fits = needed == num_classes
    elif classes.device.type == "cpu":
        needed = int(classes.max()) + 1
        fits = needed <= num_classes
    else:
        fits = True
    if not fits:
        raise ValueError(f"{name} name {needed} classes; the discriminator's class_logits are for {num_classes}")
    return F.cross_entropy(logits, classes)
