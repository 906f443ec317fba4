"""The one-stream and two-stream networks of Vondrick et al. 2016 (VGAN, arXiv:1609.02612)."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, Synthesis, View
from networks.normalization import Norm, norm_layer
from networks.spatiotemporal import first_grid


class OneStreamGenerator(Generator):
    """Latents through transposed 3-D convolutions to a video (arXiv:1609.02612, section 3.2, "One Stream").

    | layer | out, at 16 frames of 64x64 | out, at 32 frames (native) |
    |---|---|---|
    | ConvTranspose3d 100 -> 512, kernel = first grid, BN, ReLU | 512, 1, 4, 4 | 512, 2, 4, 4 |
    | ConvTranspose3d 512 -> 256, BN, ReLU | 256, 2, 8, 8 | 256, 4, 8, 8 |
    | ConvTranspose3d 256 -> 128, BN, ReLU | 128, 4, 16, 16 | 128, 8, 16, 16 |
    | ConvTranspose3d 128 -> 64, BN, ReLU | 64, 8, 32, 32 | 64, 16, 32, 32 |
    | ConvTranspose3d 64 -> 3, tanh | 3, 16, 64, 64 | 3, 32, 64, 64 |

    All but the first have kernel 4, stride 2, padding 1.  The first kernel is the first grid, (num_frames, size, size)
    / 16, which is how other sizes than the paper's 32 frames of 64x64 are made.  11,844,419 parameters at the default
    size, 12,663,619 at 32 frames.

    Args:
        num_frames: T, a multiple of 16; 32 in the paper.
        size: H = W in pixels, a multiple of 16; 64 in the paper.
        channels: 3 for RGB.
        latent_dim: length of z ~ N(0, I); 100 in the paper.
        base_channels: channels before the last layer; 64 in the paper.

    Shapes: latents {"z": (B, latent_dim)} -> (B, channels, num_frames, size, size) in [-1, 1].
    Raises: ValueError if a size is not a multiple of 16.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        latent_dim: int = 100,
        base_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, size, channels)
        self.latent_dim = latent_dim
        self.trunk = upsampling_trunk(latent_dim, first_grid(num_frames, size), base_channels)
        self.to_pixels = nn.ConvTranspose3d(base_channels, channels, kernel_size=4, stride=2, padding=1)
        self.apply(partial(init_weights, std=0.01))

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim)."""
        self.checked_num_frames(num_frames)
        return {"z": torch.randn(num_videos, self.latent_dim, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class; labels are not used."""
        features = self.trunk(latents["z"][:, :, None, None, None])  # (B, 100) -> (B, 64, T/2, H/2, W/2)
        return torch.tanh(self.to_pixels(features))


class TwoStreamGenerator(OneStreamGenerator):
    """A moving foreground over a still background: m * f + (1 - m) * b (arXiv:1609.02612, section 3.2, Eq. 2).

    Foreground f and mask m come from the trunk of `OneStreamGenerator`, the background b from the same z:

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | foreground: trunk, ConvTranspose3d 64 -> 3, tanh | 3, 16, 64, 64 |
    | mask: trunk, ConvTranspose3d 64 -> 1, sigmoid | 1, 16, 64, 64 |
    | background: ConvTranspose2d 100 -> 512, kernel = first grid, BN, ReLU | 512, 4, 4 |
    | ConvTranspose2d 512 -> 256, BN, ReLU | 256, 8, 8 |
    | ConvTranspose2d 256 -> 128, BN, ReLU | 128, 16, 16 |
    | ConvTranspose2d 128 -> 64, BN, ReLU | 64, 32, 32 |
    | ConvTranspose2d 64 -> 3, tanh | 3, 64, 64 |

    The mask is the same for all colours, the background for all frames, so this wants a camera that stands still.
    15,426,183 parameters at the default size.  Train it with `losses.vgan.MaskSparsity`.

    Args and Raises: as `OneStreamGenerator`.

    Shapes: latents {"z": (B, latent_dim)} -> (B, channels, num_frames, size, size) in [-1, 1]; `synthesize` also gives
    "mask" (B, 1, num_frames, size, size) in [0, 1], "foreground" (B, channels, num_frames, size, size) and
    "background" (B, channels, 1, size, size), both in [-1, 1].
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        latent_dim: int = 100,
        base_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, size, channels, latent_dim, base_channels)
        self.to_mask = nn.ConvTranspose3d(base_channels, 1, kernel_size=4, stride=2, padding=1)
        self.background = nn.Sequential(
            upsampling_trunk(latent_dim, first_grid(num_frames, size)[1:], base_channels),
            nn.ConvTranspose2d(base_channels, channels, kernel_size=4, stride=2, padding=1),
        )
        for part in (self.to_mask, self.background):
            part.apply(partial(init_weights, std=0.01))

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class; labels are not used."""
        return self.synthesize(latents, labels).videos

    def synthesize(self, latents: Latents, labels: Tensor | None = None) -> Synthesis:
        """The videos with "mask", "foreground" and "background"."""
        z = latents["z"]
        features = self.trunk(z[:, :, None, None, None])
        # In float32, as bfloat16 has too few digits to blend with: 1 - m would be coarse.
        foreground = torch.tanh(self.to_pixels(features).float())
        mask = torch.sigmoid(self.to_mask(features).float())
        background = torch.tanh(self.background(z[:, :, None, None]).float()).unsqueeze(2)  # (B, C, 1, H, W)
        videos = mask * foreground + (1 - mask) * background
        return Synthesis(videos, {"mask": mask, "foreground": foreground, "background": background})


