"""With a narrow C3D and files of its size: the published ones are large and not to be had everywhere."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.c3d import C3D, MEAN_SHAPE, C3DNetwork, C3DTGANNetwork
from metrics.resizing import Resize
from metrics.weight_digests import file_sha256
from tests.metrics.named_weights import named_weights

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    """A C3D two channels wide under Chainer's names."""
    state = named_weights(C3D(width=2))
    return {name.replace(".weight", "/W").replace(".bias", "/b"): value.numpy() for name, value in state.items()}


@pytest.fixture
def files(arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Both files, known as the published ones, of a network that is as narrow."""
    weights, mean = tmp_path / "conv3d_deepnetA_ucf.npz", tmp_path / "mean2.npz"
    np.savez(weights, **arrays)
    np.savez(mean, mean=mean_clip().numpy()[None])
    for network in (C3DNetwork, C3DTGANNetwork):
        monkeypatch.setattr(network, "weight_file", replace(network.weight_file, sha256=file_sha256(weights)))
        monkeypatch.setattr(network, "mean_file", replace(network.mean_file, sha256=file_sha256(mean)))
        monkeypatch.setattr(network, "num_features", {"fvd": 128, "is": 101})
        monkeypatch.setattr(network, "width", 2)
    return {"weights": weights, "mean": mean}


def mean_clip() -> Tensor:
    """Each number tells its place."""
    return torch.arange(3 * 16 * 128 * 171, dtype=torch.float32).view(MEAN_SHAPE) % 251


def random_clips(num_clips: int, height: int = 20, width: int = 24) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num_clips, 3, 16, height, width), generator=rng, dtype=torch.uint8)


def features_of(arrays: Arrays, x: Tensor) -> tuple[Tensor, Tensor]:
    """fc7 and fc8 of prepared clips, layer by layer as TGANv2 lists them."""
    w = {name: torch.from_numpy(value) for name, value in arrays.items()}
    for layer in ("conv1a", "pool2d", "conv2a", "pool", "conv3a", "conv3b", "pool", "conv4a", "conv4b", "pool"):
        if layer.startswith("pool"):
            x = F.max_pool3d(x, (1, 2, 2) if layer == "pool2d" else 2, ceil_mode=True)
        else:
            x = F.relu(F.conv3d(x, w[f"{layer}/W"], w[f"{layer}/b"], padding=1))
    for layer in ("conv5a", "conv5b"):
        x = F.relu(F.conv3d(x, w[f"{layer}/W"], w[f"{layer}/b"], padding=1))
    x = F.max_pool3d(x, 2, ceil_mode=True).reshape(len(x), -1)
    for layer in ("fc6", "fc7"):
        x = F.relu(x @ w[f"{layer}/W"].T + w[f"{layer}/b"])
    return x, x @ w["fc8/W"].T + w["fc8/b"]


def test_the_shapes_of_the_published_weights() -> None:
    """As TGANv2's program declares them."""
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in C3D().state_dict().items()}
    convolutions = {"conv1a": (64, 3), "conv2a": (128, 64), "conv3a": (256, 128), "conv3b": (256, 256)}
    convolutions |= {"conv4a": (512, 256), "conv4b": (512, 512), "conv5a": (512, 512), "conv5b": (512, 512)}
    expected = {f"{name}.weight": (*channels, 3, 3, 3) for name, channels in convolutions.items()}
    expected |= {"fc6.weight": (4096, 8192), "fc7.weight": (4096, 4096), "fc8.weight": (101, 4096)}
    expected |= {name.replace("weight", "bias"): shape[:1] for name, shape in expected.items()}
    assert shapes == expected


