from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from metrics.i3d import I3D, I3DNetwork, I3DPretrained400Network
from metrics.resizing import Resize
from metrics.weight_digests import file_sha256
from tests.metrics.conftest import Golden
from tests.metrics.named_weights import named_weights


@pytest.fixture(scope="module")
def network() -> I3D:
    network = I3D().eval()
    network.load_state_dict(named_weights(network))
    return network


@pytest.fixture(scope="module")
def file(network: I3D, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As old as the published files, which count no batches."""
    path = tmp_path_factory.mktemp("i3d") / "weights.pt"
    torch.save({k: v for k, v in network.state_dict().items() if "num_batches_tracked" not in k}, path)
    return path


@pytest.fixture
def weights(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, known as the published one of both networks."""
    for each in (I3DNetwork, I3DPretrained400Network):
        known = replace(each.weight_file, sha256=file_sha256(file), git_blob=None)
        monkeypatch.setattr(each, "weight_file", known)
    return file


def golden_clips(golden: Golden, case: str) -> Tensor:
    return golden[f"i3d_{case}_input"].permute(0, 4, 1, 2, 3)  # (N, 3, T, H, W)


def test_agrees_with_the_reference(weights: Path, golden: Golden) -> None:
    check_agreement(weights, golden, "a")


def test_agrees_with_the_reference_on_long_wide_clips(weights: Path, all_golden: Golden) -> None:
    check_agreement(weights, all_golden, "b")


def check_agreement(weights: Path, golden: Golden, case: str) -> None:
    before = torch.get_rng_state()
    features = I3DNetwork(weights)(golden_clips(golden, case))["fvd"]
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(features, golden[f"i3d_{case}_logits"], rtol=0, atol=1e-4)


def test_the_two_state_dicts_differ_in_epsilon(network: I3D, weights: Path, golden: Golden) -> None:
    """VideoGPT's copy of the architecture normalises with 1e-5, pytorch-i3d with 1e-3."""
    clips = golden_clips(golden, "a")
    features = I3DPretrained400Network(weights)(clips)["fvd"]
    state = network.state_dict()
    for name in [name for name in state if name.endswith("running_var")]:
        state[name] = state[name] + (1e-5 - 1e-3)  # so that I3D's own 1e-3 gives the same sum
    moved = I3D().eval()
    moved.load_state_dict(state)
    with torch.no_grad():
        expected = moved(I3DNetwork().resized_clips(clips) / 127.5 - 1)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-4)
    assert (features - golden["i3d_a_logits"]).abs().max() > 1e-3


def test_stretched_and_cut_clips_differ(weights: Path) -> None:
    clips = torch.zeros(1, 3, 9, 24, 40, dtype=torch.uint8)
    clips[..., :6] = clips[..., -6:] = 255  # what the cut leaves out, with the pixels that are mixed in
    black = I3DPretrained400Network(weights)(torch.zeros(1, 3, 9, 24, 24, dtype=torch.uint8))["fvd"]
    cut = I3DPretrained400Network(weights, resize=Resize(224, crop=True))
    torch.testing.assert_close(cut(clips)["fvd"], black)
    assert (I3DPretrained400Network(weights)(clips)["fvd"] - black).abs().max() > 0.1
    assert cut.resize == "224x224, bilinear, not antialiased, short side scaled, middle cut out"


def test_names_and_digest(weights: Path) -> None:
    assert (I3DNetwork.name, I3DPretrained400Network.name) == ("i3d_rgb_imagenet", "i3d_pretrained_400")
    assert I3DPretrained400Network(weights).weights_sha256 == file_sha256(weights)
    assert I3DNetwork().resize == I3DPretrained400Network().resize == "224x224, bilinear, not antialiased, stretched"


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rgb_imagenet.pt"
    torch.save({"logits.conv3d.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match=r"should have 2609088c2e8c8681\.\.\. Give the published file"):
        I3DNetwork(path).load()
    with pytest.raises(ValueError, match=r"is git object .*, and should be a867b87ac3a9097d\.\.\. Give the published"):
        I3DPretrained400Network(path).load()


def test_nine_frames_are_the_fewest(network: I3D) -> None:
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 9, 224, 224)).shape == (1, 400)
    with pytest.raises(ValueError, match="i3d_rgb_imagenet needs clips of at least 9 frames; got 8"):
        I3DNetwork()(torch.zeros(1, 3, 8, 16, 16, dtype=torch.uint8))


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="i3d_pretrained_400 takes frames of 224x224 pixels; got a resize to 112"):
        I3DPretrained400Network(resize=Resize(112))
