"""What models that work frame by frame share: a DCGAN that draws a frame from a code, and one that judges a frame."""

from abc import abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from networks.base import Generator, Latents, View
from networks.normalization import Norm, norm_layer

FIRST_GRID = 4  # height and width before the first doubling and after the last halving
MOST_CHANNELS = 8  # widest layer, in multiples of base_channels


class FrameDecoder(nn.Module):
    """Codes through transposed 2-D convolutions to frames: DCGAN (Radford et al. 2016, arXiv:1511.06434) as in MoCoGAN
    (Tulyakov et al. 2018, arXiv:1707.04993), without biases.

    | layer | out, at 64x64 |
    |---|---|
    | ConvTranspose2d code_dim -> 512, k4 s1 p0, BN, ReLU | 512, 4, 4 |
    | ConvTranspose2d 512 -> 256, BN, ReLU | 256, 8, 8 |
    | ConvTranspose2d 256 -> 128, BN, ReLU | 128, 16, 16 |
    | ConvTranspose2d 128 -> 64, BN, ReLU | 64, 32, 32 |
    | ConvTranspose2d 64 -> 3, tanh | 3, 64, 64 |

    All but the first have kernel 4, stride 2, padding 1.  Each doubling of the size is one layer more at the coarse
    end, with at most 8 * base_channels channels.  3,298,176 parameters at 64x64 and code_dim 66.

    Args:
        code_dim: length of a code; 60 and the number of categories in MoCoGAN.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        base_channels: channels before the last layer; 64 in the paper.

    Shapes: (N, code_dim) -> (N, channels, size, size) in [-1, 1].
    Raises: ValueError if the size is no such power.
    """

    def __init__(self, code_dim: int, size: int = 64, channels: int = 3, base_channels: int = 64) -> None:
        super().__init__()
        widths = layer_widths(size, base_channels)[::-1]
        layers = [nn.ConvTranspose2d(code_dim, widths[0], FIRST_GRID, bias=False)]
        layers += [nn.ConvTranspose2d(*pair, 4, stride=2, padding=1, bias=False) for pair in pairwise(widths)]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(layer, nn.BatchNorm2d(width), nn.ReLU())
                for layer, width in zip(layers, widths, strict=True)
            )
        )
        self.to_pixels = nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1, bias=False)

    def forward(self, codes: Tensor) -> Tensor:
        """See the class."""
        return torch.tanh(self.to_pixels(self.blocks(codes[:, :, None, None])))  # (N, code_dim) -> (N, code_dim, 1, 1)


