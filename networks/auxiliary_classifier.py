"""A discriminator that classifies besides (Odena et al. 2017)."""

import torch
from torch import Tensor, nn

from networks.base import Discriminator, DiscriminatorWrapper, Judgement, View


class AuxiliaryClassifier(DiscriminatorWrapper):
    """A linear layer from a discriminator's features to class logits (AC-GAN, Odena et al. 2017, arXiv:1610.09585).

    The features of all heads are joined; the logits that judge stay as they are.  Losses say what the classes are:
    those of the labels (`losses.auxiliary_classifier`), or those of a latent (`losses.infogan`), so labels are not
    needed here; they are passed on to the discriminator, whose own number of classes stays.  Parameters: num_classes
    times the number of features + 1.

    Args:
        discriminator: what gives features.
        num_classes: C of the class logits, at least 1.

    Shapes: as those of the discriminator, and class logits (B, num_classes).
    Raises: ValueError if num_classes is too small or the discriminator gives no features.
    """

    def __init__(self, discriminator: Discriminator, num_classes: int) -> None:
        super().__init__(discriminator, needs_features=True)
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; a classifier needs at least 1")
        self.to_classes = nn.Linear(sum(self.num_features), num_classes)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        judgement = self.discriminator(seen, labels, view)
        return judgement._replace(class_logits=self.to_classes(torch.cat(judgement.features, dim=1)))
