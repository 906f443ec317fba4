"""The mapping from latents to styles of the StyleGAN family, and what its generators share."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Latents, in_float32, required_labels
from networks.equalized import EqualizedLinear


class MappingNetwork(nn.Module):
    """z and a condition to w: both normalised to second moment 1, concatenated, then activated linear layers.

    Their learning rate multiplier is 0.01.  Where there is a z, `w_avg` follows the mean of w in training mode, with
    decay 0.995 a call; with several processes each follows its own clips.

    Args:
        latent_dim: length of z; 0 maps the condition alone.
        w_dim: length of w, of the hidden layers and of the embedded condition.
        num_layers: at least 1.
        condition_dim: length of the condition, which goes through a linear layer first; 0 for none.

    Shapes: (B, latent_dim), (B, condition_dim) -> (B, w_dim) float32, under autocast too.
    """

    w_avg: Tensor

    def __init__(self, latent_dim: int, w_dim: int, num_layers: int, condition_dim: int = 0) -> None:
        super().__init__()
        self.embed = EqualizedLinear(condition_dim, w_dim) if condition_dim else None
        lengths = [latent_dim + (w_dim if condition_dim else 0)] + [w_dim] * num_layers
        self.layers = nn.Sequential(
            *(
                EqualizedLinear(inputs, outputs, activates=True, learning_rate_multiplier=0.01)
                for inputs, outputs in pairwise(lengths)
            )
        )
        if latent_dim:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """See the class."""
        given = z if z is not None else condition
        assert given is not None
        with in_float32(given):
            parts = [] if z is None else [second_moment_normalized(z.float())]
            if self.embed is not None and condition is not None:
                parts.append(second_moment_normalized(self.embed(condition.float())))
            w = self.layers(torch.cat(parts, dim=1))
        if self.training and z is not None:
            with torch.no_grad():
                self.w_avg.lerp_(w.mean(dim=0), 0.005)
        return w

    def truncated(self, w: Tensor, psi: Tensor | None) -> Tensor:
        """w_avg + psi (w - w_avg), psi (B,); None is 1."""
        return w if psi is None else self.w_avg + psi.unsqueeze(1) * (w - self.w_avg)


class StyleGenerator(Generator):
    """A generator with a mapping network in front, which is where it is truncated, and a linear sum at its end.

    As in the papers nothing bounds that sum: in training mode videos may leave [-1, 1], in evaluation mode they are
    clamped to it, as they would be when they are quantised.
    """

    mapping: MappingNetwork

    def map(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (B, latent_dim) and class indices (B,) -> w (B, w_dim)."""
        return self.mapping(z, one_hot(labels, self))

    def truncated_w(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """w (B, w_dim) of latents that `truncate` may have changed."""
        return self.mapping.truncated(self.map(latents["z"], labels), latents.get("truncation"))

    def truncate(self, latents: Latents, psi: float) -> Latents:
        """Pull w towards its mean: w_avg + psi (w - w_avg) (arXiv:1812.04948, appendix B); motion stays as it is."""
        return latents | {"truncation": torch.full_like(latents["z"][:, 0], psi)}

    def bounded(self, videos: Tensor) -> Tensor:
        """Clamped to [-1, 1] in evaluation mode, see the class."""
        return videos if self.training else videos.clamp(-1, 1)


def one_hot(labels: Tensor | None, network: Generator | Discriminator) -> Tensor | None:
    """(B,) class indices -> (B, num_classes) float32; None if there are no classes, an error if labels are missing."""
    if network.num_classes == 0:
        return None
    return F.one_hot(required_labels(labels, network), network.num_classes).float()


def second_moment_normalized(x: Tensor) -> Tensor:
    """x / sqrt(mean(x^2)) along the last axis."""
    return x * (x.square().mean(dim=-1, keepdim=True) + 1e-8).rsqrt()
