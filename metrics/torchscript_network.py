"""The feature networks that StyleGAN-V published as TorchScript programs: I3D for FVD, C3D for the Inception score.

A program is run, not read, so only the two files of the table (`metrics.weight_files`) are loaded, after the check of
their digest.
"""

import torch
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork
from metrics.weight_files import C3D_UCF101_TORCHSCRIPT, I3D_TORCHSCRIPT
from metrics.weights import load_program


class I3DTorchScriptNetwork(FeatureNetwork):
    """Clip features of FVD as StyleGAN-V: I3D Kinetics-400 with TF Hub's weights ("fvd", 400).

    Unterthiner et al. 2018 (arXiv:1812.01717); Skorokhodov et al. 2022 (arXiv:2112.14683), whose call this is:

        detector(clips, rescale=True, resize=True, return_features=True)    clips uint8 (N, 3, T, H, W)

    The program makes x / 127.5 - 1 of the clips, stretches them to 224 x 224 and gives the 400 class scores before the
    softmax, mean over time.  Its authors found its features within 3e-4 (L2) of TensorFlow's, and the FVD
    within 1e-6.  Needs at least 10 frames; 16 are usual.

    Args:
        weights: path of `i3d_torchscript.pt`; None looks in the cache and downloads it.
        frames_per_pass: see `FeatureNetwork`.
        resize: None leaves the frames' size to the program; else it gets frames of 224 x 224 made so.
    """

    name = "i3d_torchscript"
    num_features = {"fvd": 400}  # noqa: RUF012
    input_size = 224
    min_frames = 10
    channels_last = False
    frames_per_pass_on_cpu = 32
    weight_file = I3D_TORCHSCRIPT

    @property
    def resize(self) -> str:
        """How a frame gets to the network's size, in words, for the card."""
        return "224x224, by i3d_torchscript.pt itself, stretched" if self.resizer is None else str(self.resizer)

    def build(self) -> nn.Module:
        """The published program."""
        return load_program(self.weight_file, self.weights)

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """400 features of every clip.

        Raises: ValueError if the program gives anything else.
        """
        alone = self.resizer is None
        x = clips.contiguous() if alone else self.resized_clips(clips)
        with torch.jit.optimized_execution(False):  # the first passes would be rounded otherwise than the later ones
            rows = network(x, rescale=True, resize=alone, return_features=True)
        return {"fvd": _checked(self, rows, len(clips), self.num_features["fvd"])}


class C3DTorchScriptNetwork(FeatureNetwork):
    """Logits of clips for the Inception score as StyleGAN-V (`isv2048_ucf`): C3D of UCF-101 ("is", 101 classes).

    Skorokhodov et al. 2022 (arXiv:2112.14683): detector(clips), uint8 (N, 3, 16, H, W), which resizes by itself and
    gives probabilities; their logarithms are the logits here, of which the softmax gives them back.  Its authors call
    it a copy of TGANv2's network, see `metrics.c3d.C3DNetwork`.  Takes clips of exactly 16 frames.

    Args:
        weights: path of `c3d_ucf101.pt`; None looks in the cache and downloads it.
        frames_per_pass: see `FeatureNetwork`.
        resize: None leaves the frames' size to the program; else it gets frames of 112 x 112 made so.
    """

    name = "c3d_ucf101_torchscript"
    num_features = {"is": 101}  # noqa: RUF012
    logits_of = "clips"
    input_size = 112
    min_frames = max_frames = 16
    channels_last = False
    frames_per_pass_on_cpu = 32
    weight_file = C3D_UCF101_TORCHSCRIPT

    @property
    def resize(self) -> str:
        """How a frame gets to the network's size, in words, for the card."""
        return "112x112, by c3d_ucf101.pt itself" if self.resizer is None else str(self.resizer)

    def build(self) -> nn.Module:
        """The published program."""
        return load_program(self.weight_file, self.weights)

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        """101 logits of every clip.

        Raises: ValueError if the program gives no probabilities of 101 classes.
        """
        x = clips.contiguous() if self.resizer is None else self.resized_clips(clips)
        with torch.jit.optimized_execution(False):  # the first passes would be rounded otherwise than the later ones
            rows = _checked(self, network(x), len(clips), self.num_features["is"])
        if (rows < 0).any() or (rows.sum(dim=1) - 1).abs().max() > 1e-3:
            raise ValueError(f"{self.name} gave no probabilities; is {self.weight_file.file_name} the published file?")
        return {"is": rows.clamp_min(torch.finfo(rows.dtype).tiny).log()}


def _checked(network: FeatureNetwork, rows: Tensor, num_clips: int, num_features: int) -> Tensor:
    """The rows that a program gave, float32, if they are what it is known to give."""
    if not isinstance(rows, Tensor) or rows.shape != (num_clips, num_features):
        shape = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
        raise ValueError(
            f"{network.name} gave {shape} for {num_clips} clips, and should give ({num_clips}, {num_features}); "
            f"is {network.weight_file.file_name} the published file?"
        )
    return rows.float()
