"""DCGAN (Radford et al. 2016, arXiv:1511.06434) with 3-D convolutions, optionally of classes."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, View, required_labels
from networks.normalization import Norm
from networks.spatiotemporal import first_grid
from networks.vgan import init_weights, strided_blocks, upsampling_trunk


class DCGANVideoGenerator(Generator):
    """DCGAN's generator with a time axis: the layers of `networks.vgan.OneStreamGenerator`, DCGAN's initialisation.

    After Radford et al. 2016 (arXiv:1511.06434, section 3); no single paper has this network.  With classes the input
    is [z, e(y)], e a learned embedding, as a conditional GAN (Mirza and Osindero 2014, arXiv:1411.1784, section 3.2).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | z, or z and e(y) | 100, or 150 |
    | ConvTranspose3d -> 512, kernel = first grid, BN, ReLU | 512, 1, 4, 4 |
    | ConvTranspose3d 512 -> 256, BN, ReLU | 256, 2, 8, 8 |
    | ConvTranspose3d 256 -> 128, BN, ReLU | 128, 4, 16, 16 |
    | ConvTranspose3d 128 -> 64, BN, ReLU | 64, 8, 32, 32 |
    | ConvTranspose3d 64 -> 3, tanh | 3, 16, 64, 64 |

    All but the first have kernel 4, stride 2, padding 1.  11,844,419 parameters at the default size; with 5 classes
    12,254,269.

    Args:
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels.
        latent_dim: length of z ~ N(0, I); 100 in DCGAN, where z is uniform.
        embedding_dim: length of e(y); used with classes only.
        base_channels: channels before the last layer.

    Shapes: latents {"z": (B, latent_dim)}, labels (B,) -> (B, channels, num_frames, size, size) in [-1, 1].
    Raises: ValueError if a size is not a multiple of 16, or there are classes and no labels.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        latent_dim: int = 100,
        embedding_dim: int = 50,
        base_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        self.latent_dim = latent_dim
        self.embed = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        inputs = latent_dim + (embedding_dim if num_classes else 0)
        self.trunk = upsampling_trunk(inputs, first_grid(num_frames, size), base_channels)
        self.to_pixels = nn.ConvTranspose3d(base_channels, channels, kernel_size=4, stride=2, padding=1)
        self.apply(partial(init_weights, std=0.02))

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim)."""
        self.checked_num_frames(num_frames)
        return {"z": torch.randn(num_videos, self.latent_dim, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        inputs = latents["z"]
        if self.embed is not None:
            inputs = torch.cat([inputs, self.embed(required_labels(labels, self))], dim=1)
        return torch.tanh(self.to_pixels(self.trunk(inputs[:, :, None, None, None])))


class DCGANVideoDiscriminator(Discriminator):
    """DCGAN's discriminator with a time axis: the layers of `networks.vgan.VGANDiscriminator`, but a single logit.

    After Radford et al. 2016 (arXiv:1511.06434, section 3).  With classes the input has one more channel a class: 1
    throughout for the clip's own class, 0 for the others (as Isola et al. 2017, arXiv:1611.07004, stack the condition
    on the picture).  `networks.projection.Projection` around this network without classes is the other way.

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | Conv3d 3 (+ num_classes) -> 64, LeakyReLU | 64, 8, 32, 32 |
    | Conv3d 64 -> 128, BN, LeakyReLU | 128, 4, 16, 16 |
    | Conv3d 128 -> 256, BN, LeakyReLU | 256, 2, 8, 8 |
    | Conv3d 256 -> 512, BN, LeakyReLU | 512, 1, 4, 4 |
    | Conv3d 512 -> 1, kernel = grid, no padding | 1, 1, 1, 1 |

    All but the last have kernel 4, stride 2, padding 1.  11,033,281 parameters at the default size; with 5 classes
    11,053,761.

    Args:
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels.
        base_channels: channels after the first layer.
        norm: "batch" in DCGAN; "layer", "instance" or "none" keep clips apart, as gradient penalties require.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1], labels (B,) -> one head, (B,).
    Raises: ValueError if a size is not a multiple of 16, the norm is unknown, or there are classes and no labels.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        base_channels: int = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__(num_classes)
        grid = first_grid(num_frames, size)
        self.blocks = strided_blocks(channels + num_classes, base_channels, norm)
        self.to_logit = nn.Conv3d(base_channels * 8, 1, kernel_size=grid)
        self.num_features = (base_channels * 8 * grid[0] * grid[1] * grid[2],)
        self.apply(partial(init_weights, std=0.02))

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        if self.num_classes:
            seen = torch.cat([seen, label_maps(required_labels(labels, self), self.num_classes, seen)], dim=1)
        features = self.blocks(seen)  # (B, 512, T/16, H/16, W/16)
        return Judgement((self.to_logit(features).flatten(),), (features.flatten(1),))


def label_maps(labels: Tensor, num_classes: int, clips: Tensor) -> Tensor:
    """(B,) -> (B, num_classes, T, H, W) of clips (B, C, T, H, W): 1 in the channel of the clip's class, 0 elsewhere."""
    one_hot = F.one_hot(labels, num_classes).to(clips.dtype)
    return one_hot[:, :, None, None, None].expand(-1, -1, *clips.shape[2:])
