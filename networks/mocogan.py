"""MoCoGAN (Tulyakov, Liu, Yang and Kautz 2018, arXiv:1707.04993): content and motion apart, two discriminators."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, Latents, View, in_float32, pick_frames, required_labels
from networks.frame_networks import (
    FrameGenerator,
    ImageDiscriminatorNetwork,
    check_clips,
    halving_blocks,
    layer_widths,
)
from networks.normalization import Norm

CategoryInput = Literal["motion", "frames"]


class MoCoGANGenerator(FrameGenerator):
    """A content code for the video and a motion code for each frame, which a GRU makes from noise (section 3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | GRUCell 10 -> 10 on e_1 ... e_T, from h_0 | 16, 10 |
    | beside it z_content, repeated | 16, 60 |
    | `networks.frame_networks.FrameDecoder` | 3, 16, 64, 64 |

    3,249,684 parameters at the default size.

    A category (section 3.3) comes from the labels, with num_classes > 0, or is a latent that is drawn uniformly, with
    num_categories > 0; `losses.infogan.InfoGAN` makes videos show the latter.  It goes, one-hot, into the GRU beside
    each e_t, which is the paper's model and in its comparison better than into the code of each frame, which is what
    the published code does.

    Args:
        num_frames: T, at least 1.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        num_classes: classes of the labels; 0 ignores labels.
        num_categories: categories that are drawn; 0 for none.  Not together with num_classes.
        category_input: "motion", into the GRU, or "frames", into the code of each frame.
        content_dim: length of z_content ~ N(0, I); 50 in the paper.
        motion_dim: length of h_0 and e_t ~ N(0, I) and of a motion code; 10 in the paper.
        base_channels: channels before the last layer; 64 in the paper.

    Shapes: latents {"content": (B, content_dim), "initial_motion": (B, motion_dim), "motion_noise":
        (B, T, motion_dim)}, and {"category": (B,) int64} if categories are drawn -> (B, channels, T, size, size) in
        [-1, 1], for any T.
    Raises: ValueError if a size cannot be made, for both kinds of categories at once, or if labels are missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        num_categories: int = 0,
        category_input: CategoryInput = "motion",
        content_dim: int = 50,
        motion_dim: int = 10,
        base_channels: int = 64,
    ) -> None:
        category_dim = one_of(num_classes, num_categories)
        into_motion = category_dim if category_input == "motion" else 0
        code_dim = content_dim + motion_dim + category_dim - into_motion
        super().__init__(code_dim, num_frames, size, channels, num_classes, base_channels)
        self.num_categories = num_categories
        self.category_dim = category_dim
        self.category_input = category_input
        self.content_dim = content_dim
        self.motion_dim = motion_dim
        self.recurrent = nn.GRUCell(motion_dim + into_motion, motion_dim)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """All codes and noise from N(0, I), the category uniformly; see the class for names and shapes."""
        num_frames = self.checked_num_frames(num_frames)
        latents = {
            "content": torch.randn(num_videos, self.content_dim, generator=rng),
            "initial_motion": torch.randn(num_videos, self.motion_dim, generator=rng),
            "motion_noise": torch.randn(num_videos, num_frames, self.motion_dim, generator=rng),
        }
        if self.num_categories:
            latents["category"] = torch.randint(self.num_categories, (num_videos,), generator=rng)
        return latents

    def frame_codes(self, latents: Latents, labels: Tensor | None) -> Tensor:
        """Content, motion and, where it is their input, category of each frame, (B, T, code_dim)."""
        noise = latents["motion_noise"]
        constant, moving = [latents["content"]], [noise]
        if self.category_dim:
            category = F.one_hot(self.categories(latents, labels), self.category_dim).to(noise.dtype)
            if self.category_input == "motion":
                moving.append(repeated(category, noise.shape[1]))
            else:
                constant.append(category)
        motion = self.motion(torch.cat(moving, dim=2), latents["initial_motion"])
        return torch.cat([repeated(torch.cat(constant, dim=1), noise.shape[1]), motion], dim=2)

    def categories(self, latents: Latents, labels: Tensor | None) -> Tensor:
        """The category of each video, (B,): its label, or the latent."""
        if not self.num_classes:
            return latents["category"]
        return required_labels(labels, self)

    def motion(self, inputs: Tensor, state: Tensor) -> Tensor:
        """(B, T, F), (B, motion_dim) -> (B, T, motion_dim): the GRU's states after each input."""
        states = []
        with in_float32(inputs):  # the rounding of bfloat16's 8 bits would add up from frame to frame
            state = state.float()
            for inputs_t in inputs.float().unbind(1):
                state = self.recurrent(inputs_t, state)
                states.append(state)
        return torch.stack(states, dim=1)