def test_tganv2(arrays: Arrays, files: dict[str, Path]) -> None:
    """Corners aligned, straight to 112; blue first; the mean from row 8 and column 8 on."""
    network, clips = C3DNetwork(**files), random_clips(2)
    before = torch.get_rng_state()
    rows = network(clips)
    assert torch.equal(torch.get_rng_state(), before)
    frames = clips.transpose(1, 2).flatten(0, 1).float()
    resized = F.interpolate(frames, size=(112, 112), mode="bilinear", align_corners=True)
    x = resized.unflatten(0, (2, 16)).transpose(1, 2)[:, [2, 1, 0]] - mean_clip()[:, :, 8:120, 8:120]
    features, logits = features_of(arrays, x)
    torch.testing.assert_close(rows["fvd"], features, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(rows["is"], logits, rtol=1e-4, atol=1e-3)
    assert (features > 0).float().mean() > 0.2  # the comparison is about something
    assert network.resize == "112x112, bilinear, corners aligned, stretched"


def test_tgan(arrays: Arrays, files: dict[str, Path]) -> None:
    """Bicubic to 128; less the mean's columns 21 to 148; then the middle 112."""
    network, clips = C3DTGANNetwork(**files), random_clips(1)
    frames = clips.transpose(1, 2).flatten(0, 1).float()
    resized = F.interpolate(frames, size=(128, 128), mode="bicubic", align_corners=False)
    x = resized.unflatten(0, (1, 16)).transpose(1, 2)[:, [2, 1, 0]] - mean_clip()[:, :, :, 21 : 21 + 128]
    features, logits = features_of(arrays, x[..., 8 : 8 + 112, 8 : 8 + 112])
    rows = network(clips)
    torch.testing.assert_close(rows["fvd"], features, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(rows["is"], logits, rtol=1e-4, atol=1e-3)
    assert network.resize == "128x128, bicubic, not antialiased, stretched, middle 112x112 cut out"


def test_names_and_digest(files: dict[str, Path]) -> None:
    assert (C3DNetwork.name, C3DTGANNetwork.name) == ("c3d_ucf101", "c3d_ucf101_tgan")
    assert C3DNetwork.logits_of == "clips"
    both = file_sha256(files["weights"]) + file_sha256(files["mean"])
    assert C3DNetwork(**files).weights_sha256 == hashlib.sha256(both.encode()).hexdigest()


@pytest.mark.parametrize("frames_per_pass", [16, 48])
def test_size_of_a_pass_does_not_matter(files: dict[str, Path], frames_per_pass: int) -> None:
    clips = random_clips(3)
    expected = C3DNetwork(**files)(clips)
    rows = C3DNetwork(**files, frames_per_pass=frames_per_pass)(clips)
    for name in ("fvd", "is"):
        torch.testing.assert_close(rows[name], expected[name], rtol=1e-4, atol=1e-3)


def test_mistakes_are_refused(files: dict[str, Path]) -> None:
    for num_frames in (8, 32):
        clips = torch.zeros(1, 3, num_frames, 8, 8, dtype=torch.uint8)
        with pytest.raises(ValueError, match=f"c3d_ucf101 needs clips of exactly 16 frames; got {num_frames}"):
            C3DNetwork(**files)(clips)
    with pytest.raises(ValueError, match="c3d_ucf101 takes frames of 112x112 pixels; got a resize to 128"):
        C3DNetwork(resize=Resize(128, "bicubic"))


@pytest.mark.filterwarnings("ignore:nobody publishes")
def test_other_files_are_refused(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, mean=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz has SHA-256 .* Give the published file"):
        C3DNetwork(files["weights"], mean=other).load()
    for row in ("weight_file", "mean_file"):
        monkeypatch.setattr(C3DNetwork, row, replace(getattr(C3DNetwork, row), sha256=None))
    with pytest.raises(ValueError, match=r"other\.npz holds no array `mean` of 3 x 16 x 128 x 171 numbers"):
        C3DNetwork(files["weights"], mean=other).load()
    with pytest.raises(ValueError, match=r"and conv3d_deepnetA_ucf\.npz had .* when it was first used here"):
        C3DNetwork(other, mean=files["mean"]).load()


def test_weights_of_another_network_are_refused(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    other = files["mean"]
    monkeypatch.setattr(C3DNetwork, "weight_file", replace(C3DNetwork.weight_file, sha256=file_sha256(other)))
    with pytest.raises(ValueError, match=r"The weights do not fit C3D: .*Missing key.*conv1a\.weight"):
        C3DNetwork(other, mean=other).load()