class FrameGenerator(Generator):
    """Draws each frame from a code of its own; what kind of sequence the codes are is up to the subclass.

    Any number of frames can be made, and single frames without the others.  In training, batch norm takes its
    statistics over all frames that are drawn together.

    Args:
        code_dim: length of one frame's code.
        num_frames, size, channels, num_classes: as in `Generator`; the size is a power of two from 16.
        base_channels: as in `FrameDecoder`.

    Raises: ValueError if a size cannot be made.
    """

    any_num_frames = True
    renders = frozenset({"times"})  # the discriminator sees these alone

    def __init__(
        self,
        code_dim: int,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        base_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        self.checked_num_frames(num_frames)
        self.decoder = FrameDecoder(code_dim, size, channels, base_channels)

    @abstractmethod
    def frame_codes(self, latents: Latents, labels: Tensor | None) -> Tensor:
        """The code of each frame, (B, T, code_dim)."""

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.draw(self.frame_codes(latents, labels))

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """The frames `view["times"]`, (B, k), of each video: (B, C, k, H, W)."""
        codes = self.frame_codes(latents, labels)
        return self.draw(codes.take_along_dim(view["times"][:, :, None], dim=1))  # (B, T, code_dim) -> (B, k, code_dim)

    def draw(self, codes: Tensor) -> Tensor:
        """(B, T, code_dim) -> (B, C, T, H, W)."""
        frames = self.decoder(codes.flatten(0, 1))  # (B * T, C, H, W)
        return frames.unflatten(0, codes.shape[:2]).transpose(1, 2)


class ImageDiscriminatorNetwork(nn.Module):
    """Strided 2-D convolutions from single frames to logits: the image discriminator of MoCoGAN.

    | layer | out, at 64x64 | is_patch |
    |---|---|---|
    | Conv2d 3 -> 64, LeakyReLU | 64, 32, 32 | 64, 32, 32 |
    | Conv2d 64 -> 128, BN, LeakyReLU | 128, 16, 16 | 128, 16, 16 |
    | Conv2d 128 -> 256, BN, LeakyReLU | 256, 8, 8 | 256, 8, 8 |
    | Conv2d 256 -> 512, BN, LeakyReLU | 512, 4, 4 | - |
    | Conv2d 512 -> 1, k4 s1 p0; in patches Conv2d 256 -> 1 | 1, 1, 1 | 1, 4, 4 |

    All but the last have kernel 4, stride 2, padding 1.  2,765,568 parameters at the default size, 663,296 in patches.
    There are no biases, as in the published code, except with norm "none" where a norm would have had them.

    Args:
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        base_channels: channels after the first layer; 64 in the paper.
        is_patch: one logit for each patch of 46x46 pixels, always after three halvings, instead of one for the frame.
        norm: "batch" in the paper; gradient penalties need another, which does not mix clips.

    Shapes: (N, channels, size, size) in [-1, 1] -> logits (N, h, w) and features (N, num_features), means over the
        last hidden layer's grid; h = w = 1, or size / 16 in patches.
    Raises: ValueError if the size is no such power.
    """

    def __init__(
        self,
        size: int = 64,
        channels: int = 3,
        base_channels: int = 64,
        is_patch: bool = False,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        widths = layer_widths(size, base_channels)
        if is_patch:
            widths = [base_channels, base_channels * 2, base_channels * 4]
        self.blocks = halving_blocks(nn.Conv2d, [channels, *widths], norm, stride=2, padding=1)
        self.num_features = widths[-1]
        stride, padding = (2, 1) if is_patch else (1, 0)
        self.to_logits = nn.Conv2d(widths[-1], 1, 4, stride, padding, bias=False)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.blocks(frames)
        return self.to_logits(features).squeeze(1), features.mean(dim=(2, 3))


def layer_widths(size: int, base_channels: int) -> list[int]:
    """Channels at half the size, a quarter and so on down to 4x4, or an error that names the sizes that can be made."""
    if size < 16 or size & (size - 1):
        raise ValueError(f"size is {size}; networks that work frame by frame make powers of two from 16 only")
    halvings = (size // FIRST_GRID).bit_length() - 1
    return [base_channels * min(2**number, MOST_CHANNELS) for number in range(halvings)]


def halving_blocks(
    convolution: type[nn.Conv2d] | type[nn.Conv3d],
    widths: list[int],
    norm: Norm,
    stride: int | tuple[int, ...],
    padding: int | tuple[int, ...],
) -> nn.Sequential:
    """Convolution of kernel 4, norm except in the first block, LeakyReLU, for each step from width to width."""
    blocks = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        is_first = number == 0
        bias = norm == "none" and not is_first
        conv = convolution(inputs, outputs, 4, stride, padding, bias=bias)  # type: ignore[arg-type]
        layers: list[nn.Module] = [conv]
        if not is_first:
            layers.append(norm_layer(norm, outputs, nn.BatchNorm3d if convolution is nn.Conv3d else nn.BatchNorm2d))
        blocks.append(nn.Sequential(*layers, nn.LeakyReLU(0.2)))
    return nn.Sequential(*blocks)


def distinct_frames(num_clips: int, num_frames: int, num_drawn: int, rng: torch.Generator) -> Tensor:
    """Draw, for each clip, that many of its frames: their numbers, (num_clips, num_drawn), distinct and ascending."""
    order = torch.rand(num_clips, num_frames, generator=rng).argsort(dim=1)
    return order[:, :num_drawn].sort(dim=1).values


def check_clips(clips: Tensor, shape: tuple[int, ...], network: nn.Module) -> None:
    """Refuse clips of another shape than (B, *shape), which convolutions alone would judge wrongly without a word."""
    if tuple(clips.shape[1:]) != shape:
        raise ValueError(
            f"clips of (C, T, H, W) = {tuple(clips.shape[1:])} given; {type(network).__name__} is made for {shape}"
        )
