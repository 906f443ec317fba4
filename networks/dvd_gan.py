"""The generator of DVD-GAN (Clark et al. 2019, arXiv:1907.06571): BigGAN's residual blocks between recurrent layers."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Generator, Latents, required_labels
from networks.conditional_batch_norm import ConditionalBatchNorm
from networks.convolutional_recurrence import ConvGRU
from networks.spectral_norm import normalize_spectrum, weights_computed_once

FIRST_SIZE = 4


class DVDGANGenerator(Generator):
    """Latents and class to a 4x4 grid, then at each resolution a ConvGRU over time and two residual blocks.

    (arXiv:1907.06571, section 3.)

    | stage, at ch = base_channels | out, at 16 frames of 64x64 |
    |---|---|
    | Linear [z; e(y)] -> 8 ch * 16, the same for every frame | 16, 8 ch, 4, 4 |
    | ConvGRU, block, block x2 | 16, 8 ch, 8, 8 |
    | ConvGRU, block, block x2 | 16, 4 ch, 16, 16 |
    | ConvGRU, block, block x2 | 16, 2 ch, 32, 32 |
    | ConvGRU, block, block x2 | 16, ch, 64, 64 |
    | BN, ReLU, conv 3x3, tanh | 3, 16, 64, 64 |

    Block, for each frame: BN, ReLU, (nearest x2,) conv 3x3, BN, ReLU, conv 3x3, plus a shortcut of (nearest x2,) conv
    1x1.  Gain and bias of every batch norm but the last depend on [z; e(y)].  Weights are orthogonal at the start and
    have spectral norm 1 (Miyato et al. 2018, arXiv:1802.05957), all but those of the class embedding, which starts at
    N(0, 1), as large as z.

    Batch statistics are not pooled over time: each time step has its own, so that the length is that of training.
    `time_pooled_norm` pools them, against the paper, and then videos of any length can be made.

    15,022,331 parameters at the default size with 5 classes, 4,316,331 at base_channels 16.  The paper's networks are
    wider.

    Args:
        num_frames: T of training, at least 1; 12 or 48 in the paper.
        size: H = W in pixels, a power of two, at least 8.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels, and e(y) is left out.
        latent_dim: length of z ~ N(0, I); 120 in the paper.
        embedding_dim: length of e(y); 120 in the paper.
        base_channels: ch.
        time_pooled_norm: see above.

    Shapes: latents {"z": (B, latent_dim), "frames": (B, T) int64} -> (B, channels, T, size, size) in [-1, 1]; only the
    shape of "frames" matters.
    Raises: ValueError if the size is no such power, num_frames is below 1, or there are classes and no labels.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        latent_dim: int = 120,
        embedding_dim: int = 120,
        base_channels: int = 32,
        time_pooled_norm: bool = False,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        if num_frames < 1:
            raise ValueError(f"num_frames is {num_frames}; it must be at least 1")
        self.any_num_frames = time_pooled_norm
        self.latent_dim = latent_dim
        norm_frames = None if time_pooled_norm else num_frames
        num_stages = checked_num_doublings(size)
        widths = [base_channels * min(8, 2 ** (num_stages - stage)) for stage in range(num_stages + 1)]
        condition_dim = latent_dim + (embedding_dim if num_classes else 0)
        self.project = nn.Linear(condition_dim, widths[0] * FIRST_SIZE**2)
        self.stages = nn.ModuleList(
            Stage(inputs, outputs, condition_dim, norm_frames) for inputs, outputs in pairwise(widths)
        )
        self.last_norm = ConditionalBatchNorm(widths[-1], num_frames=norm_frames)
        self.to_pixels = nn.Conv2d(widths[-1], channels, kernel_size=3, padding=1)
        self.embed = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        for name, part in self.named_children():
            if name != "embed":
                part.apply(init_normalized)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim), and "frames", (num_videos, T), which tells T by its shape alone."""
        z = torch.randn(num_videos, self.latent_dim, generator=rng)
        return {"z": z, "frames": torch.arange(self.checked_num_frames(num_frames)).repeat(num_videos, 1)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        condition = latents["z"]
        if self.embed is not None:
            condition = torch.cat([condition, self.embed(required_labels(labels, self))], dim=1)
        with weights_computed_once(self, condition):
            grid = self.project(condition).unflatten(1, (1, -1, FIRST_SIZE, FIRST_SIZE))
            videos = grid.expand(-1, latents["frames"].shape[1], -1, -1, -1)  # (B, T, 8 ch, 4, 4)
            for stage in self.stages:
                videos = stage(videos, condition)
            pixels = torch.tanh(self.to_pixels(F.relu(self.last_norm(videos.flatten(0, 1)))))
        return pixels.unflatten(0, videos.shape[:2]).transpose(1, 2)


class Stage(nn.Module):
    """(B, T, inputs, H, W) -> (B, T, outputs, 2H, 2W): a ConvGRU over time and two residual blocks for each frame."""

    def __init__(self, inputs: int, outputs: int, condition_dim: int, norm_frames: int | None) -> None:
        super().__init__()
        self.recurrence = ConvGRU(inputs, inputs)
        self.block = UpBlock(inputs, inputs, condition_dim, norm_frames, factor=1)
        self.up_block = UpBlock(inputs, outputs, condition_dim, norm_frames, factor=2)

    def forward(self, videos: Tensor, condition: Tensor) -> Tensor:
        """See the class."""
        frames = self.recurrence(videos).flatten(0, 1)  # (B, T, C, H, W) -> (B * T, C, H, W)
        frames = self.up_block(self.block(frames, condition), condition)
        return frames.unflatten(0, videos.shape[:2])


class UpBlock(nn.Module):
    """(B * T, inputs, H, W) -> (B * T, outputs, factor H, factor W): the residual block of BigGAN's generator.

    Brock et al. 2019, arXiv:1809.11096, appendix B.
    """

    def __init__(self, inputs: int, outputs: int, condition_dim: int, norm_frames: int | None, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.first_norm = ConditionalBatchNorm(inputs, condition_dim, norm_frames)
        self.first = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)  # a norm takes a bias away
        self.second_norm = ConditionalBatchNorm(outputs, condition_dim, norm_frames)
        self.second = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1)
        keeps_shape = inputs == outputs and factor == 1
        self.shortcut = nn.Identity() if keeps_shape else nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, frames: Tensor, condition: Tensor) -> Tensor:
        """See the class."""
        hidden = self.first(self.enlarged(F.relu(self.first_norm(frames, condition))))
        hidden = self.second(F.relu(self.second_norm(hidden, condition)))
        # A convolution of single pixels may come before the doubling: a quarter of the work, the same result.
        return hidden + self.enlarged(self.shortcut(frames))

    def enlarged(self, frames: Tensor) -> Tensor:
        """`factor` times the height and width, by nearest neighbours."""
        return F.interpolate(frames, scale_factor=self.factor) if self.factor > 1 else frames


def checked_num_doublings(size: int) -> int:
    """How often the first grid is doubled, or an error that names the sizes that can be made."""
    if size < 2 * FIRST_SIZE or size & (size - 1):
        raise ValueError(f"size is {size}; DVD-GAN makes powers of two from {2 * FIRST_SIZE} on only")
    return (size // FIRST_SIZE).bit_length() - 1


def init_normalized(module: nn.Module) -> None:
    """Orthogonal weights (Saxe et al. 2014, arXiv:1312.6120), biases of 0, and a spectral norm put on the weights."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d | nn.Embedding):
        nn.init.orthogonal_(module.weight)
        if not isinstance(module, nn.Embedding) and module.bias is not None:
            nn.init.zeros_(module.bias)
        normalize_spectrum(module)
