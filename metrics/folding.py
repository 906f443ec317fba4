"""Normalisation layers put into the convolutions before them: the same function, in fewer passes over memory."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CONVOLUTIONS, NORMALISATIONS = (nn.Conv2d, nn.Conv3d), (nn.BatchNorm2d, nn.BatchNorm3d)


def fold_normalisation(network: nn.Module) -> None:
    """Where a batch normalisation stands right after a convolution in the same module, make one layer of both.

        (w * x - mean) / sqrt(variance + epsilon) * scale + shift = w' * x + b',   w' = w * scale / sqrt(variance + eps)

    with the stored mean and variance, so the network must be in eval mode; features change by float32 rounding (about
    1e-6 of their size).  The module must call the two one after the other.

    Raises: ValueError if the network is in training mode.
    """
    if network.training:
        raise ValueError("Normalisation is folded with its stored statistics; call eval() first.")
    for module in list(network.modules()):
        for (name, convolution), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(convolution, CONVOLUTIONS) and isinstance(norm, NORMALISATIONS):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, nn.Identity())
