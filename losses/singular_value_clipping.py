"""Singular value clipping: the temporal GAN's way to a Lipschitz critic."""

import torch
from torch import Tensor, nn

from losses.across_processes import mean_over_processes
from losses.base import BATCH_NORMS
from losses.weight_constraint import WeightConstraint

MAPS = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
TRANSPOSED_MAPS = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
SMALLEST_GAIN = 0.01  # of a batch norm, in standard deviations of its input; the paper only says above 0


class SingularValueClipping(WeightConstraint):
    """Keep every layer of the critic 1-Lipschitz (Saito et al. 2017, arXiv:1611.06624, section 4.3 and table 1).

    | layer | condition | how |
    |---|---|---|
    | convolution, transposed convolution, linear | largest singular value of W <= 1 | singular values clipped to 1 |
    | batch norm, gain g, running variance v | 0.01 s <= g <= s, s = sqrt(v + eps) | clipped |

    W is the kernel as a matrix (output channels, the rest).  As the paper's table has it, linear layers are clipped
    too; its code clips kernels of four and more axes only, all that its own critic has.  Biases and
    weights that are not trained are left alone.

    Processes agree afterwards: of running variances, which each has its own, the mean is taken.

    Args:
        interval: updates between two clippings, at least 1; 5 in the paper.  The first is after the interval-th update.

    Raises: ValueError if the interval is below 1.
    """

    def __init__(self, interval: int = 5) -> None:
        if interval < 1:
            raise ValueError(f"interval is {interval}; it must be at least 1")
        self.interval = interval

    @torch.no_grad()
    def apply(self, discriminator: nn.Module, update: int) -> None:
        """Clip in place, after every interval-th update."""
        if (update + 1) % self.interval != 0:
            return
        for module in discriminator.modules():
            weight = getattr(module, "weight", None)
            if weight is None or not weight.requires_grad:
                continue
            if isinstance(module, MAPS):
                module.weight.copy_(clipped(module.weight.flatten(1)).view_as(module.weight))
            elif isinstance(module, TRANSPOSED_MAPS):  # (in, out, ...): the output channels are on the second axis
                swapped = module.weight.transpose(0, 1)
                module.weight.copy_(clipped(swapped.flatten(1)).view_as(swapped).transpose(0, 1))
            elif isinstance(module, BATCH_NORMS) and module.running_var is not None:
                deviation = (mean_over_processes(module.running_var) + module.eps).sqrt()
                module.weight.copy_(module.weight.clamp(SMALLEST_GAIN * deviation, deviation))


def clipped(matrix: Tensor) -> Tensor:
    """The matrix with its singular values above 1 set to 1.

    From the eigenvalues of the smaller Gram matrix, of 512 x 512 where the kernel is 512 x 16384: on a CPU this took a
    third of the time of a singular value decomposition.  float64 makes up for the squared condition number, and
    neither autocast nor TF32 touches it.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return clipped(matrix.T).T
    exact = matrix.double()
    squares, vectors = torch.linalg.eigh(exact @ exact.T)
    too_large = squares > 1
    vectors, excess = vectors[:, too_large], 1 - squares[too_large].rsqrt()  # the share of s that lies above 1
    return (exact - (vectors * excess) @ (vectors.T @ exact)).to(matrix.dtype)
