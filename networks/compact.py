"""A small pair of 3-D convolutional networks that a CPU can train in minutes, after DCGAN."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, View, pick_frames
from networks.frame_networks import ImageDiscriminatorNetwork, check_clips, distinct_frames

CHANNELS_LAST = torch.channels_last_3d  # the layout in which CPUs and GPUs convolve fastest
LAYOUTS = {4: torch.channels_last, 5: CHANNELS_LAST}


class CompactGenerator(Generator):
    """Latents through doublings of the resolution to a video, as DCGAN (Radford et al. 2016, arXiv:1511.06434).

    A doubling is nearest-neighbour enlargement and a convolution: DCGAN's transposed convolutions leave a fixed grid in
    the videos (Odena et al. 2016, "Deconvolution and checkerboard artifacts", doi:10.23915/distill.00003).  Time is
    padded with copies of the first and last frame instead of zeros, which would show in those frames.  The latents make
    four moments; with two, clips changed less from frame to frame than real ones.  The full resolution, where most of
    the time goes, has few channels and no norm.

    | layer, at base_channels 16 | out, at 16 frames of 32x32 |
    |---|---|
    | Linear 64 -> 9216, view, BN, ReLU | 144, 4, 4, 4 |
    | double height and width, Conv3d k3, BN, ReLU | 96, 4, 8, 8 |
    | double, Conv3d k3, BN, ReLU | 48, 8, 16, 16 |
    | double, Conv3d k3, LeakyReLU | 16, 16, 32, 32 |
    | Conv3d k3, tanh | 3, 16, 32, 32 |

    Args:
        num_frames: T, a multiple of 4.
        size: H = W in pixels, a multiple of 8.
        channels: 3 for RGB.
        latent_dim: length of z ~ N(0, I).
        base_channels: channels at the full resolution.

    1,119,331 parameters at the default size.

    Shapes: latents {"z": (B, latent_dim)} -> (B, channels, num_frames, size, size) in [-1, 1].
    Raises: ValueError if a size is not such a multiple.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 32,
        channels: int = 3,
        latent_dim: int = 64,
        base_channels: int = 16,
    ) -> None:
        super().__init__(num_frames, size, channels)
        self.latent_dim = latent_dim
        self.grid = (divided(num_frames, 4, "num_frames"), divided(size, 8, "size"), divided(size, 8, "size"))
        widths = [base_channels * 9, base_channels * 6, base_channels * 3]
        self.project = nn.Linear(latent_dim, widths[0] * math.prod(self.grid))
        self.first_norm = nn.BatchNorm3d(widths[0])
        self.blocks = nn.Sequential(Doubling(widths[0], widths[1], in_time=False), Doubling(widths[1], widths[2]))
        self.last_doubling = DoublingConv3d(widths[-1], base_channels)
        self.to_pixels = nn.Conv3d(base_channels, channels, kernel_size=3, padding=(0, 1, 1))
        lay_out_channels_last(self)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim)."""
        self.checked_num_frames(num_frames)
        return {"z": torch.randn(num_videos, self.latent_dim, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class; labels are not used."""
        grid = self.project(latents["z"]).unflatten(1, (-1, *self.grid))  # (B, F) -> (B, 144, T/4, H/8, W/8)
        features = F.relu(self.first_norm(grid.contiguous(memory_format=CHANNELS_LAST)))
        features = self.last_doubling(pad_time(self.blocks(features)))  # (B, base_channels, T + 4, H, W)
        return torch.tanh(self.to_pixels(F.leaky_relu(features, 0.2, inplace=True)[:, :, 1:-1]))


class Doubling(nn.Module):
    """(B, inputs, T, H, W) -> (B, outputs, 2T, 2H, 2W), or T without `in_time`: doubled, convolved, normed, ReLU."""

    def __init__(self, inputs: int, outputs: int, in_time: bool = True) -> None:
        super().__init__()
        self.conv = DoublingConv3d(inputs, outputs, bias=False, in_time=in_time)
        self.num_padded = 2 if in_time else 1  # frames before and behind that come of pad_time
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        # Not padding=(3, 1, 1) instead of this crop: in PyTorch 2.13 its backward pass corrupts memory on CPUs.
        doubled = self.conv(pad_time(features))[:, :, self.num_padded : -self.num_padded]
        return F.relu(self.norm(doubled.contiguous(memory_format=CHANNELS_LAST)), inplace=True)


