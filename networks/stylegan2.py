"""The image GAN StyleGAN2 (Karras et al. 2020, arXiv:1912.04958): videos of one frame, and the start of MoCoGAN-HD."""

import torch
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, Latents, View
from networks.equalized import EqualizedConv2d
from networks.stylegan2_layers import Epilogue, ResidualBlock, SynthesisBlock, num_channels, resolutions
from networks.stylegan2_mapping import MappingNetwork, StyleGenerator, one_hot


class SynthesisNetwork(nn.Module):
    """A 4x4 constant through modulated convolutions to pictures (arXiv:1912.04958, section 2.2 and figure 7b).

    Args:
        size: H = W of the pictures, a power of two from 8.
        channels: 3 for RGB.
        w_dim: length of w.
        base_channels: channels are min(base_channels / resolution, max_channels).
        max_channels: see there.
        motion_dim: length of a code that is laid beside the constant at every position; 0 for none.

    Shapes: w (N, w_dim) and motion (N, motion_dim) -> (N, channels, size, size) float32, unbounded.
    """

    def __init__(
        self, size: int, channels: int, w_dim: int, base_channels: int, max_channels: int, motion_dim: int = 0
    ) -> None:
        super().__init__()
        widths = [num_channels(resolution, base_channels, max_channels) for resolution in resolutions(size)]
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        inputs = [widths[0] + motion_dim, *widths[:-1]]
        self.blocks = nn.ModuleList(
            SynthesisBlock(before, after, w_dim, resolution, channels)
            for before, after, resolution in zip(inputs, widths, resolutions(size), strict=True)
        )

    def forward(self, w: Tensor, motion: Tensor | None = None) -> Tensor:
        """See the class."""
        x = self.constant.expand(len(w), -1, -1, -1)
        if motion is not None:
            x = torch.cat([x, motion[:, :, None, None].expand(-1, -1, 4, 4)], dim=1)
        pixels: Tensor | None = None
        for block in self.blocks:
            x, pixels = block(x, pixels, w)
        assert pixels is not None
        return pixels


