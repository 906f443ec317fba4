"""The temporal GAN (TGAN) of Saito et al. 2017 (arXiv:1611.06624): a code for each frame, then images."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, View, required_labels
from networks.dcgan_video import label_maps
from networks.normalization import Norm, norm_layer
from networks.spatiotemporal import first_grid


class TGANGenerator(Generator):
    """A temporal generator makes a code for each frame, an image generator the frames (arXiv:1611.06624, section 3).

    | layer of the temporal generator G0 | out, at 16 frames |
    |---|---|
    | ConvTranspose1d 100 -> 512, kernel 1, BN, ReLU | 512, 1 |
    | ConvTranspose1d 512 -> 256, BN, ReLU | 256, 2 |
    | ConvTranspose1d 256 -> 128, BN, ReLU | 128, 4 |
    | ConvTranspose1d 128 -> 128, BN, ReLU | 128, 8 |
    | ConvTranspose1d 128 -> 100, tanh | 100, 16 |

    | layer of the image generator G1, for each frame | out, at 64x64 |
    |---|---|
    | Linear 100 -> 4096, BN, ReLU, view, of z0 and of the frame's code; both joined | 512, 4, 4 |
    | ConvTranspose2d 512 -> 256, BN, ReLU | 256, 8, 8 |
    | ConvTranspose2d 256 -> 128, BN, ReLU | 128, 16, 16 |
    | ConvTranspose2d 128 -> 64, BN, ReLU | 64, 32, 32 |
    | ConvTranspose2d 64 -> 32, BN, ReLU | 32, 64, 64 |
    | Conv2d 32 -> 3, kernel 3, tanh | 3, 64, 64 |

    Transposed convolutions have kernel 4, stride 2, padding 1 unless said.  z0 goes into both generators: from the
    codes alone, all videos collapse to one (section 3).  As in the best released configuration, the batch norms of G0
    have no bias.  Convolutions before a batch norm have no bias either: it would take it away.  4,447,111 parameters
    at the default size, 824,420 of them in G0.

    With classes, one-hot labels are joined to z0 wherever it goes in.

    Args:
        num_frames: T, a multiple of 16; the first kernel of G0 is T / 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        latent_dim: length of z0 ~ U(-1, 1); 100 in the paper.
        code_dim: length of each frame's code; 100 in the paper.
        base_channels: an eighth of the channels after the first layers; 64 in the paper.  Even.
        num_classes: classes that labels name; 0 ignores labels.

    Shapes: latents {"z": (B, latent_dim)} -> (B, channels, num_frames, size, size) in [-1, 1].
    Raises: ValueError if a size is not a multiple of 16, base_channels is odd, or labels are missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        latent_dim: int = 100,
        code_dim: int = 100,
        base_channels: int = 64,
        num_classes: int = 0,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        if base_channels < 2 or base_channels % 2:
            raise ValueError(f"base_channels is {base_channels}; it must be even, the last layer has half of it")
        self.latent_dim = latent_dim
        grid = first_grid(num_frames, size)
        self.temporal = temporal_generator(latent_dim + num_classes, code_dim, base_channels, grid[0])
        self.first_image = (base_channels * 4, grid[1], grid[2])
        self.slow = projection(latent_dim + num_classes, math.prod(self.first_image))
        self.fast = projection(code_dim, math.prod(self.first_image))
        self.image = image_generator(base_channels, channels)
        for network in (self.slow, self.fast, self.image):
            network.apply(init_uniform)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z0 ~ U(-1, 1), (num_videos, latent_dim), named "z"."""
        self.checked_num_frames(num_frames)
        return {"z": torch.rand(num_videos, self.latent_dim, generator=rng) * 2 - 1}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        z = latents["z"]
        if self.num_classes:
            z = torch.cat([z, F.one_hot(required_labels(labels, self), self.num_classes).to(z)], dim=1)
        codes = self.temporal(z.unsqueeze(2)).transpose(1, 2)  # (B, latent_dim, 1) -> (B, T, code_dim)
        slow = self.slow(z).unsqueeze(1).expand(-1, codes.shape[1], -1)  # (B, F) -> (B, T, F)
        fast = self.fast(codes.flatten(0, 1))  # (B * T, F)
        grids = [code.unflatten(1, self.first_image) for code in (slow.flatten(0, 1), fast)]
        frames = torch.tanh(self.image(torch.cat(grids, dim=1)))  # (B * T, C, H, W)
        return frames.unflatten(0, codes.shape[:2]).transpose(1, 2)  # (B, C, T, H, W)


class TGANDiscriminator(Discriminator):
    """Four strided 3-D convolutions and one score (arXiv:1611.06624, section 3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | Conv3d 3 -> 64, LeakyReLU | 64, 8, 32, 32 |
    | Conv3d 64 -> 128, BN, LeakyReLU | 128, 4, 16, 16 |
    | Conv3d 128 -> 256, BN, LeakyReLU | 256, 2, 8, 8 |
    | Conv3d 256 -> 512, BN, LeakyReLU | 512, 1, 4, 4 |
    | Conv3d 512 -> 1, kernel (1, 4, 4) | 1 |

    All but the last have kernel 4, stride 2, padding 1; the last covers all that is left.  As in the best released
    configuration, batch norms have no bias; convolutions before a norm have none either.  11,031,489 parameters at the
    default size.  With classes, each is a further input channel, 1 everywhere for the clip's class and 0 elsewhere.

    Args:
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        base_channels: channels after the first layer; 64 in the paper.
        norm: "batch" is the paper's; gradient penalties need clips kept apart, as "layer", "instance" and "none" do.
        num_classes: classes that labels name; 0 ignores labels.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1] -> one head, (B,).
    Raises: ValueError if a size is not a multiple of 16, or labels are missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        base_channels: int = 64,
        norm: Norm = "batch",
        num_classes: int = 0,
    ) -> None:
        super().__init__(num_classes)
        grid = first_grid(num_frames, size)
        widths = [base_channels, base_channels * 2, base_channels * 4, base_channels * 8]
        first = nn.Conv3d(channels + num_classes, base_channels, kernel_size=4, stride=2, padding=1)
        blocks = [nn.Sequential(first, nn.LeakyReLU(0.2))]
        for inputs, outputs in pairwise(widths):
            convolution = nn.Conv3d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=norm == "none")
            blocks.append(nn.Sequential(convolution, norm_layer(norm, outputs, gain_alone), nn.LeakyReLU(0.2)))
        self.blocks = nn.Sequential(*blocks)
        self.to_score = nn.Conv3d(widths[-1], 1, kernel_size=grid)
        self.num_features = (widths[-1] * math.prod(grid),)
        self.apply(init_lecun_normal)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        if self.num_classes:
            seen = torch.cat([seen, label_maps(required_labels(labels, self), self.num_classes, seen)], dim=1)
        features = self.blocks(seen)  # (B, 512, T/16, H/16, W/16)
        return Judgement((self.to_score(features).flatten(),), (features.flatten(1),))


