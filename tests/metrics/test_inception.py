from pathlib import Path

import pytest
import torch
from torch import Tensor

from metrics import inception
from metrics.inception import InceptionV3, InceptionV3Network, resize_bilinear_tf1
from metrics.weights import WeightFile, file_sha256
from tests.metrics.conftest import Golden
from tests.metrics.named_weights import named_weights


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    network = InceptionV3().eval()
    network.load_state_dict(named_weights(network))
    return network


def frames(golden: Golden, case: str) -> Tensor:
    return golden[f"inception_{case}_input"].permute(0, 3, 1, 2)  # (N, 3, H, W)


@pytest.mark.parametrize("case", ["a", "c"])
def test_agrees_with_torch_fidelity(network: InceptionV3, golden: Golden, case: str) -> None:
    """a: 64 x 64, enlarged.  c: 200 x 320, enlarged in one direction and reduced in the other."""
    check_agreement(network, golden, case)


def test_agrees_with_torch_fidelity_at_the_native_size(network: InceptionV3, all_golden: Golden) -> None:
    check_agreement(network, all_golden, "b")


def check_agreement(network: InceptionV3, golden: Golden, case: str) -> None:
    with torch.no_grad():
        features = network(frames(golden, case))
        logits = network.logits_unbiased(features)
    torch.testing.assert_close(features, golden[f"inception_{case}_2048"], rtol=0, atol=1e-4)
    torch.testing.assert_close(logits, golden[f"inception_{case}_logits_unbiased"], rtol=0, atol=1e-4)


def test_the_published_network_measures_clips(
    network: InceptionV3, golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    monkeypatch.setattr(
        inception, "INCEPTION_2015_12_05", WeightFile("weights.pth", "https://invalid", file_sha256(path))
    )
    measured = InceptionV3Network(path)
    assert (measured.name, measured.published) == ("inception_2015_12_05", True)
    assert measured.weights_sha256 == file_sha256(path)
    before = torch.get_rng_state()
    clips = frames(golden, "a").unflatten(0, (2, 2)).transpose(1, 2)  # (2, 3, 2, H, W)
    features = measured(clips)["fid"]
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(features, golden["inception_a_2048"], rtol=0, atol=1e-4)


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.pth"
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    monkeypatch.setattr(
        inception, "INCEPTION_2015_12_05", WeightFile("other.pth", "https://invalid", file_sha256(path))
    )
    with pytest.raises(ValueError, match=r"The weights do not fit InceptionV3: .*Missing key"):
        InceptionV3Network(path).load()


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match=r"should have 6726825d0af5f729\.\.\. Give the published file"):
        InceptionV3Network(path).load()


def test_resize_as_tensorflow_1() -> None:
    """Pixel i of the result lies at i * input / output of the input, and the last pixel repeats."""
    row = torch.tensor([0.0, 10.0, 20.0])[None, None, None]
    enlarged = resize_bilinear_tf1(row.expand(1, 1, 3, 3), 6)
    assert enlarged.shape == (1, 1, 6, 6)
    torch.testing.assert_close(enlarged[0, 0, 0], torch.tensor([0.0, 5.0, 10.0, 15.0, 20.0, 20.0]))
    ramp = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(resize_bilinear_tf1(ramp, 2), ramp[:, :, ::2, ::2])
    assert torch.equal(resize_bilinear_tf1(ramp, 4), ramp)
