"""The Inception network of the FID paper, "Inception 2015-12-05", under the names of torch-fidelity's weight file.

It is Inception V3 (Szegedy et al. 2015, arXiv:1512.00567) as TensorFlow shipped it in December 2015, with 1008 classes.
It differs from later versions: average pooling inside the blocks leaves the border out of the mean, the last block
pools by maximum, and images are resized the way TensorFlow 1 did.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork
from metrics.inception_blocks import BlockA, BlockB, BlockC, BlockD, BlockE, Conv
from metrics.weights import INCEPTION_2015_12_05, file_sha256, find_weights, load_into, load_weights


class InceptionV3Network(FeatureNetwork):
    """Frame features of FID: Inception 2015-12-05, 2048 numbers a frame ("fid").

    Frame -> 299 x 299, TensorFlow 1 bilinear -> (x - 128) / 128 -> network -> mean over positions.  Agrees with
    torch-fidelity to float32 rounding.

    Args:
        weights: path of `weights-inception-2015-12-05-6726825d.pth`; None looks in the cache and downloads it.
        frames_per_pass: see `FeatureNetwork`.
    """

    name = "inception_2015_12_05"
    published = True
    num_features = {"fid": 2048}  # noqa: RUF012
    resize = "299x299, bilinear as TensorFlow 1, stretched"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weight file, which is found or downloaded for it."""
        return file_sha256(find_weights(INCEPTION_2015_12_05, self.weights))

    def build(self) -> nn.Module:
        """`InceptionV3` with the published weights."""
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
            network = InceptionV3()
        load_into(network, load_weights(find_weights(INCEPTION_2015_12_05, self.weights)))
        return network

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """2048 features of every frame."""
        frames = clips.transpose(1, 2).flatten(0, 1)  # (N * T, 3, H, W)
        return {"fid": network(frames)}


def resize_bilinear_tf1(images: Tensor, size: int) -> Tensor:
    """Resize (N, C, H, W) floats to (N, C, size, size) as TensorFlow 1's `resize_bilinear` did.

    Output pixel i lies at i * (input size / size): the corners' edges are aligned, not the pixels' centres, and nothing
    is smoothed when an image shrinks.
    """
    for axis in (2, 3):
        length = images.shape[axis]
        position = torch.arange(size, device=images.device, dtype=torch.float32) * (length / size)
        below = position.long()
        above = (below + 1).clamp(max=length - 1)
        weight = (position - below).view(-1, *[1] * (3 - axis))
        low, high = images.index_select(axis, below), images.index_select(axis, above)
        images = low + (high - low) * weight  # (N, C, size, W), then (N, C, size, size)
    return images


class InceptionV3(nn.Module):
    """Inception 2015-12-05: uint8 frames (N, 3, H, W) -> float32 features (N, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding="same")
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = BlockA(192, pool_features=32)
        self.Mixed_5c = BlockA(256, pool_features=64)
        self.Mixed_5d = BlockA(288, pool_features=64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, width=128)
        self.Mixed_6c = BlockC(768, width=160)
        self.Mixed_6d = BlockC(768, width=160)
        self.Mixed_6e = BlockC(768, width=192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, max_pool=False)
        self.Mixed_7c = BlockE(2048, max_pool=True)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, frames: Tensor) -> Tensor:
        """Features (N, 2048)."""
        x = (resize_bilinear_tf1(frames.float(), 299) - 128) / 128  # (N, 3, 299, 299)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (N, 64, 147, 147)
        x = F.max_pool2d(x, kernel_size=3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))  # (N, 192, 71, 71)
        x = F.max_pool2d(x, kernel_size=3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (N, 288, 35, 35)
        x = self.Mixed_6b(self.Mixed_6a(x))  # (N, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(x)))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (N, 2048, 8, 8)
        return x.mean(dim=(2, 3))

    def logits_unbiased(self, features: Tensor) -> Tensor:
        """Class scores (N, 1008) without the classifier's bias, as the Inception Score uses them."""
        return features @ self.fc.weight.T
