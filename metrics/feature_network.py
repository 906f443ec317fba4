"""What every feature network promises: uint8 clips in, one row of features per frame (FID) or per clip (FVD) out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from metrics.feature_statistics import FeatureStatistics, Gaussian
from metrics.resizing import Resize
from metrics.weight_digests import file_sha256
from metrics.weight_files import WeightFile
from metrics.weights import find_weights


class FeatureNetwork(ABC):
    """A pretrained network, frozen, and what is done to a clip before it: the yardstick of FID, FVD and others.

    Building one costs nothing.  The weights are found and loaded with the first clips (or by `load()`), onto the
    device of the clips, in eval mode and float32, without drawing from torch's random numbers: that a run is measured
    does not change its course.  Not an nn.Module, so its weights are in nobody's checkpoints and optimizers.

    Attributes:
        name: appears in keys and cards.
        num_features: row lengths of what the network offers: {"fid": features of frames, "fvd": features of clips,
            "is": logits, before the softmax}.
        logits_of: what has a row of logits, "frames" or "clips"; where "is" is offered.
        default_resize: how a frame gets to the network's size where nothing else is asked for.
        input_size: height and width in pixels of the frames that the network takes; None: any.
        min_frames, max_frames: of a clip.
        channels_last: whether the colours of a pixel lie side by side in memory, in frames and in the weights of
            convolutions; None: on a CPU, where convolutions are faster so (docs/metric_speed.md).  Changes the features
            by float32 rounding.
        frames_per_pass_on_cpu: where nothing else is asked for; what was fastest (docs/metric_speed.md), while a small
            pass still fits in the cache.
        weight_file: the row of `metrics.weight_files`.

    Args:
        weights: path of the weight file, where the usual places are not right, see `metrics.weights`.
        frames_per_pass: how many frames go through the network at a time, at least one clip; another number changes the
            features by float32 rounding.  A last pass that is short is filled up, so that a clip's features do not
            depend on how many come with it.  None: `frames_per_pass_on_cpu`, and 256 on a GPU.
        resize: another way to the network's size; None is `default_resize`.

    Raises: ValueError if an argument is not as above, or if `resize` leads to another size than the network's.
    """

    name: str
    num_features: dict[str, int]
    logits_of: Literal["frames", "clips"]
    default_resize: Resize | None = None
    input_size: int | None = None
    min_frames: int = 1
    max_frames: int | None = None
    channels_last: bool | None = None
    frames_per_pass_on_cpu: int = 16
    weight_file: WeightFile

    def __init__(
        self,
        weights: str | Path | None = None,
        frames_per_pass: int | None = None,
        resize: Resize | None = None,
    ) -> None:
        if frames_per_pass is not None and frames_per_pass < 1:
            raise ValueError(f"frames_per_pass must be at least 1; got {frames_per_pass}.")
        if resize is not None and self.input_size not in (None, resize.size):
            size = self.input_size
            raise ValueError(f"{self.name} takes frames of {size}x{size} pixels; got a resize to {resize.size}.")
        self.weights = weights
        self.frames_per_pass = frames_per_pass
        self.resizer = resize or self.default_resize
        self._network: nn.Module | None = None

    @property
    def resize(self) -> str:
        """How a frame gets to the network's size, in words, for the card."""
        return str(self.resizer)

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weight file, in hexadecimal; finds the file, or downloads it."""
        return file_sha256(self.find_weights())

    def find_weights(self) -> Path:
        """Path of the weight file, checked, see `metrics.weights.find_weights`."""
        return find_weights(self.weight_file, self.weights)

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with its weights, on the CPU."""

    @abstractmethod
    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """Features of checked uint8 clips (N, 3, T, H, W), see `__call__`."""

    def load(self) -> nn.Module:
        """The frozen network; finds and loads the weights the first time.

        Raises: FileNotFoundError if there is no weight file, ValueError if it is not the right one.
        """
        if self._network is None:
            with torch.inference_mode(False):  # tensors made in that mode could not be used outside it
                self._network = self.build().eval()
            for parameter in self._network.parameters():  # TorchScript modules have no requires_grad_
                parameter.requires_grad_(False)
        return self._network

    def __call__(self, clips: Tensor) -> dict[str, Tensor]:
        """Features of `clips`, uint8 (N, C, T, H, W) with C = 3, or 1 (grey, repeated).

        Returns float32 rows on the clips' device: "fid" (N * T, D), the frames of the first clip first, "fvd" (N, D),
        and "is" (N * T, K) or (N, K) as `logits_of` says; only the names in `num_features`.  Autocast and lower
        precision are off inside, so a GPU agrees with a CPU.

        Raises: ValueError if dtype, shape or number of frames do not fit.
        """
        self._check(clips)
        clips = clips.expand(-1, 3, -1, -1, -1)  # (N, 3, T, H, W)
        network = self.load().to(clips.device)
        arrange_weights(network, self._is_channels_last(clips.device))
        frames_per_pass = self.frames_per_pass or self.default_frames_per_pass(clips.device)
        clips_per_pass = max(1, frames_per_pass // clips.shape[2])
        num_clips, num_missing = len(clips), -len(clips) % clips_per_pass
        clips = torch.cat([clips, clips[-1:].expand(num_missing, -1, -1, -1, -1)])  # whole passes
        with torch.no_grad(), full_precision(clips.device):
            passes = [self.extract(network, part) for part in clips.split(clips_per_pass)]
        features = {name: torch.cat([rows[name] for rows in passes]) for name in self.num_features}
        return {name: rows[: len(rows) * num_clips // len(clips)] for name, rows in features.items()}

    def default_frames_per_pass(self, device: torch.device) -> int:
        """How many frames go through the network at a time where nothing else is asked for."""
        return self.frames_per_pass_on_cpu if device.type == "cpu" else 256

    def resized_frames(self, clips: Tensor) -> Tensor:
        """Frames (N * T, 3, size, size) of clips (N, 3, T, H, W), float32 in 0..255, those of the first clip first."""
        frames = clips.transpose(1, 2).flatten(0, 1)  # (N * T, 3, H, W)
        frames = frames.float() if self.resizer is None else self.resizer(frames)
        is_last = self._is_channels_last(frames.device)
        return frames.contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)

    def resized_clips(self, clips: Tensor) -> Tensor:
        """Clips (N, 3, T, size, size) of clips (N, 3, T, H, W), float32 in 0..255."""
        # Of frames with channels last these are clips with channels last; no copy is made.
        return self.resized_frames(clips).unflatten(0, (len(clips), -1)).transpose(1, 2)

    def _is_channels_last(self, device: torch.device) -> bool:
        return device.type == "cpu" if self.channels_last is None else self.channels_last

    def _check(self, clips: Tensor) -> None:
        if clips.dtype != torch.uint8:
            raise ValueError(f"{self.name} measures uint8 clips (0..255); got {clips.dtype}. Use float_to_uint8 first.")
        if clips.ndim != 5 or clips.shape[1] not in (1, 3) or 0 in clips.shape:
            raise ValueError(f"{self.name} measures clips (N, 3 or 1, T, H, W); got shape {tuple(clips.shape)}.")
        num_frames = clips.shape[2]
        if num_frames < self.min_frames or num_frames > (self.max_frames or num_frames):
            bound = "exactly" if self.min_frames == self.max_frames else "at least"
            raise ValueError(
                f"{self.name} needs clips of {bound} {self.min_frames} frames; got {num_frames}. "
                "Use clips of another length or another feature network."
            )


def arrange_weights(network: nn.Module, channels_last: bool) -> None:
    """Lay the weights of convolutions out in memory with channels last, or as torch makes them; copies where needed."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d} if channels_last else {}
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous(memory_format=formats.get(parameter.ndim, torch.contiguous_format))


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Float32 is float32 inside: no autocast, no TF32, no matrix products in bfloat16; afterwards all is as before."""
    before = torch.get_float32_matmul_precision()
    try:
        if before != "highest":
            torch.set_float32_matmul_precision("highest")
        with torch.autocast(device.type, enabled=False), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        if before != "highest":
            torch.set_float32_matmul_precision(before)


def fit_gaussians(
    network: FeatureNetwork,
    clip_batches: Iterable[Tensor],
    device: torch.device | str = "cpu",
    unbiased: bool = True,
) -> dict[str, Gaussian]:
    """Mean and covariance of the features of all clips: {"fid": ..., "fvd": ...}, what the network offers of these.

    With several processes each passes its own share (none is allowed) and all get the same Gaussians of the whole: a
    collective call, that all processes must make.

    Args:
        clip_batches: uint8 clips (N, C, T, H, W), any N, as `FeatureNetwork.__call__` takes them.
        device: where the network runs and, if it is a CUDA device, the sums are kept: where processes talk by NCCL, it
            must be this process's GPU.
        unbiased: see `FeatureStatistics`.
    """
    sums_device = device if torch.device(device).type == "cuda" else "cpu"  # Apple's GPUs have no float64
    statistics = {
        name: FeatureStatistics(size, unbiased).to(sums_device)
        for name, size in network.num_features.items()
        if name != "is"
    }
    for name in statistics:  # a process without clips has seen nothing, which is in order
        statistics[name].update(torch.empty(0, network.num_features[name]))
    for clips in clip_batches:
        rows = network(clips.to(device))
        for name in statistics:
            statistics[name].update(rows[name])
    return {name: statistics[name].compute() for name in statistics}
