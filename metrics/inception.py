"""The Inception network of the FID paper, "Inception 2015-12-05", under the names of torch-fidelity's weight file.

It is Inception V3 (Szegedy et al. 2015, arXiv:1512.00567) as TensorFlow shipped it in December 2015, with 1008 classes.
It differs from later versions: average pooling inside the blocks leaves the border out of the mean, the last block
pools by maximum, and images are resized the way TensorFlow 1 did.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork
from metrics.folding import fold_normalisation
from metrics.inception_blocks import BlockA, BlockB, BlockC, BlockD, BlockE, Conv
from metrics.resizing import Resize
from metrics.weight_files import INCEPTION_2015_12_05
from metrics.weights import load_into, load_weights


class InceptionV3Network(FeatureNetwork):
    """Frame features of FID and KID, logits of the Inception score: Inception 2015-12-05.

    Frame -> 299 x 299, TensorFlow 1 bilinear -> (x - 128) / 128 -> network -> mean over positions: 2048 numbers a frame
    ("fid"), and from them 1008 class scores without the classifier's bias ("is"), as torch-fidelity takes them.  Agrees
    with torch-fidelity to float32 rounding.  With `Resize(299, "bicubic_pil")` the features are clean-fid's (Parmar et
    al. 2022, arXiv:2104.11222): the TensorFlow 1 file that it loads has these weights, too.

    Args:
        weights: path of `weights-inception-2015-12-05-6726825d.pth`; None looks in the cache and downloads it.
        frames_per_pass, resize: see `FeatureNetwork`.
    """

    name = "inception_2015_12_05"
    num_features = {"fid": 2048, "is": 1008}  # noqa: RUF012
    logits_of = "frames"
    default_resize = Resize(299, "bilinear_tf1")
    input_size = 299
    weight_file = INCEPTION_2015_12_05

    def build(self) -> nn.Module:
        """`InceptionV3` with the published weights, normalisation folded into the convolutions."""
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
            network = InceptionV3()
        load_into(network, load_weights(self.find_weights()))
        fold_normalisation(network.eval())
        return network

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """2048 features and 1008 logits of every frame."""
        assert isinstance(network, InceptionV3)
        features = network((self.resized_frames(clips) - 128) / 128)
        return {"fid": features, "is": network.logits_unbiased(features)}


class InceptionV3(nn.Module):
    """Inception 2015-12-05: float32 frames (N, 3, 299, 299) in [-1, 1) -> float32 features (N, 2048)."""

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

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, 2048)."""
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
