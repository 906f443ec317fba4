"""With small programs that are called as the published ones are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from metrics import weights
from metrics.feature_network import FeatureNetwork
from metrics.resizing import Resize
from metrics.torchscript_network import C3DTorchScriptNetwork, I3DTorchScriptNetwork
from metrics.weight_digests import file_sha256


class Detector(nn.Module):
    """As i3d_torchscript.pt: 400 numbers, of which the first tell what came in."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        whole = x.dtype == torch.uint8
        size = x.shape[4]
        x = x.float()
        if rescale:
            x = x / 255 * 2 - 1
        mean = x.mean(dim=(2, 3, 4))  # (N, 3)
        flags = torch.tensor([float(whole), float(resize), float(return_features), float(size)])
        return torch.cat([mean, flags.expand(len(x), 4), torch.zeros(len(x), 393)], dim=1)


class Classifier(nn.Module):
    """As c3d_ucf101.pt: probabilities of 101 classes."""

    def forward(self, x: Tensor) -> Tensor:
        scores = x.float().mean(dim=(1, 2, 3, 4))[:, None] * torch.arange(101) / 100
        return scores.softmax(dim=1)


class Logits(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.float().mean(dim=(1, 2, 3, 4))[:, None] * torch.arange(101)


class Image(nn.Module):
    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        return x.float()[:, :, 0, :2, :2]


Publish = Callable[[type[FeatureNetwork], nn.Module], Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Makes a program the published one of a network; its path."""

    def publish(network: type[FeatureNetwork], program: nn.Module) -> Path:
        path = tmp_path / network.weight_file.file_name
        torch.jit.script(program).save(path)
        known = replace(network.weight_file, sha256=file_sha256(path), urls=("file:///nowhere",))
        monkeypatch.setattr(network, "weight_file", known)
        monkeypatch.setattr(weights, "WEIGHT_FILES", (known,))
        return path

    return publish


def random_clips(num_clips: int, num_frames: int = 16, height: int = 12, width: int = 20) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num_clips, 3, num_frames, height, width), generator=rng, dtype=torch.uint8)


def test_i3d_is_called_as_stylegan_v_calls_it(publish: Publish) -> None:
    path = publish(I3DTorchScriptNetwork, Detector())
    network = I3DTorchScriptNetwork(path)
    assert (network.name, network.weights_sha256) == ("i3d_torchscript", file_sha256(path))
    assert network.resize == "224x224, by i3d_torchscript.pt itself, stretched"
    clips = random_clips(3)
    rows = network(clips)["fvd"]
    assert rows.shape == (3, 400)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows[:, :3], clips.float().mean(dim=(2, 3, 4)) / 127.5 - 1, rtol=0, atol=1e-5)
    assert rows[0, 3:7].tolist() == [1, 1, 1, 20]  # uint8, resize, return_features, width


def test_i3d_with_frames_resized_here(publish: Publish) -> None:
    network = I3DTorchScriptNetwork(publish(I3DTorchScriptNetwork, Detector()), resize=Resize(224, crop=True))
    assert network.resize == "224x224, bilinear, not antialiased, short side scaled, middle cut out"
    clips = random_clips(1)
    rows = network(clips)["fvd"]
    expected = Resize(224, crop=True)(clips[0].transpose(0, 1)).mean(dim=(0, 2, 3)) / 127.5 - 1
    torch.testing.assert_close(rows[0, :3], expected, rtol=0, atol=1e-5)
    assert rows[0, 3:7].tolist() == [0, 0, 1, 224]


@pytest.mark.parametrize("frames_per_pass", [16, 48, 160])
def test_size_of_a_pass_does_not_matter(publish: Publish, frames_per_pass: int) -> None:
    path = publish(I3DTorchScriptNetwork, Detector())
    clips = random_clips(5)
    expected = I3DTorchScriptNetwork(path)(clips)["fvd"]
    rows = I3DTorchScriptNetwork(path, frames_per_pass)(clips)["fvd"]
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-6)


def test_c3d_gives_logits_of_its_probabilities(publish: Publish) -> None:
    network = C3DTorchScriptNetwork(publish(C3DTorchScriptNetwork, Classifier()))
    assert (network.name, network.logits_of) == ("c3d_ucf101_torchscript", "clips")
    assert network.resize == "112x112, by c3d_ucf101.pt itself"
    clips = random_clips(2)
    logits = network(clips)["is"]
    assert logits.shape == (2, 101)
    assert logits.isfinite().all()  # some probabilities are smaller than float32 holds
    torch.testing.assert_close(logits.softmax(dim=1), Classifier()(clips))


def test_c3d_with_frames_resized_here(publish: Publish) -> None:
    network = C3DTorchScriptNetwork(publish(C3DTorchScriptNetwork, Classifier()), resize=Resize(112))
    clips = random_clips(1)
    torch.testing.assert_close(network(clips)["is"].softmax(dim=1), Classifier()(network.resized_clips(clips)))


def test_what_the_programs_are_not_known_to_give_is_refused(publish: Publish) -> None:
    path = publish(C3DTorchScriptNetwork, Logits())
    with pytest.raises(ValueError, match=r"c3d_ucf101_torchscript gave no probabilities; is c3d_ucf101\.pt the"):
        C3DTorchScriptNetwork(path)(random_clips(2))
    path = publish(I3DTorchScriptNetwork, Image())
    with pytest.raises(ValueError, match=r"gave \(2, 3, 2, 2\) for 2 clips, and should give \(2, 400\)"):
        I3DTorchScriptNetwork(path, frames_per_pass=32)(random_clips(2))


def test_another_program_is_not_run(tmp_path: Path) -> None:
    for network in (I3DTorchScriptNetwork, C3DTorchScriptNetwork):
        assert network.weight_file in weights.WEIGHT_FILES
    path = tmp_path / "i3d_torchscript.pt"
    torch.jit.script(Detector()).save(path)
    with pytest.raises(ValueError, match=r"should have bec6519f66ea534e\.\.\. Give the published file"):
        I3DTorchScriptNetwork(path).load()


def test_lengths() -> None:
    with pytest.raises(ValueError, match="i3d_torchscript needs clips of at least 10 frames; got 9"):
        I3DTorchScriptNetwork()(random_clips(1, num_frames=9))
    for num_frames in (15, 17):
        with pytest.raises(ValueError, match=f"needs clips of exactly 16 frames; got {num_frames}"):
            C3DTorchScriptNetwork()(random_clips(1, num_frames=num_frames))
    with pytest.raises(ValueError, match="c3d_ucf101_torchscript takes frames of 112x112 pixels; got a resize to 224"):
        C3DTorchScriptNetwork(resize=Resize(224))