class ImageGenerator(StyleGenerator):
    """The generator of StyleGAN2 (arXiv:1912.04958, configuration F), which makes videos of one frame.

    | layer | out, at 64x64 |
    |---|---|
    | 8 x Linear 512 -> 512, leaky ReLU (mapping) | 512 |
    | constant, conv | 512, 4, 4 |
    | conv doubling, conv | 512, 8, 8 |
    | conv doubling, conv | 512, 16, 16 |
    | conv doubling, conv | 512, 32, 32 |
    | conv doubling, conv | 512, 64, 64 |
    | sum of each resolution's 1x1 conv to pixels | 3, 64, 64 |

    All convolutions are modulated by w.  27,032,591 parameters at the default size.  The paper's noise inputs, style
    mixing and path length regularisation are left out: whatever varies comes from z, so that the frames of a video
    which MoCoGAN-HD makes from neighbouring w do not flicker.  In training mode pixels may leave [-1, 1], as in the
    paper; in evaluation mode they are clamped.

    Args:
        size: H = W in pixels, a power of two from 8.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; they are embedded beside z.  0 is unconditional.
        latent_dim: length of z ~ N(0, I); 512 in the paper.
        w_dim: length of w; 512 in the paper.
        num_mapping_layers: 8 in the paper.
        base_channels: channels are min(base_channels / resolution, max_channels); 32768 in the paper.
        max_channels: 512 in the paper.

    Shapes: latents {"z": (B, latent_dim)} -> (B, channels, 1, size, size).
    Raises: ValueError if the size is not a power of two from 8, or if labels are needed and missing.
    """

    def __init__(
        self,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        latent_dim: int = 512,
        w_dim: int = 512,
        num_mapping_layers: int = 8,
        base_channels: int = 32768,
        max_channels: int = 512,
    ) -> None:
        super().__init__(1, size, channels, num_classes)
        self.latent_dim = latent_dim
        self.w_dim = w_dim
        self.mapping = MappingNetwork(latent_dim, w_dim, num_mapping_layers, num_classes)
        self.synthesis = SynthesisNetwork(size, channels, w_dim, base_channels, max_channels)

    @property
    def w_avg(self) -> Tensor:
        """(w_dim,), the running mean of w in training: the centre of truncation."""
        return self.mapping.w_avg

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim)."""
        self.checked_num_frames(num_frames)
        return {"z": torch.randn(num_videos, self.latent_dim, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.bounded(self.synthesize_frames(self.truncated_w(latents, labels)).unsqueeze(2))

    def synthesize_frames(self, w: Tensor) -> Tensor:
        """w (N, w_dim) -> pictures (N, channels, size, size), not clamped in either mode."""
        return self.synthesis(w)


class ImageScorer(nn.Module):
    """The residual discriminator of StyleGAN2 for pictures of any number of channels (arXiv:1912.04958, figure 7c).

    Args:
        inputs: channels of the pictures.
        size: H = W, a power of two from 8.
        base_channels: channels are min(base_channels / resolution, max_channels).
        max_channels: see there.
        mbstd_group_size: consecutive pictures that share a standard deviation; 0 for no such channel.
        condition_dim: length of the condition; 0 for none.

    Shapes: (N, inputs, size, size), condition (N, condition_dim) -> logits (N,), features (N, channels at 4x4).
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        base_channels: int,
        max_channels: int,
        mbstd_group_size: int = 4,
        condition_dim: int = 0,
    ) -> None:
        super().__init__()
        falling = resolutions(size)[::-1]
        widths = [num_channels(resolution, base_channels, max_channels) for resolution in falling]
        self.from_pixels = EqualizedConv2d(inputs, widths[0], kernel_size=1, activates=True)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(before, after, resolution)
                for before, after, resolution in zip(widths[:-1], widths[1:], falling[:-1], strict=True)
            )
        )
        self.epilogue = Epilogue(widths[-1], mbstd_group_size, condition_dim)
        self.num_features = widths[-1]

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See the class."""
        return self.epilogue(self.blocks(self.from_pixels(pictures)), condition)


class ImageDiscriminator(Discriminator):
    """The discriminator of StyleGAN2 (arXiv:1912.04958, configuration F) on videos of one frame.

    | layer | out, at 64x64 |
    |---|---|
    | 1x1 conv, leaky ReLU | 512, 64, 64 |
    | residual block | 512, 32, 32 |
    | residual block | 512, 16, 16 |
    | residual block | 512, 8, 8 |
    | residual block | 512, 4, 4 |
    | minibatch standard deviation, conv, leaky ReLU | 512, 4, 4 |
    | Linear 8192 -> 512, leaky ReLU | 512 |
    | Linear 512 -> 1 | 1 |

    26,488,833 parameters at the default size.  With classes the last layer gives 512 numbers, whose inner product with
    the mapped class is the logit (arXiv:2006.06676).

    Args:
        size: H = W in pixels, a power of two from 8.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 is unconditional.
        base_channels: channels are min(base_channels / resolution, max_channels); 32768 in the paper.
        max_channels: 512 in the paper.
        mbstd_group_size: consecutive pictures that share a standard deviation; 4 in the paper, 0 keeps the clips apart.

    Shapes: (B, channels, 1, size, size) -> one head, (B,).
    Raises: ValueError if the size is not a power of two from 8, if clips have more than one frame, or if labels are
        needed and missing.
    """

    def __init__(
        self,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        base_channels: int = 32768,
        max_channels: int = 512,
        mbstd_group_size: int = 4,
    ) -> None:
        super().__init__(num_classes)
        self.scorer = ImageScorer(channels, size, base_channels, max_channels, mbstd_group_size, num_classes)
        self.num_features = (self.scorer.num_features,)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        if seen.shape[2] != 1:
            raise ValueError(f"clips have {seen.shape[2]} frames; ImageDiscriminator judges one")
        logits, features = self.scorer(seen.squeeze(2), one_hot(labels, self))
        return Judgement((logits,), (features,))