def temporal_generator(inputs: int, code_dim: int, base_channels: int, first_length: int) -> nn.Sequential:
    """(B, inputs, 1) -> (B, code_dim, 16 * first_length) in (-1, 1)."""
    widths = [base_channels * 8, base_channels * 4, base_channels * 2, base_channels * 2]
    layers: list[nn.Module] = [nn.ConvTranspose1d(inputs, widths[0], kernel_size=first_length, bias=False)]
    for width, next_width in pairwise(widths):
        layers += [without_bias(nn.BatchNorm1d(width)), nn.ReLU()]
        layers.append(nn.ConvTranspose1d(width, next_width, kernel_size=4, stride=2, padding=1, bias=False))
    layers += [without_bias(nn.BatchNorm1d(widths[-1])), nn.ReLU()]
    layers.append(nn.ConvTranspose1d(widths[-1], code_dim, kernel_size=4, stride=2, padding=1))
    return nn.Sequential(*layers, nn.Tanh()).apply(init_lecun_normal)


def projection(inputs: int, outputs: int) -> nn.Sequential:
    """What brings a code to an image generator's first grid: (B, inputs) -> (B, outputs)."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())


def image_generator(base_channels: int, channels: int) -> nn.Sequential:
    """(B, 8 * base_channels, H/16, W/16) -> (B, channels, H, W), before the tanh."""
    widths = [base_channels * 8, base_channels * 4, base_channels * 2, base_channels, base_channels // 2]
    blocks = [
        nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )
        for inputs, outputs in pairwise(widths)
    ]
    return nn.Sequential(*blocks, nn.Conv2d(widths[-1], channels, kernel_size=3, padding=1))


def gain_alone(channels: int) -> nn.Module:
    """A batch norm of clips without bias."""
    return without_bias(nn.BatchNorm3d(channels))


def without_bias(norm: nn.Module) -> nn.Module:
    """The same batch norm with a gain alone."""
    norm.register_parameter("bias", None)
    return norm


def init_lecun_normal(module: nn.Module) -> None:
    """Weights N(0, 1 / fan_in), the reference codes' default of TGAN and of TGANv2, and biases 0."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose1d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_uniform(module: nn.Module) -> None:
    """U(-0.01, 0.01), as the best released configuration has it for the image generator; biases 0."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.uniform_(module.weight, -0.01, 0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
