"""The spatiotemporal GAN's conditional applications (Kratzwald et al. 2017, arXiv:1711.11453, section 4)."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from networks.base import Generator, Latents, Synthesis
from networks.spatiotemporal import SpatiotemporalGenerator, first_grid, init_weights

Task = Literal["colorization", "inpainting", "future_frames"]
TASKS = ("colorization", "inpainting", "future_frames")
LUMINANCE = (0.21, 0.72, 0.07)  # of red, green and blue: the reference code's grey
HOLE = 20 / 64  # side of the hole in the paper, 20 of 64 pixels


class SpatiotemporalConditionalGenerator(Generator):
    """Something of a real clip through an encoder to the spatiotemporal generator's decoder (arXiv:1711.11453).

    | task | what is given | encoder's input, at 16 frames of 64x64 |
    |---|---|---|
    | colorization | the grey clip | 16, 1, 64, 64: frames as channels |
    | inpainting | the clip with a grey square in the middle | 3, 16, 64, 64 |
    | future_frames | the first frame | 3, 1, 64, 64 |

    | layer | out, colorization and future_frames | out, inpainting |
    |---|---|---|
    | Conv3d -> 128 (64), BN, ReLU | 128, 1, 32, 32 | 64, 8, 32, 32 |
    | Conv3d -> 256 (128), BN, ReLU | 256, 1, 16, 16 | 128, 4, 16, 16 |
    | Conv3d -> 512 (256), BN, ReLU | 512, 1, 8, 8 | 256, 2, 8, 8 |
    | Conv3d -> 512, BN, ReLU, view | 512, 1, 4, 4 | 512, 1, 4, 4 |
    | four transposed convolutions of `SpatiotemporalGenerator` | 3, 16, 64, 64 | 3, 16, 64, 64 |

    The encoder's kernels are (1, 4, 4) with stride (1, 2, 2) where it sees frames as channels, 4 with stride 2 in
    inpainting, as in the reference code; the paper only says four strided convolutions.  17,875,011 parameters for
    colorization, 17,848,387 for future frames, 22,047,939 for inpainting at the default size.  Nothing is drawn: the
    same condition makes the same video, and `sample_latents` only counts.  Its "z" has no columns.

    Trained with `losses.condition_reconstruction.ConditionReconstruction`: `synthesize` gives the intermediates
    "reconstruction_target" and "reconstruction".  They are what the condition shows and the same of the generated
    clip; or, `supervised`, the whole real and the whole generated clip: in the paper inpainting is, colorization was
    tried both ways, and future frames are not.

    Args:
        task: what is given.
        supervised: whether the reconstruction is of whole clips; the latents then hold them too.
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB, which colorization needs.
        base_channels: channels before the last layer; 64 in the paper.

    Shapes: latents {"z": (B, 0), **condition_on((B, channels, num_frames, size, size))} -> the same shape in [-1, 1].
    Raises: ValueError if an argument is out of its range, if latents have no condition, or clips another shape.
    """

    conditions_on_clips = True

    def __init__(
        self,
        task: Task = "colorization",
        supervised: bool = False,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        base_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, size, channels)
        if task not in TASKS:
            raise ValueError(f"task is {task!r}; it must be one of {', '.join(TASKS)}")
        if task == "colorization" and channels != 3:
            raise ValueError(f"channels is {channels}; colorization needs 3")
        self.task = task
        self.supervised = supervised
        self.grid = first_grid(num_frames, size)
        self.luminance: Tensor
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(3, 1, 1, 1), persistent=False)
        self.encoder = encoder(task, num_frames, channels, base_channels).apply(init_weights)
        decoder = SpatiotemporalGenerator(num_frames, size, channels, base_channels=base_channels)
        self.blocks, self.to_pixels = decoder.blocks, decoder.to_pixels

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """Nothing but the number of videos, "z" (num_videos, 0); `condition_on` gives the rest."""
        self.checked_num_frames(num_frames)
        return {"z": torch.empty(num_videos, 0)}

    def condition_on(self, clips: Tensor) -> Latents:
        """What is given of real clips, "condition", and, `supervised`, the whole of them, "original"."""
        if clips.shape[1:] != self.video_shape:
            raise ValueError(f"clips are {tuple(clips.shape[1:])}; this generator makes {self.video_shape}")
        return {"condition": self.given(clips)} | ({"original": clips} if self.supervised else {})

    def given(self, clips: Tensor) -> Tensor:
        """What a condition shows of clips: (B, C, T, H, W) -> (B, 1, T, H, W), (B, C, T, H, W) or (B, C, 1, H, W)."""
        if self.task == "colorization":
            return (clips * self.luminance).sum(dim=1, keepdim=True)
        if self.task == "future_frames":
            return clips[:, :, :1]
        side = round(HOLE * self.size)
        start = (self.size - side) // 2
        mask = clips.new_ones(self.size, self.size)
        mask[start : start + side, start : start + side] = 0
        return clips * mask

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class; labels are not used."""
        if "condition" not in latents:
            raise ValueError(f"latents have no 'condition'; {type(self).__name__} needs what condition_on(clips) gives")
        condition = latents["condition"]
        if self.task == "colorization":
            condition = condition.transpose(1, 2)  # (B, 1, T, H, W) -> (B, T, 1, H, W)
        codes = self.encoder(condition)  # (B, 512, T/16, H/16, W/16), or (B, 512 * T/16, 1, H/16, W/16)
        return torch.tanh(self.to_pixels(self.blocks(codes.reshape(codes.shape[0], -1, *self.grid))))

    def synthesize(self, latents: Latents, labels: Tensor | None = None) -> Synthesis:
        """As `forward`, with what a reconstruction loss compares."""
        videos = self(latents, labels)
        target, reconstruction = (
            (latents["original"], videos) if self.supervised else (latents["condition"], self.given(videos))
        )
        return Synthesis(videos, {"reconstruction_target": target, "reconstruction": reconstruction})

    def truncate(self, latents: Latents, psi: float) -> Latents:
        """The latents themselves: nothing in them is noise."""
        return latents


def encoder(task: Task, num_frames: int, channels: int, base_channels: int) -> nn.Sequential:
    """Four strided convolutions, batch norms and ReLUs down to the decoder's first grid."""
    if task == "inpainting":
        inputs, kernel, widths = channels, (4, 4, 4), [base_channels * factor for factor in (1, 2, 4, 8)]
    else:
        inputs, kernel = (num_frames if task == "colorization" else channels), (1, 4, 4)
        widths = [base_channels * factor for factor in (2, 4, 8, num_frames // 2)]  # 8 for each step of the first grid
    stride = (kernel[0] // 2 or 1, 2, 2)
    padding = ((kernel[0] - 1) // 2, 1, 1)
    blocks = [
        nn.Sequential(
            nn.Conv3d(width, next_width, kernel, stride, padding, bias=False),  # a norm takes a bias away
            nn.BatchNorm3d(next_width),
            nn.ReLU(),
        )
        for width, next_width in pairwise([inputs, *widths])
    ]
    return nn.Sequential(*blocks)
