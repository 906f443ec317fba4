"""The statistics of natural pictures that NIQE looks at: normalised luminance, and how its values are distributed."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_FEATURES = 18
BLUR_SIZE, BLUR_SIGMA = 7, 7 / 6
ALPHAS = torch.arange(200, 10001, dtype=torch.float64) / 1000  # shapes that a fit chooses from

Border = Literal["replicate", "zeros"]
Halving = Literal["symmetric", "renormalised"]


def normalised_luminance(images: Tensor, border: Border) -> Tensor:
    """(image - mean) / (deviation + 1) of images (N, H, W) in 0..255, the MSCN coefficients (Mittal et al., Eq. 1-3).

    Mean and deviation are local: under a Gaussian of 7 x 7 pixels with standard deviation 7 / 6.

    Args:
        border: what lies around the image: its outermost pixels, or zeros.
    """
    mode = "replicate" if border == "replicate" else "constant"
    padded = F.pad(images[:, None], [BLUR_SIZE // 2] * 4, mode=mode)
    offsets = torch.arange(BLUR_SIZE, dtype=images.dtype, device=images.device) - BLUR_SIZE // 2
    weights = torch.exp(-offsets.square() / (2 * BLUR_SIGMA**2))
    weights = weights / weights.sum()
    mean, mean_square = (_separable(each, weights)[:, 0] for each in (padded, padded.square()))
    return (images - mean) / ((mean_square - mean.square()).abs().sqrt() + 1)


def halved(images: Tensor, border: Halving) -> Tensor:
    """Images (N, H, W) of even height and width at half the size, antialiased bicubic: 8 pixels of each row and column.

    Args:
        border: the image is reflected ("symmetric", MATLAB's `imresize`), or the weights of what lies within it are
        made
            to sum to 1 ("renormalised", Pillow's `resize`).
    """
    away = torch.tensor([1.75, 1.25, 0.75, 0.25, 0.25, 0.75, 1.25, 1.75], dtype=images.dtype, device=images.device)
    near = 1.5 * away**3 - 2.5 * away**2 + 1
    far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = torch.where(away <= 1, near, far)
    weights = weights / weights.sum()
    if border == "symmetric":
        columns = torch.cat([images[..., :3].flip(-1), images, images[..., -3:].flip(-1)], dim=-1)
        padded = torch.cat([columns[:, :3].flip(1), columns, columns[:, -3:].flip(1)], dim=1)
        return _separable(padded[:, None], weights, stride=2)[:, 0]
    padded, ones = (F.pad(each, [3] * 4)[:, None] for each in (images, torch.ones_like(images[:1])))
    return (_separable(padded, weights, stride=2) / _separable(ones, weights, stride=2))[:, 0]


def _separable(images: Tensor, weights: Tensor, stride: int = 1) -> Tensor:
    """Correlation of images (N, 1, H, W) with `weights` along the columns and along the rows, where they fit."""
    down = F.conv2d(images, weights.view(1, 1, -1, 1), stride=(stride, 1))
    return F.conv2d(down, weights.view(1, 1, 1, -1), stride=(1, stride))


def patches(images: Tensor, size: int) -> Tensor:
    """Patches (N, P, size, size) that lie side by side in images (N, H, W); what is left at the end is not used."""
    return images.unfold(1, size, size).unfold(2, size, size).flatten(1, 2)


def patch_features(patch: Tensor, equal_diagonals: bool = False) -> Tensor:
    """The 18 features (..., 18) of patches (..., S, S) of normalised luminance (Mittal et al., section II).

    Shape and spread of the values; then shape, mean, left and right spread of the products of neighbours to the right,
    below, and along both diagonals, where a patch goes on at its other side.

    Args:
        equal_diagonals: for the diagonals give the left spread twice, as scikit-video does.
    """
    alpha, left, right = fit_asymmetric_gaussian(patch.flatten(-2))
    features = [ALPHAS.to(patch)[alpha], (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        products = patch * patch.roll(shift, dims=(-2, -1))
        alpha, left, right = fit_asymmetric_gaussian(products.flatten(-2))
        mean = (right - left) * _tables(patch)[2][alpha]
        diagonal = shift[0] * shift[1] != 0
        features += [ALPHAS.to(patch)[alpha], mean, left, left if diagonal and equal_diagonals else right]
    return torch.stack(features, dim=-1)


def fit_asymmetric_gaussian(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit of an asymmetric generalised Gaussian to values (..., n) by moments (Lasmar et al. 2009, ICIP).

    Returns the shape as an index into `ALPHAS`, and the left and right scale; no value on a side is scale 0.
    """
    squares = values.square()
    left, right = (_root_mean(squares, side) for side in (values < 0, values > 0))
    size = torch.hypot(left, right).clamp(min=1e-300)
    a, b = left / size, right / size
    moments = values.abs().mean(-1).square() / squares.mean(-1).clamp(min=1e-300)
    target = moments * (a**3 + b**3) * (a + b)  # a^2 + b^2 = 1
    curve, scale, _ = _tables(values)
    # The curve rises with alpha; of the two points around the target the nearer one.
    above = torch.searchsorted(curve, target.contiguous()).clamp(1, len(curve) - 1)
    alpha = above - (target - curve[above - 1] <= curve[above] - target).long()
    return alpha, left * scale[alpha], right * scale[alpha]


def _root_mean(squares: Tensor, chosen: Tensor) -> Tensor:
    return (torch.where(chosen, squares, 0).sum(-1) / chosen.sum(-1).clamp(min=1)).sqrt()


def _tables(like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `ALPHAS`: the ratio of moments, scale over root mean square, mean over difference of scales."""
    first, second, third = (torch.lgamma(order / ALPHAS) for order in (1, 2, 3))
    tables = (2 * second - first - third).exp(), ((first - third) / 2).exp(), (second - first).exp()
    return tables[0].to(like), tables[1].to(like), tables[2].to(like)
