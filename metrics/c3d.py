"""C3D of UCF-101, the network of the Inception score of TGAN and TGANv2, from their npz files.

C3D (Tran et al. 2015, arXiv:1412.0767) as Facebook trained it on Sports-1M and then on UCF-101, converted from Caffe.
"""

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork
from metrics.resizing import Resize
from metrics.weight_digests import file_sha256
from metrics.weight_files import C3D_UCF101, C3D_UCF101_MEAN
from metrics.weights import find_weights, load_arrays, load_into

MEAN_SHAPE = (3, 16, 128, 171)  # the mean clip: blue, green, red; frames; height; width


class C3DNetwork(FeatureNetwork):
    """Logits ("is", 101) and features ("fvd", 4096) of clips as TGANv2: C3D of UCF-101.

    Saito et al. 2020 (arXiv:1811.09245).  Frame -> 112 x 112, bilinear with aligned corners, stretched -> blue, green,
    red -> less the mean clip, of which rows and columns 8 to 119 are taken -> network: fc8 before the softmax, and fc7
    after its ReLU.  A pixel is what TGANv2 calls 128 x + 128.  Takes clips of exactly 16 frames.

    Args:
        weights: path of `conv3d_deepnetA_ucf.npz`; None looks in the cache and downloads it.
        frames_per_pass, resize: see `FeatureNetwork`.
        mean: path of `mean2.npz`; None looks in the cache and downloads it.
    """

    name = "c3d_ucf101"
    num_features = {"fvd": 4096, "is": 101}  # noqa: RUF012
    logits_of = "clips"
    default_resize = Resize(112, "bilinear_corners")
    input_size = 112
    min_frames = max_frames = 16
    frames_per_pass_on_cpu = 32
    weight_file = C3D_UCF101
    mean_file = C3D_UCF101_MEAN
    mean_offset = (8, 8)  # row and column where the mean's 112 x 112 pixels begin
    width = 64

    def __init__(
        self,
        weights: str | Path | None = None,
        frames_per_pass: int | None = None,
        resize: Resize | None = None,
        mean: str | Path | None = None,
    ) -> None:
        super().__init__(weights, frames_per_pass, resize)
        self.mean = mean

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the two files' SHA-256, one after the other in hexadecimal; finds or downloads the files."""
        digests = file_sha256(self.find_weights()) + file_sha256(find_weights(self.mean_file, self.mean))
        return hashlib.sha256(digests.encode()).hexdigest()

    def build(self) -> nn.Module:
        """`C3D` with the published weights and mean.

        Raises: ValueError if the files do not hold them.
        """
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
            network = C3D(self.width)
        # Chainer's names: "conv1a/W" and "conv1a/b".
        arrays = load_arrays(self.find_weights())
        names = {f"{name}.{kind}": f"{name}/{letter}" for name in LAYERS for kind, letter in PARAMETERS.items()}
        load_into(network, {ours: arrays[theirs] for ours, theirs in names.items() if theirs in arrays})
        network.mean = self._mean_clip()
        return network

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """4096 features and 101 logits of every clip."""
        assert isinstance(network, C3D)
        features = network(self.centre(self.resized_clips(clips)).flip(1) - network.mean)
        return {"fvd": features, "is": network.fc8(features)}

    def centre(self, clips: Tensor) -> Tensor:
        """The middle 112 x 112 pixels of clips (N, 3, 16, H, W)."""
        top, left = ((size - 112) // 2 for size in clips.shape[3:])
        return clips[..., top : top + 112, left : left + 112]

    def _mean_clip(self) -> Tensor:
        path = find_weights(self.mean_file, self.mean)
        mean = load_arrays(path).get("mean")
        if mean is None or mean.numel() != torch.Size(MEAN_SHAPE).numel():
            raise ValueError(f"{path} holds no array `mean` of {' x '.join(map(str, MEAN_SHAPE))} numbers.")
        row, column = self.mean_offset
        return mean.float().view(MEAN_SHAPE)[:, :, row : row + 112, column : column + 112].clone()


class C3DTGANNetwork(C3DNetwork):
    """Logits ("is", 101) and features ("fvd", 4096) of clips as TGAN: C3D of UCF-101, prepared otherwise.

    Saito et al. 2017 (arXiv:1611.06624).  Frame -> 128 x 128, bicubic as OpenCV, stretched -> its middle 112 x 112
    pixels -> less the middle of the mean clip; the rest is `C3DNetwork`'s.

    Args: as `C3DNetwork`.
    """

    name = "c3d_ucf101_tgan"
    default_resize = Resize(128, "bicubic")
    input_size = 128
    mean_offset = (8, 29)

    @property
    def resize(self) -> str:
        """How a frame gets to the network's size, in words, for the card."""
        return f"{self.resizer}, middle 112x112 cut out"


LAYERS = ("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b", "fc6", "fc7", "fc8")
PARAMETERS = {"weight": "W", "bias": "b"}


class C3D(nn.Module):
    """C3D: float32 clips (N, 3, 16, 112, 112), less the mean clip -> fc7's features (N, 64 * width), not negative.

    Args:
        width: channels of the first layer; 64 in the paper.
    """

    mean: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1a = _convolution(3, width)
        self.conv2a = _convolution(width, 2 * width)
        self.conv3a = _convolution(2 * width, 4 * width)
        self.conv3b = _convolution(4 * width, 4 * width)
        self.conv4a = _convolution(4 * width, 8 * width)
        self.conv4b = _convolution(8 * width, 8 * width)
        self.conv5a = _convolution(8 * width, 8 * width)
        self.conv5b = _convolution(8 * width, 8 * width)
        self.fc6 = nn.Linear(8 * width * 4 * 4, 64 * width)
        self.fc7 = nn.Linear(64 * width, 64 * width)
        self.fc8 = nn.Linear(64 * width, 101)
        self.register_buffer("mean", torch.zeros(3, 16, 112, 112), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, 64 * width)."""
        x = F.max_pool3d(F.relu(self.conv1a(x)), kernel_size=(1, 2, 2))  # (N, w, 16, 56, 56)
        x = F.max_pool3d(F.relu(self.conv2a(x)), kernel_size=2)  # (N, 2w, 8, 28, 28)
        x = F.max_pool3d(F.relu(self.conv3b(F.relu(self.conv3a(x)))), kernel_size=2)  # (N, 4w, 4, 14, 14)
        x = F.max_pool3d(F.relu(self.conv4b(F.relu(self.conv4a(x)))), kernel_size=2)  # (N, 8w, 2, 7, 7)
        x = F.relu(self.conv5b(F.relu(self.conv5a(x))))
        x = F.max_pool3d(x, kernel_size=2, ceil_mode=True)  # (N, 8w, 1, 4, 4): Caffe's and Chainer's windows cover all
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))


def _convolution(in_channels: int, out_channels: int) -> nn.Conv3d:
    return nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1)
