"""DIGAN (Yu et al. 2022, arXiv:2202.10571): a video as a function of position and time, judged by two frames."""

import torch
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, Latents, View, in_float32, pick_frames
from networks.digan_layers import FactorizedModulation, FourierFeatures, ToPixels, doubled
from networks.stylegan2 import ImageScorer
from networks.stylegan2_layers import num_channels, resolutions
from networks.stylegan2_mapping import MappingNetwork, StyleGenerator


class DIGANGenerator(StyleGenerator):
    """Every pixel by itself from its position, its time, the content z and the motion (arXiv:2202.10571, section 3).

    | block | layers | out, at 64x64 |
    |---|---|---|
    | mapping | 2 x Linear 512 -> 512, leaky ReLU | 512 |
    | input | Fourier features of (x, y, t) | 256, T, 32, 32 |
    | 4 | one layer | 512, T, 32, 32 |
    | 8, 16, 32 | two layers each | 512, T, 32, 32 |
    | 64 | doubling, Fourier features beside it, two layers | 512, T, 64, 64 |
    | | sum of each block's layer to pixels | 3, T, 64, 64 |

    All layers are 1x1 and modulated by w, see `networks.digan_layers.FactorizedModulation`; doubling repeats pixels.
    Blocks of 128 and more have a third layer.  52,210,703 parameters at the default size.  Time runs from 0 to 1 over
    the clips of training and beyond it in longer ones.  All of it is computed in float32, under autocast too, as in the
    released configuration.  In training mode pixels may leave [-1, 1], as in the paper; in evaluation mode they are
    clamped.

    Args:
        num_frames: T of training, at least 2.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        latent_dim: length of z ~ N(0, I); 512 in the paper.
        motion_dim: length of the motion's noise ~ N(0, I); 512 in the paper.
        w_dim: length of w; 512 in the paper.
        motion_sigma: 0.25 in the paper; larger is more motion and, beyond some point, flicker.
        num_frequencies: of the Fourier features; 128 in the paper.
        rank: of the modulation; 10 in the paper.
        base_channels: channels are min(base_channels / resolution, max_channels); 32768 in the paper.
        max_channels: 512 in the paper.

    Shapes: latents {"z": (B, latent_dim), "motion": (B, motion_dim), "times": (B, T)} ->
        (B, channels, T, size, size) float32.
    Raises: ValueError if a size cannot be made.
    """

    any_num_frames = True
    renders = frozenset({"times"})

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        latent_dim: int = 512,
        motion_dim: int = 512,
        w_dim: int = 512,
        motion_sigma: float = 0.25,
        num_frequencies: int = 128,
        rank: int = 10,
        base_channels: int = 32768,
        max_channels: int = 512,
    ) -> None:
        super().__init__(num_frames, size, channels)
        check_num_frames(num_frames)
        if size < 16:
            raise ValueError(f"size is {size}; DIGAN makes powers of two from 16 only")
        self.latent_dim, self.motion_dim = latent_dim, motion_dim
        self.mapping = MappingNetwork(latent_dim, w_dim, 2)
        first_grid = min(32, size // 2)
        widths = [num_channels(resolution, base_channels, max_channels) for resolution in resolutions(size)]
        self.blocks = nn.ModuleList()
        for number, (resolution, outputs) in enumerate(zip(resolutions(size), widths, strict=True)):
            inputs = widths[number - 1] if number else 0
            grid = max(resolution, first_grid)
            starts = number == 0 or resolution > first_grid
            features = FourierFeatures(w_dim, motion_dim, grid, motion_sigma, num_frequencies) if starts else None
            num_layers = 1 if number == 0 else 2 if resolution < 128 else 3
            self.blocks.append(DIGANBlock(inputs, outputs, channels, w_dim, rank, num_layers, features))

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z and motion ~ N(0, I), and the frames' times, 1 / (T of training - 1) apart."""
        times = torch.arange(self.checked_num_frames(num_frames)) / (self.num_frames - 1)
        return {
            "z": torch.randn(num_videos, self.latent_dim, generator=rng),
            "motion": torch.randn(num_videos, self.motion_dim, generator=rng),
            "times": times.repeat(num_videos, 1),
        }

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class; labels are not used."""
        return self.frames_at(latents, latents["times"])

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """The frames of a view alone: view["times"] (B, N), indices of frames -> (B, channels, N, size, size)."""
        return self.frames_at(latents, latents["times"].take_along_dim(view["times"], dim=1))

    def frames_at(self, latents: Latents, times: Tensor) -> Tensor:
        """The frames at any times (B, N)."""
        x: Tensor | None = None
        pixels: Tensor | None = None
        with in_float32(times):
            w = self.truncated_w(latents)
            for block in self.blocks:
                x, pixels = block(x, pixels, w, latents["motion"], times)
        assert pixels is not None
        return self.bounded(pixels)


class DIGANBlock(nn.Module):
    """Layers at one resolution, and what they add to the video.

    Args:
        inputs: input channels, 0 in the first block.
        outputs: output channels.
        channels: of the video.
        w_dim: length of w.
        rank: of the modulation.
        num_layers: at least 1.
        features: laid beside the input, which is doubled before; None does neither.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: int,
        w_dim: int,
        rank: int,
        num_layers: int,
        features: FourierFeatures | None,
    ) -> None:
        super().__init__()
        self.features = features
        first = inputs + (features.num_outputs if features else 0)
        self.layers = nn.ModuleList(
            FactorizedModulation(outputs if number else first, outputs, w_dim, rank) for number in range(num_layers)
        )
        self.to_pixels = ToPixels(outputs, channels, w_dim)

    def forward(
        self, x: Tensor | None, pixels: Tensor | None, w: Tensor, motion: Tensor, times: Tensor
    ) -> tuple[Tensor, Tensor]:
        """x (B, inputs, T, H, W) and the video (B, channels, T, H, W), both None in the first block -> both, larger."""
        if self.features is not None:
            coordinates = self.features(w, motion, times)
            x = coordinates if x is None else torch.cat([doubled(x), coordinates], dim=1)
            pixels = None if pixels is None else doubled(pixels)
        assert x is not None
        for layer in self.layers:
            x = layer(x, w)
        added = self.to_pixels(x, w)
        return x, added if pixels is None else pixels + added


