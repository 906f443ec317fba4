from pathlib import Path

import pytest
import torch

from metrics import i3d
from metrics.i3d import I3D, I3DNetwork
from metrics.weights import WeightFile, file_sha256
from tests.metrics.conftest import Golden
from tests.metrics.named_weights import named_weights


@pytest.fixture(scope="module")
def network() -> I3D:
    network = I3D().eval()
    network.load_state_dict(named_weights(network))
    return network


def test_agrees_with_the_reference(network: I3D, golden: Golden) -> None:
    check_agreement(network, golden, "a")


def test_agrees_with_the_reference_on_long_wide_clips(network: I3D, all_golden: Golden) -> None:
    check_agreement(network, all_golden, "b")


def check_agreement(network: I3D, golden: Golden, case: str) -> None:
    clips = golden[f"i3d_{case}_input"].permute(0, 4, 1, 2, 3)  # (N, 3, T, H, W)
    with torch.no_grad():
        logits = network(clips)
    torch.testing.assert_close(logits, golden[f"i3d_{case}_logits"], rtol=0, atol=1e-4)


def test_the_published_network_measures_clips(
    network: I3D, golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from a file as old as the published one, which counts no batches."""
    path = tmp_path / "rgb_imagenet.pt"
    torch.save({k: v for k, v in network.state_dict().items() if "num_batches_tracked" not in k}, path)
    monkeypatch.setattr(i3d, "I3D_KINETICS400", WeightFile("weights.pth", "https://invalid", file_sha256(path)))
    measured = I3DNetwork(path)
    assert (measured.name, measured.published) == ("i3d_kinetics400", True)
    assert measured.weights_sha256 == file_sha256(path)
    before = torch.get_rng_state()
    features = measured(golden["i3d_a_input"].permute(0, 4, 1, 2, 3))["fvd"]
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(features, golden["i3d_a_logits"], rtol=0, atol=1e-4)


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rgb_imagenet.pt"
    torch.save({"logits.conv3d.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match=r"should have 2609088c2e8c8681\.\.\. Give the published file"):
        I3DNetwork(path).load()


def test_nine_frames_are_the_fewest(network: I3D) -> None:
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 9, 16, 16, dtype=torch.uint8)).shape == (1, 400)
    with pytest.raises(ValueError, match="i3d_kinetics400 needs clips of at least 9 frames; got 8"):
        I3DNetwork()(torch.zeros(1, 3, 8, 16, 16, dtype=torch.uint8))
