"""Spectral normalisation of a whole discriminator (Miyato et al. 2018)."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from networks.base import Discriminator, DiscriminatorWrapper, Judgement, View

LAYERS = (
    nn.Linear,
    nn.Embedding,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


class SpectralNorm(DiscriminatorWrapper):
    """W / sigma(W) for every weight W of a discriminator (Miyato et al. 2018, arXiv:1802.05957, Eq. 8).

    sigma, the largest singular value of W as a matrix (outputs, everything else), comes from power iteration whose two
    vectors are buffers (Algorithm 1): they move at every forward pass in training mode, once however often a layer is
    used in it, and stay in evaluation mode.  All linear and convolutional layers and embeddings are normalised, in
    float32 under autocast too; layers whose weight is parametrised already keep that.  The state's names change:
    "discriminator.<layer>.parametrizations.weight.original" is W.

    Args:
        discriminator: whose weights are divided.
        num_power_iterations: at least 1, at every forward pass; 1 in the paper.

    Shapes: as those of the discriminator.
    Raises: ValueError if num_power_iterations is too small or there is no weight to normalise.
    """

    def __init__(self, discriminator: Discriminator, num_power_iterations: int = 1) -> None:
        super().__init__(discriminator)
        if num_power_iterations < 1:
            raise ValueError(f"num_power_iterations is {num_power_iterations}; it must be at least 1")
        layers = [
            layer
            for layer in discriminator.modules()
            if isinstance(layer, LAYERS) and not parametrize.is_parametrized(layer, "weight")
        ]
        if not layers:
            raise ValueError(f"{type(discriminator).__name__} has no weight that spectral norm could be added to")
        for layer in layers:
            parametrizations.spectral_norm(layer, n_power_iterations=num_power_iterations)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """As the discriminator, with normalised weights."""
        with parametrize.cached():
            with torch.autocast(seen.device.type, enabled=False):
                for layer in self.discriminator.modules():
                    if parametrize.is_parametrized(layer, "weight"):
                        _ = layer.weight  # computed here, where sigma has all its digits, and kept for what follows
            return self.discriminator(seen, labels, view)
