"""Spectral normalisation (Miyato et al. 2018), of single layers and of a whole discriminator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from networks.base import Discriminator, DiscriminatorWrapper, Judgement, View, in_float32

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
FIRST_ITERATIONS = 15
EVALUATION_ITERATIONS = 5


class SpectralNorm(DiscriminatorWrapper):
    """W / sigma(W) for every weight W of a discriminator (Miyato et al. 2018, arXiv:1802.05957, Eq. 8).

    Weights are those of torch's linear and convolutional layers and of embeddings; see `SpectralNormalization` for
    sigma, which is computed once a forward pass, however often a layer is used in it, and in float32 under autocast
    too.  Layers whose weight is parametrised already keep that, and parameters of one axis, biases and the gains of
    norms, are left alone.  The state's names change: "discriminator.<layer>.parametrizations.weight.original" is W.

    Args:
        discriminator: whose weights are divided.
        num_power_iterations: at least 1, at every forward pass; 1 in the paper.

    Shapes: as those of the discriminator.
    Raises: ValueError if num_power_iterations is too small, if there is no weight to normalise, if one is all zeros
        (sigma is 0), or if a layer of another kind has a matrix (those of the StyleGAN family, which scale theirs).
    """

    def __init__(self, discriminator: Discriminator, num_power_iterations: int = 1) -> None:
        super().__init__(discriminator)
        if num_power_iterations < 1:
            raise ValueError(f"num_power_iterations is {num_power_iterations}; it must be at least 1")
        for layer in layers_to_normalize(discriminator):
            normalize_spectrum(layer, num_power_iterations)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """As the discriminator, with normalised weights."""
        with weights_computed_once(self.discriminator, seen):
            return self.discriminator(seen, labels, view)


class SpectralNormalization(nn.Module):
    """W / sigma(W), what stands for a weight W (arXiv:1802.05957, Algorithm 1).

    sigma is the largest singular value of W as a matrix (outputs, everything else), from power iteration that goes on
    from pass to pass in training mode: its vector u is a buffer.  In evaluation mode u stays, and a few more iterations
    start from it.  A moving average of weights needs them: it has the u of the last weights, which would find too small
    a sigma for their average, and so too large weights.

    Args:
        weight: W.
        outputs_axis: the axis of W that counts outputs.
        num_power_iterations: at every pass in training mode.

    Shapes: those of W.
    """

    def __init__(self, weight: Tensor, outputs_axis: int = 0, num_power_iterations: int = 1) -> None:
        super().__init__()
        self.outputs_axis = outputs_axis
        self.num_power_iterations = num_power_iterations
        matrix = self.as_matrix(weight.detach())
        self.u: Tensor
        self.register_buffer("u", torch.randn_like(matrix[:, 0]))
        self.u, _ = self.iterated(matrix, FIRST_ITERATIONS)

    def forward(self, weight: Tensor) -> Tensor:
        """See the class."""
        matrix = self.as_matrix(weight)
        u, v = self.iterated(matrix, self.num_power_iterations if self.training else EVALUATION_ITERATIONS)
        if self.training:
            self.u.copy_(u)
        return weight / (u @ (matrix @ v))

    def as_matrix(self, weight: Tensor) -> Tensor:
        """(outputs, everything else)."""
        return weight.movedim(self.outputs_axis, 0).flatten(1)

    @torch.no_grad()
    def iterated(self, matrix: Tensor, num_iterations: int) -> tuple[Tensor, Tensor]:
        """The first left and right singular vectors, nearly."""
        u = self.u
        for _ in range(num_iterations):
            v = F.normalize(matrix.T @ u, dim=0)
            u = F.normalize(matrix @ v, dim=0)
        return u, v


def normalize_spectrum(layer: nn.Module, num_power_iterations: int = 1) -> None:
    """Put a spectral norm on the weight of one of the LAYERS."""
    normalization = SpectralNormalization(
        layer.get_parameter("weight"), int(isinstance(layer, TRANSPOSED)), num_power_iterations
    )
    parametrize.register_parametrization(layer, "weight", normalization)


def layers_to_normalize(discriminator: nn.Module) -> list[nn.Module]:
    """The layers whose weight is not parametrised yet.

    Raises: ValueError as `SpectralNorm`.
    """
    owner = type(discriminator).__name__
    found: list[nn.Module] = []
    for name, module in discriminator.named_modules():
        if parametrize.is_parametrized(module, "weight") or isinstance(module, parametrize.ParametrizationList):
            continue
        if isinstance(module, LAYERS):
            if not module.weight.any():
                raise ValueError(f"{owner}'s {name}.weight is all zeros; spectral norm would divide it by 0")
            found.append(module)
            continue
        for parameter_name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() > 1:
                full_name = f"{name}.{parameter_name}".removeprefix(".")
                raise ValueError(
                    f"{owner}'s {full_name} is a weight that spectral norm cannot be put on: {type(module).__name__} "
                    "is none of torch's layers"
                )
    if not found:
        raise ValueError(f"{owner} has no weight that spectral norm could be added to")
    return found


@contextmanager
def weights_computed_once(network: nn.Module, tensor: Tensor) -> Iterator[None]:
    """Inside, every parametrised weight of the network is kept, having been computed without autocast.

    Autocast would take the products of power iteration in bfloat16, on GPUs, and sigma would have two or three digits.
    `tensor` is on the network's device.
    """
    with parametrize.cached():
        with in_float32(tensor):
            for layer in network.modules():
                if parametrize.is_parametrized(layer, "weight"):
                    _ = layer.weight
        yield