class MoCoGANDiscriminator(Discriminator):
    """Two heads: an image discriminator sees one random frame of each clip, a video discriminator the clip (section 3).

    | layer, image head | out, at 16 frames of 64x64 |
    |---|---|
    | `networks.frame_networks.ImageDiscriminatorNetwork` in patches | 4, 4 |

    | layer, video head | out |
    |---|---|
    | Conv3d 3 -> 64, LeakyReLU | 64, 13, 32, 32 |
    | Conv3d 64 -> 128, BN, LeakyReLU | 128, 10, 16, 16 |
    | Conv3d 128 -> 256, BN, LeakyReLU | 256, 7, 8, 8 |
    | Conv3d 256 -> 512, BN, LeakyReLU | 512, 4, 4, 4 |
    | Conv3d 512 -> 1 + categories, stride 1, no padding | 1, 1, 1 |

    3-D convolutions have kernel 4, stride (1, 2, 2), padding (0, 1, 1).  11,720,192 parameters at the default size,
    32,768 more for each category.  The heads are those with which the published code is run.  Its noise on every
    layer's input, an option, is left out; `losses.instance_noise.InstanceNoise` puts noise on the clips.

    Time is not padded: five layers take 16 frames to 1.  Longer clips, and smaller frames with their fewer layers,
    give a logit for each position in time, T - 3 * log2(size) + 3 of them, and their mean class logits: at 32x32,
    16 frames give 4.

    Args:
        num_frames: T, at least 3 * log2(size) - 2: 16 at 64x64, 13 at 32x32.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        num_classes: classes of the labels, which `losses.auxiliary_classifier.AuxiliaryClassifier` teaches; 0 for none.
        num_categories: the generator's categories, which `losses.infogan.InfoGAN` recovers; 0 for none.  Not together
            with num_classes.
        base_channels: channels after each head's first layer; 64 in the paper.
        norm: "batch" in the paper; gradient penalties need another, which does not mix clips.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1] -> heads (B, size / 16, size / 16) of the image and
        (B, positions in time) of the video; class_logits (B, num_classes or num_categories) if there are any.
        Features are means over the last hidden layer's grid.
    Raises: ValueError if a size cannot be judged, for both kinds of categories at once, or without its view.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        num_categories: int = 0,
        base_channels: int = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__(num_classes)
        widths = layer_widths(size, base_channels)
        shortest = 3 * (len(widths) + 1) + 1  # each layer takes 3 frames
        if num_frames < shortest:
            raise ValueError(
                f"num_frames is {num_frames}; MoCoGANDiscriminator needs at least {shortest} at size {size}"
            )
        self.clip_shape = (channels, num_frames, size, size)
        self.image_network = ImageDiscriminatorNetwork(size, channels, base_channels, is_patch=True, norm=norm)
        self.video_blocks = halving_blocks(nn.Conv3d, [channels, *widths], norm, stride=(1, 2, 2), padding=(0, 1, 1))
        self.to_logits = nn.Conv3d(widths[-1], 1 + one_of(num_classes, num_categories), 4, bias=False)
        self.num_features = (self.image_network.num_features, widths[-1])

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Which frame of each clip the image head sees: "image_frames", (num_clips, 1)."""
        return {"image_frames": torch.randint(self.clip_shape[1], (num_clips, 1), generator=rng)}

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        check_clips(seen, self.clip_shape, self)
        if view is None:
            raise ValueError("MoCoGANDiscriminator needs the view that its sample_view draws; none is given")
        frames = pick_frames(seen, view["image_frames"]).squeeze(2)  # (B, C, H, W)
        image_logits, image_features = self.image_network(frames)
        features = self.video_blocks(seen)
        outputs = self.to_logits(features).flatten(2)  # (B, 1 + categories, T', 1, 1) -> (B, 1 + categories, T')
        return Judgement(
            (image_logits, outputs[:, 0]),
            (image_features, features.mean(dim=(2, 3, 4))),
            outputs[:, 1:].mean(dim=2) if outputs.shape[1] > 1 else None,
        )


def one_of(num_classes: int, num_categories: int) -> int:
    """The number of categories, whichever way they come."""
    if num_categories < 0:
        raise ValueError(f"num_categories is {num_categories}; it must be at least 0")
    if num_classes > 0 and num_categories > 0:
        raise ValueError(
            f"num_classes is {num_classes} and num_categories {num_categories}; give one: labels, or drawn categories"
        )
    return max(num_classes, num_categories)


def repeated(codes: Tensor, num_frames: int) -> Tensor:
    """(B, F) -> (B, num_frames, F)."""
    return codes[:, None].expand(-1, num_frames, -1)
