"""LPIPS: how different two frames look, by the features of AlexNet that people's judgements were fitted to."""

import hashlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metrics.clip_scores import ClipScore
from metrics.feature_network import full_precision
from metrics.weight_digests import file_sha256
from metrics.weight_files import ALEXNET, LPIPS_ALEX
from metrics.weights import find_weights, load_into, load_weights

CHANNELS = (64, 192, 384, 256, 256)  # of AlexNet's five convolutions


class LPIPS(ClipScore):
    """Learned perceptual image patch similarity v0.1 with AlexNet, of each frame and the real one at its place.

        sum_l mean_{h, w} sum_c w_lc (a_lchw / |a_lhw| - b_lchw / |b_lhw|)^2

    where a and b are the ReLUs after the five convolutions for the two frames, |.| is the norm over the channels, and
    the w_lc, none negative, were fitted to people's judgements (Zhang et al. 2018, arXiv:1801.03924, Eq. 1).  0 for
    equal frames; not bounded, rarely above 1.  Frames are measured in their own size: LPIPS depends on it.

    Agrees with the authors' package `lpips` 0.1.4 and with torchmetrics to float32 rounding.  It is written out here,
    because both get AlexNet from torchvision, which is a large package; the fitted weights are those that come with
    torchmetrics.

    Args:
        weights: path of `alexnet-owt-7be5be79.pth`; None looks in the cache and downloads it (233 MiB).
        frames_per_pass: how many pairs of frames go through the network at a time; another number changes the scores by
            float32 rounding.  None: 16 on a CPU, 256 on a GPU.

    Raises: ValueError if `frames_per_pass` is less than 1; with the first clips, what `find_weights` raises.
    """

    name = "lpips_alex"
    needs_real = True
    higher_is_better = False
    min_size = 31  # AlexNet's second pooling needs as much
    weight_file = ALEXNET

    def __init__(self, weights: str | Path | None = None, frames_per_pass: int | None = None) -> None:
        if frames_per_pass is not None and frames_per_pass < 1:
            raise ValueError(f"frames_per_pass must be at least 1; got {frames_per_pass}.")
        self.weights = weights
        self.frames_per_pass = frames_per_pass
        self._network: PerceptualDistance | None = None

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the SHA-256 of AlexNet's and of the fitted weights, one after the other in hexadecimal."""
        digests = file_sha256(find_weights(self.weight_file, self.weights)) + file_sha256(find_weights(LPIPS_ALEX))
        return hashlib.sha256(digests.encode()).hexdigest()

    @property
    def settings(self) -> dict[str, Any]:
        """The digest of the weights; finds or downloads them."""
        return {"weights_sha256": self.weights_sha256}

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """Distances (N, T) of checked clips."""
        assert real is not None
        network = self.load().to(fake.device)
        fake_frames, real_frames = (clips.transpose(1, 2).flatten(0, 1) for clips in (fake, real))  # (N * T, C, H, W)
        num_frames = len(fake_frames)
        per_pass = self.frames_per_pass or (16 if fake.device.type == "cpu" else 256)
        passes = [torch.empty(0, device=fake.device)]
        with full_precision(fake.device):
            for start in range(0, num_frames, per_pass):
                # Whole passes, so that a frame's distance does not depend on how many come with it.
                indices = torch.arange(start, start + per_pass, device=fake.device).clamp(max=num_frames - 1)
                passes.append(network(fake_frames[indices], real_frames[indices]))
        return torch.cat(passes)[:num_frames].unflatten(0, (len(fake), fake.shape[2]))

    def load(self) -> "PerceptualDistance":
        """The frozen network; finds and loads the weights the first time, without drawing random numbers.

        Raises: FileNotFoundError if there is no weight file, ValueError if it is not the right one.
        """
        if self._network is None:
            with torch.inference_mode(False):  # tensors made in that mode could not be used outside it
                self._network = self._build().eval().requires_grad_(False)
        return self._network

    def _build(self) -> "PerceptualDistance":
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
            network = PerceptualDistance()
        alexnet = load_weights(find_weights(self.weight_file, self.weights))
        state = {name: value for name, value in alexnet.items() if name.startswith("features.")}
        fitted = load_weights(find_weights(LPIPS_ALEX))
        state |= {f"heads.{layer}": fitted[f"lin{layer}.model.1.weight"] for layer in range(len(CHANNELS))}
        load_into(network, state)
        return network


class PerceptualDistance(nn.Module):
    """Two uint8 batches of frames (N, 3 or 1, H, W) -> float32 distances (N,)."""

    def __init__(self) -> None:
        super().__init__()
        # torchvision's AlexNet up to its last convolution, its places in `features` included.
        self.features = nn.ModuleDict(
            {
                "0": nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
                "3": nn.Conv2d(64, 192, kernel_size=5, padding=2),
                "6": nn.Conv2d(192, 384, kernel_size=3, padding=1),
                "8": nn.Conv2d(384, 256, kernel_size=3, padding=1),
                "10": nn.Conv2d(256, 256, kernel_size=3, padding=1),
            }
        )
        self.heads = nn.ParameterList([nn.Parameter(torch.empty(1, channels, 1, 1)) for channels in CHANNELS])

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Distances (N,)."""
        layers = zip(self.heads, self.directions(fake), self.directions(real), strict=True)
        return sum((F.conv2d((a - b) ** 2, head).mean(dim=(1, 2, 3)) for head, a, b in layers), torch.zeros(()))

    def directions(self, frames: Tensor) -> list[Tensor]:
        """The five layers' features of uint8 frames, each position's divided by their norm: (N, C_l, H_l, W_l)."""
        x = frames.float().expand(-1, 3, -1, -1) / 127.5 - 1
        shift, scale = x.new_tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]])[:, None, :, None, None]
        x = (x - shift) / scale
        layers = []
        for place, convolution in self.features.items():
            if place in ("3", "6"):
                x = F.max_pool2d(x, kernel_size=3, stride=2)
            x = F.relu(convolution(x))
            layers.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return layers