class DoublingConv3d(nn.Module):
    """(B, inputs, T, H, W) -> (B, outputs, 2T, 2H, 2W): every pixel doubled on each axis, then a convolution k3.

    Without `in_time` time stays T, and only height and width are doubled.

    Computed as one transposed convolution k4 s2, which is several times cheaper: of the pixels that a kernel of three
    sees on an axis two are copies, so [a, b, c] becomes [c, c + b, b + a, a], the sum of two shifted kernels.

    Args:
        inputs, outputs: channels.
        bias: one a channel.
        in_time: double the time, too.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, in_time: bool = True) -> None:
        super().__init__()
        self.in_time = in_time
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 3, 3, 3))
        nn.init.kaiming_uniform_(self.weight.transpose(0, 1), a=math.sqrt(5))  # as torch's convolutions
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        kernel: Tensor = self.weight
        for axis in (0, 2, 4) if self.in_time else (0, 2):  # of F.pad: width, height, time
            before, after = [0] * 6, [0] * 6
            before[axis] = after[axis + 1] = 1
            kernel = F.pad(kernel, before) + F.pad(kernel, after)
        kernel = kernel.contiguous(memory_format=CHANNELS_LAST)
        return F.conv_transpose3d(features, kernel, self.bias, stride=(2 if self.in_time else 1, 2, 2), padding=1)


class CompactDiscriminator(Discriminator):
    """Two heads: strided 3-D convolutions see the clip, 2-D ones some random frames of it, as MoCoGAN's and DVD-GAN's.

    At these sizes both cost about the same.  No norm, so that clips stay independent, as R1 requires.

    | layer of the video head, at base_channels 24 | out, at 16 frames of 32x32 |
    |---|---|
    | Conv3d k(3,4,4) s(1,2,2), LeakyReLU | 24, 16, 16, 16 |
    | Conv3d k4 s2, LeakyReLU | 48, 8, 8, 8 |
    | Conv3d k4 s2, LeakyReLU | 96, 4, 4, 4 |
    | Conv3d k4 s2, LeakyReLU | 144, 2, 2, 2 |
    | Linear | 1 |

    The image head is `networks.frame_networks.ImageDiscriminatorNetwork`, from 48 channels on.  1,632,601 parameters at
    the default size, 374,304 of them the image head's.

    Args:
        num_frames: T, a multiple of 8.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        base_channels: channels after the video head's first layer; the image head has twice as many.
        num_image_frames: frames of each clip that the image head sees, 1 to T.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1], view {"image_frames": (B, num_image_frames) int64} ->
        heads (B,) of the clip and (B, num_image_frames) of its frames; features of the clip, and means over its frames.
    Raises: ValueError if a size cannot be judged, or without its view.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 32,
        channels: int = 3,
        base_channels: int = 24,
        num_image_frames: int = 8,
    ) -> None:
        super().__init__()
        last_grid = divided(num_frames, 8, "num_frames") * divided(size, 16, "size") ** 2
        if not 1 <= num_image_frames <= num_frames:
            raise ValueError(f"num_image_frames is {num_image_frames}; it must be 1 to {num_frames}")
        first, *widths = [base_channels, base_channels * 2, base_channels * 4, base_channels * 6]
        layers: list[nn.Module] = [
            nn.Conv3d(channels, first, (3, 4, 4), stride=(1, 2, 2), padding=1),
            nn.LeakyReLU(0.2),
        ]
        for inputs, outputs in pairwise([first, *widths]):
            layers += [nn.Conv3d(inputs, outputs, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.clip_shape = (channels, num_frames, size, size)
        self.num_image_frames = num_image_frames
        self.layers = nn.Sequential(*layers)
        self.to_logit = nn.Linear(widths[-1] * last_grid, 1)
        self.image_network = ImageDiscriminatorNetwork(size, channels, base_channels * 2, norm="none")
        self.num_features = (widths[-1] * last_grid, self.image_network.num_features)
        lay_out_channels_last(self)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Which frames of each clip the image head sees: "image_frames", distinct and ascending."""
        return {"image_frames": distinct_frames(num_clips, self.clip_shape[1], self.num_image_frames, rng)}

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        check_clips(seen, self.clip_shape, self)
        if not view:
            raise ValueError("CompactDiscriminator needs a view: which frames to see, from its sample_view")
        features = self.layers(seen.contiguous(memory_format=CHANNELS_LAST)).flatten(1)  # (B, 144 * T/8 * H/16 * W/16)
        frames = (
            pick_frames(seen, view["image_frames"]).transpose(1, 2).flatten(0, 1)
        )  # (B * num_image_frames, C, H, W)
        image_logits, image_features = self.image_network(frames.contiguous(memory_format=torch.channels_last))
        per_clip = (len(seen), self.num_image_frames)
        return Judgement(
            (self.to_logit(features).squeeze(1), image_logits.reshape(per_clip)),
            (features, image_features.unflatten(0, per_clip).mean(dim=1)),
        )


def lay_out_channels_last(network: nn.Module) -> None:
    """Store the weights of convolutions in the layout that their inputs have."""
    for parameter in network.parameters():
        if parameter.dim() in LAYOUTS:
            parameter.data = parameter.data.contiguous(memory_format=LAYOUTS[parameter.dim()])


def pad_time(features: Tensor) -> Tensor:
    """One more copy of the first frame before and of the last frame behind: (B, C, T, H, W) -> (B, C, T + 2, H, W)."""
    return torch.cat([features[:, :, :1], features, features[:, :, -1:]], dim=2)


def divided(length: int, divisor: int, name: str) -> int:
    """length / divisor, or an error that says which sizes can be made."""
    if length < divisor or length % divisor:
        raise ValueError(f"{name} is {length}; the compact networks make multiples of {divisor} only")
    return length // divisor