class VGANDiscriminator(Discriminator):
    """Four strided 3-D convolutions and one over the whole grid to two logits (arXiv:1609.02612, section 3.3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | Conv3d 3 -> 64, LeakyReLU | 64, 8, 32, 32 |
    | Conv3d 64 -> 128, BN, LeakyReLU | 128, 4, 16, 16 |
    | Conv3d 128 -> 256, BN, LeakyReLU | 256, 2, 8, 8 |
    | Conv3d 256 -> 512, BN, LeakyReLU | 512, 1, 4, 4 |
    | Conv3d 512 -> 2, kernel = grid, no padding | 2, 1, 1, 1 |

    All but the last have kernel 4, stride 2, padding 1.  The reference code classifies with two logits, real and fake,
    and softmax.  What is returned is their difference, real - fake, because softmax cross-entropy over two classes is
    binary cross-entropy of it: -log softmax(real, fake)_real = softplus(fake - real).  So every objective works with
    this network, and `losses.vgan.TwoWayCrossEntropy` is the paper's.  11,041,474 parameters at the default size.

    Args:
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        base_channels: channels after the first layer; 64 in the paper.
        norm: "batch" in the paper; "layer", "instance" or "none" keep clips apart, as gradient penalties require.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1] -> one head, (B,).
    Raises: ValueError if a size is not a multiple of 16, or the norm is unknown.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        base_channels: int = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        grid = first_grid(num_frames, size)
        self.blocks = strided_blocks(channels, base_channels, norm)
        self.to_logits = nn.Conv3d(base_channels * 8, 2, kernel_size=grid)
        self.num_features = (base_channels * 8 * grid[0] * grid[1] * grid[2],)
        self.apply(partial(init_weights, std=0.01))

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        features = self.blocks(seen)  # (B, 512, T/16, H/16, W/16)
        real, fake = self.to_logits(features).flatten(1).unbind(1)
        return Judgement((real - fake,), (features.flatten(1),))


def upsampling_trunk(inputs: int, grid: tuple[int, ...], base_channels: int) -> nn.Sequential:
    """(B, inputs, 1, ...) -> (B, base_channels, 8 * grid), over two or three axes, as long as `grid` is."""
    conv: Callable[..., nn.Module] = nn.ConvTranspose2d if len(grid) == 2 else nn.ConvTranspose3d
    norm: Callable[..., nn.Module] = nn.BatchNorm2d if len(grid) == 2 else nn.BatchNorm3d
    widths = [base_channels * 8, base_channels * 4, base_channels * 2, base_channels]
    # Convolutions have a bias, which the norm takes away, because the reference code's have.
    to_grid = nn.Sequential(conv(inputs, widths[0], kernel_size=grid), norm(widths[0]), nn.ReLU())
    doublings = [
        nn.Sequential(conv(wider, narrower, kernel_size=4, stride=2, padding=1), norm(narrower), nn.ReLU())
        for wider, narrower in pairwise(widths)
    ]
    return nn.Sequential(to_grid, *doublings)


def strided_blocks(channels: int, base_channels: int, norm: Norm) -> nn.Sequential:
    """(B, channels, T, H, W) -> (B, 8 * base_channels, T/16, H/16, W/16); the first block has no norm."""
    widths = [channels, base_channels, base_channels * 2, base_channels * 4, base_channels * 8]
    batch_norm = partial(nn.BatchNorm3d, eps=1e-3)  # the reference code's eps
    blocks = [
        nn.Sequential(
            nn.Conv3d(inputs, outputs, kernel_size=4, stride=2, padding=1),  # a bias before a norm, as there, too
            nn.Identity() if number == 0 else norm_layer(norm, outputs, batch_norm),
            nn.LeakyReLU(0.2),
        )
        for number, (inputs, outputs) in enumerate(pairwise(widths))
    ]
    return nn.Sequential(*blocks)


def init_weights(module: nn.Module, std: float) -> None:
    """Convolutions N(0, std) with bias 0; gains of batch norms N(1, 0.02) with bias 0.

    VGAN's code has std 0.01; DCGAN has 0.02 (Radford et al. 2016, arXiv:1511.06434, section 4).
    """
    if isinstance(module, nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
        nn.init.zeros_(module.bias)
