"""What every generator and every discriminator promises."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

Latents = dict[str, Tensor]
View = dict[str, Tensor]


class Synthesis(NamedTuple):
    """Videos (B, C, T, H, W) and what arose on the way that a term of the objective may ask for, by name."""

    videos: Tensor
    intermediates: dict[str, Tensor]


class Judgement(NamedTuple):
    """What a discriminator says of clips.

    Attributes:
        logits: one tensor (B, ...) per head; larger means more real.
        features: (B, F) for each head, the last hidden activations; none if the network does not give them.
        class_logits: (B, num_classes) of an auxiliary classifier, if there is one.
    """

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...] = ()
    class_logits: Tensor | None = None


class Generator(nn.Module, ABC):
    """Maps latents to videos, (B, C, T, H, W) float32 in [-1, 1].

    Args:
        num_frames: T of training, at least 1.
        size: H = W, in pixels.
        channels: C; 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels.

    Attributes:
        any_num_frames: whether videos of other lengths can be made, see `sample_latents`.
        conditions_on_clips: whether latents hold parts of real clips, see `condition_on`.
        renders: the entries of a view that `render` can make videos for; empty if it cannot.
    """

    any_num_frames = False
    conditions_on_clips = False
    renders: frozenset[str] = frozenset()

    def __init__(self, num_frames: int, size: int, channels: int = 3, num_classes: int = 0) -> None:
        super().__init__()
        if num_classes < 0:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 0")
        self.num_frames = num_frames
        self.size = size
        self.channels = channels
        self.num_classes = num_classes

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """(C, T, H, W) of every video that comes out."""
        return self.channels, self.num_frames, self.size, self.size

    @abstractmethod
    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """Draw latents on the CPU for `num_videos` videos: named tensors, each with the videos along its first axis.

        All randomness of a video is in its latents, so the same latents always make the same video, and so is its
        length: `num_frames`, None for that of training.

        Raises: ValueError if the network cannot make that length; `checked_num_frames` does it.
        """

    @abstractmethod
    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """Make one video per latent: (B, C, T, H, W) in [-1, 1].  `labels`: (B,) class indices, or None."""

    def synthesize(self, latents: Latents, labels: Tensor | None = None) -> Synthesis:
        """As `forward`, with the intermediates that the network has, such as a mask."""
        return Synthesis(self(latents, labels), {})

    def condition_on(self, clips: Tensor) -> Latents:
        """Further latents, taken from real clips (B, C, T, H, W) in [-1, 1]: a first frame, say."""
        return {}

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """Make only what a discriminator sees of each video: what its `look` would make of `forward`, for less."""
        raise NotImplementedError(f"{type(self).__name__} makes whole videos only")

    def truncate(self, latents: Latents, psi: float) -> Latents:
        """Latents of less variety and higher fidelity (Brock et al. 2019, arXiv:1809.11096, section 3.1), 0 < psi <= 1.

        Every float latent is taken as N(0, I) and scaled by psi, which is the truncation that keeps a latent's
        direction.  Networks with a mapping truncate its output instead.
        """
        return {name: psi * value if value.is_floating_point() else value for name, value in latents.items()}

    def checked_num_frames(self, num_frames: int | None) -> int:
        """How many frames to make when `num_frames` are asked for."""
        if num_frames is None:
            return self.num_frames
        if num_frames < 1 or (num_frames != self.num_frames and not self.any_num_frames):
            raise ValueError(
                f"num_frames is {num_frames}; {type(self).__name__} makes "
                + ("at least 1" if self.any_num_frames else f"{self.num_frames} frames only")
            )
        return num_frames


class Discriminator(nn.Module, ABC):
    """Judges videos.

    What it sees of a clip may be a part: some frames, or several resolutions.  Then the choice, the `view`, is drawn
    outside (one a clip and update, for the real and the fake clip alike), so that it does not depend on the number of
    processes, and a generator that can `render` a view need not make the rest.

    Args:
        num_classes: classes that `labels` may name; 0 ignores labels.

    Attributes:
        num_features: F of each of the features that a judgement has; empty if the network does not give them.
    """

    num_features: tuple[int, ...] = ()

    def __init__(self, num_classes: int = 0) -> None:
        super().__init__()
        if num_classes < 0:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 0")
        self.num_classes = num_classes

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Draw, on the CPU, what to see of each clip: named tensors, each with the clips along its first axis.

        A name has one meaning for all networks, since a generator that `renders` it makes what `look` would show:
        "times" are frames that `look` keeps, in that order.
        """
        return {}

    def look(self, videos: Tensor, view: View) -> Tensor:
        """What is seen of whole videos (B, C, T, H, W); penalties are taken with respect to it."""
        return videos

    @abstractmethod
    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """Judge what `look` gave.  `labels`: (B,) class indices, or None; `view`: needed if `sample_view` gives one."""


class DiscriminatorWrapper(Discriminator):
    """A discriminator around another, which it leaves the view, the look and the features; `forward` is what it adds.

    Args:
        discriminator: the one inside.
        num_classes: classes that `labels` may name; None as the one inside.
        needs_features: whether the one inside must give features.

    Raises: ValueError if it must and does not.
    """

    def __init__(
        self, discriminator: Discriminator, num_classes: int | None = None, needs_features: bool = False
    ) -> None:
        super().__init__(discriminator.num_classes if num_classes is None else num_classes)
        if needs_features and not discriminator.num_features:
            raise ValueError(
                f"{type(discriminator).__name__} gives no features, which {type(self).__name__} needs; take another "
                "discriminator"
            )
        self.discriminator = discriminator
        self.num_features = discriminator.num_features

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """That of the discriminator inside."""
        return self.discriminator.sample_view(num_clips, rng)

    def look(self, videos: Tensor, view: View) -> Tensor:
        """That of the discriminator inside."""
        return self.discriminator.look(videos, view)


def required_labels(labels: Tensor | None, network: Generator | Discriminator) -> Tensor:
    """The labels.

    Raises: ValueError that says who needs them, if there are none.
    """
    if labels is None:
        raise ValueError(f"{type(network).__name__} has {network.num_classes} classes; it needs labels")
    return labels


def pick_frames(videos: Tensor, times: Tensor) -> Tensor:
    """The frames of each video at `times` (B, N), indices: (B, C, T, H, W) -> (B, C, N, H, W)."""
    return videos.take_along_dim(times[:, None, :, None, None], dim=2)


def in_float32(tensor: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for the device of `tensor`."""
    if tensor.is_meta:  # a network can be built and run there for its shapes, but there is no autocast
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)