class DIGANDiscriminator(Discriminator):
    """Two frames of a clip together with the time between them, and each by itself (arXiv:2202.10571, section 3).

    | network | in | out, at 64x64 |
    |---|---|---|
    | video, see `networks.stylegan2.ImageDiscriminator` | 2 frames and a map of the time difference: 7, 64, 64 | 1 |
    | image, the same | each frame: 3, 64, 64 | 1 for each of 2 frames |

    52,979,714 parameters at the default size.  One time is drawn from Beta(2, 1), the other from Beta(1, 2), as
    shares of the clip; here they are made two different whole frames, as a real and a fake clip share them.  The time
    difference is 1 between the first and the last frame.

    Args:
        num_frames: T of the clips, at least 2.
        size: H = W in pixels, a power of two from 8.
        channels: 3 for RGB.
        base_channels: channels are min(base_channels / resolution, max_channels); 32768 in the paper.
        max_channels: 512 in the paper.
        mbstd_group_size: consecutive clips that share a standard deviation; 4 in the paper, 0 keeps the clips apart.

    Shapes: (B, channels, 2, size, size) with view {"times": (B, 2), indices of frames} -> two heads, (B,) and (B, 2).
    Raises: ValueError if a size cannot be judged, or if the view is missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        base_channels: int = 32768,
        max_channels: int = 512,
        mbstd_group_size: int = 4,
    ) -> None:
        super().__init__()
        check_num_frames(num_frames)
        self.num_frames = num_frames
        self.video = ImageScorer(2 * channels + 1, size, base_channels, max_channels, mbstd_group_size)
        self.image = ImageScorer(channels, size, base_channels, max_channels, mbstd_group_size)
        self.num_features = (self.video.num_features, 2 * self.image.num_features)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Two rising indices of frames, see the class: {"times": (num_clips, 2)}."""
        root = torch.rand(num_clips, 2, generator=rng).sqrt()  # the root of a uniform number is Beta(2, 1)
        shares = torch.stack([root[:, 0], 1 - root[:, 1]], dim=1)
        times = (shares * self.num_frames).long().clamp(max=self.num_frames - 1).sort(dim=1).values
        first, second = times.unbind(dim=1)
        is_last = first == self.num_frames - 1
        same = first == second
        first, second = first - (same & is_last).long(), second + (same & ~is_last).long()
        return {"times": torch.stack([first, second], dim=1)}

    def look(self, videos: Tensor, view: View) -> Tensor:
        """(B, C, T, H, W) -> (B, C, 2, H, W)."""
        return pick_frames(videos, view["times"])

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        if view is None:
            raise ValueError("DIGANDiscriminator needs the view that its clips were seen with")
        frames = seen.transpose(1, 2)  # (B, C, 2, H, W) -> (B, 2, C, H, W)
        difference = view["times"].diff(dim=1) / (self.num_frames - 1)
        difference_map = difference[:, :, None, None].to(seen.dtype).expand(-1, -1, *seen.shape[3:])
        video, video_features = self.video(torch.cat([frames.flatten(1, 2), difference_map], dim=1))
        # One frame at a time, so that no clip shares its standard deviation with itself.
        images, image_features = zip(*(self.image(frame) for frame in frames.unbind(1)), strict=True)
        return Judgement((video, torch.stack(images, dim=1)), (video_features, torch.cat(image_features, dim=1)))


def check_num_frames(num_frames: int) -> None:
    """Two different frames are needed."""
    if num_frames < 2:
        raise ValueError(f"num_frames is {num_frames}; DIGAN needs at least 2")
