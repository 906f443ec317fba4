"""Virtual batch norm: a generator whose videos do not depend on each other, and yet are normalised as by batch norm."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from networks.base import Generator, Latents, Synthesis, View


class Moments(NamedTuple):
    """Mean and variance (1, C, 1) of what a layer got for the reference, and of how many examples they are."""

    mean: Tensor
    variance: Tensor
    num_examples: int


class VirtualBatchNorm(Generator):
    """Replaces every batch norm of a generator (Salimans et al. 2016, arXiv:1606.03498, section 3.5).

    Each example x is normalised with the statistics of a fixed reference batch of R examples and of x itself,

        mean = 1/(R+1) mean(x) + R/(R+1) mean(reference),  and the same for the mean of squares,

    over the positions of each channel; the reference is normalised with its own.  Gains and biases are those of the
    batch norms, running statistics are gone, and training and evaluation are alike.

    The reference latents (and labels) are drawn once, from the seed, and saved with the run: they are the same on all
    processes, and a video depends neither on the batch nor on the number of processes.  Every call makes the reference
    videos first, at the length of training, with gradients.  So it costs num_reference more videos a call, and videos
    of other lengths, and parts of videos, are made with the same statistics.

    An example is what a layer has along its first axis: a video, or a frame where a decoder makes frames one by one.
    Then R is the number of frames of the reference, and frames of one video are normalised one by one as well.

    Args:
        generator: has batch norms (`torch.nn.BatchNorm1d`, 2d, 3d); they are replaced in it.
        num_reference: videos of the reference batch, at least 2; the paper has one batch.
        seed: of the reference batch.

    Shapes: as the wrapped generator.
    Raises: ValueError if the generator has no batch norm or takes parts of real clips, or the reference is too small;
        RuntimeError in a call if it uses a batch norm twice for a video, or renders with some that whole videos do not
        pass (TGANv2's coarse levels).
    """

    def __init__(self, generator: Generator, num_reference: int = 32, seed: int = 0) -> None:
        super().__init__(generator.num_frames, generator.size, generator.channels, generator.num_classes)
        if num_reference < 2:
            raise ValueError(f"num_reference is {num_reference}; it must be at least 2")
        if generator.conditions_on_clips:
            raise ValueError(f"{type(generator).__name__} takes parts of real clips, which a reference batch has not")
        self.generator = generator
        self.any_num_frames = generator.any_num_frames
        self.renders = generator.renders
        self.layers = list(replaced_batch_norms(generator))
        if not self.layers:
            raise ValueError(f"{type(generator).__name__} has no batch norm to replace")
        rng = torch.Generator().manual_seed(seed)
        latents = generator.sample_latents(num_reference, rng)
        self.latent_names = list(latents)
        for name, values in latents.items():
            self.register_buffer(f"reference_latent_{name}", values)
        labels = torch.randint(self.num_classes, (num_reference,), generator=rng) if self.num_classes else None
        self.reference_labels: Tensor | None
        self.register_buffer("reference_labels", labels)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """The wrapped generator's."""
        return self.generator.sample_latents(num_videos, rng, num_frames)

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """The wrapped generator's videos, normalised with the reference."""
        with self.reference():
            return self.generator(latents, labels)

    def synthesize(self, latents: Latents, labels: Tensor | None = None) -> Synthesis:
        """As `forward`, with the wrapped generator's intermediates."""
        with self.reference():
            return self.generator.synthesize(latents, labels)

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """The wrapped generator's."""
        with self.reference():
            return self.generator.render(latents, labels, view)

    def truncate(self, latents: Latents, psi: float) -> Latents:
        """The wrapped generator's."""
        return self.generator.truncate(latents, psi)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Make the reference videos, and let every layer know its statistics of them until the end."""
        try:
            for layer in self.layers:
                layer.measures = True
            latents = {name: self.get_buffer(f"reference_latent_{name}") for name in self.latent_names}
            self.generator(latents, self.reference_labels)
            for layer in self.layers:
                layer.measures = False
            yield
        finally:
            for layer in self.layers:  # they hold the graph of the reference, which cannot be copied and takes memory
                layer.measures, layer.moments = False, None


class VirtualBatchNormLayer(nn.Module):
    """One batch norm's place: keeps the statistics of what it gets while it `measures`, and uses them afterwards.

    Args:
        norm: the batch norm; its gain, bias and epsilon are taken over.

    Shapes: (B, C, ...) -> the same; statistics are in float32 at least.
    Raises: RuntimeError if it is used outside `VirtualBatchNorm`, or twice for the same reference.
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.register_parameter("weight", norm.weight)
        self.register_parameter("bias", norm.bias)
        self.eps = norm.eps
        self.measures = False
        self.moments: Moments | None = None

    def forward(self, values: Tensor) -> Tensor:
        """See the class."""
        points = values.to(torch.promote_types(values.dtype, torch.float32))
        points = points.flatten(2) if values.dim() > 2 else points.unsqueeze(2)  # (B, C, ...) -> (B, C, positions)
        mean, variance = self.measured(points) if self.measures else self.with_reference(points)
        normalised = (points - mean) * (variance + self.eps).rsqrt()
        if self.weight is not None:
            normalised = normalised * self.weight[:, None]
        if self.bias is not None:
            normalised = normalised + self.bias[:, None]
        return normalised.view(values.shape).to(values.dtype)

    def measured(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the reference, (1, C, 1), which are kept."""
        if self.moments is not None:
            raise RuntimeError("this layer is used twice for a video, so the reference has no one mean for it")
        variance, mean = torch.var_mean(points, dim=(0, 2), correction=0, keepdim=True)
        self.moments = Moments(mean, variance, len(points))
        return mean, variance

    def with_reference(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each example together with the reference, (B, C, 1)."""
        if self.moments is None:
            raise RuntimeError(
                "a virtual batch norm has no reference: whole videos do not pass it, or the generator in a "
                "VirtualBatchNorm was called by itself"
            )
        reference = self.moments
        variance, mean = torch.var_mean(points, dim=2, correction=0, keepdim=True)
        own = 1 / (reference.num_examples + 1)
        # The mean of squares less the squared mean, written so that large means do not cancel.
        between = own * (1 - own) * (mean - reference.mean).square()
        return (
            own * mean + (1 - own) * reference.mean,
            own * variance + (1 - own) * reference.variance + between,
        )


def replaced_batch_norms(module: nn.Module) -> Iterator[VirtualBatchNormLayer]:
    """Put a virtual batch norm in the place of every batch norm below `module`; yields them."""
    for name, child in list(module.named_children()):
        if isinstance(child, _BatchNorm):
            layer = VirtualBatchNormLayer(child)
            setattr(module, name, layer)
            yield layer
        else:
            yield from replaced_batch_norms(child)
