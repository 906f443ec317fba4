"""Reconstruction of what a generator was conditioned on."""

import torch.nn.functional as F
from torch import Tensor

from losses.base import DiscriminatorFunction, Draw, Judged, Term, precise


class ConditionReconstruction(Term):
    """L2 loss between real content and the generated clip's (Kratzwald et al. 2017, arXiv:1711.11453, section 4).

    G minimises besides  mean (r - f)^2,  r the generator's intermediate "reconstruction_target", something of the real
    clip that it was conditioned on, and f "reconstruction", the same of the generated clip: grey clips in
    colorization, first frames in future prediction, whole clips in inpainting.

    Args:
        weight: nu; 1000 in the paper.  At least 0.
        interval: see `Term`.

    Raises: ValueError if the generator gives no such intermediates.
    """

    def __init__(self, weight: float = 1000.0, interval: int = 1) -> None:
        super().__init__(weight, interval)

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor:
        """Mean square of the difference, over clips and all their values."""
        missing = {"reconstruction_target", "reconstruction"} - draw.intermediates.keys()
        if missing:
            raise ValueError(
                f"the generator gives no {sorted(missing)[0]!r}; ConditionReconstruction needs one that is conditioned "
                "on clips, such as networks.spatiotemporal_conditional.SpatiotemporalConditionalGenerator"
            )
        target, reconstruction = draw.intermediates["reconstruction_target"], draw.intermediates["reconstruction"]
        return F.mse_loss(precise(reconstruction), precise(target))
