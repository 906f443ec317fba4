from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from metrics.inception import InceptionV3, InceptionV3Network
from metrics.resizing import Resize
from metrics.weight_digests import file_sha256
from tests.metrics.conftest import Golden
from tests.metrics.named_weights import named_weights


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    network = InceptionV3().eval()
    network.load_state_dict(named_weights(network))
    return network


@pytest.fixture(scope="module")
def file(network: InceptionV3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def weights(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, known as the published one."""
    known = replace(InceptionV3Network.weight_file, sha256=file_sha256(file))
    monkeypatch.setattr(InceptionV3Network, "weight_file", known)
    return file


def frames(golden: Golden, case: str) -> Tensor:
    return golden[f"inception_{case}_input"].permute(0, 3, 1, 2)  # (N, 3, H, W)


def test_agrees_with_torch_fidelity(weights: Path, golden: Golden) -> None:
    """200 x 320, enlarged in one direction and reduced in the other; `test_measures_the_frames_of_clips`: 64 x 64."""
    check_agreement(weights, golden, "c")


def test_agrees_with_torch_fidelity_at_the_native_size(weights: Path, all_golden: Golden) -> None:
    check_agreement(weights, all_golden, "b")


def check_agreement(weights: Path, golden: Golden, case: str) -> None:
    before = torch.get_rng_state()
    rows = InceptionV3Network(weights, frames_per_pass=2)(frames(golden, case)[:, :, None])  # clips of one frame
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(rows["fid"], golden[f"inception_{case}_2048"], rtol=0, atol=1e-4)
    torch.testing.assert_close(rows["is"], golden[f"inception_{case}_logits_unbiased"], rtol=0, atol=1e-4)


def test_measures_the_frames_of_clips(weights: Path, golden: Golden) -> None:
    network = InceptionV3Network(weights, frames_per_pass=4)
    assert (network.name, network.logits_of) == ("inception_2015_12_05", "frames")
    assert network.weights_sha256 == file_sha256(weights)
    clips = frames(golden, "a").unflatten(0, (2, 2)).transpose(1, 2)  # (2, 3, 2, H, W)
    rows = network(clips)
    torch.testing.assert_close(rows["fid"], golden["inception_a_2048"], rtol=0, atol=1e-4)
    torch.testing.assert_close(rows["is"], golden["inception_a_logits_unbiased"], rtol=0, atol=1e-4)


def test_clean_fid_is_another_resize(network: InceptionV3, weights: Path, golden: Golden) -> None:
    clean = InceptionV3Network(weights, frames_per_pass=1, resize=Resize(299, "bicubic_pil"))
    assert clean.resize == "299x299, bicubic as PIL, antialiased, stretched"
    images = frames(golden, "c")[:1]
    with torch.no_grad():
        expected = network((Resize(299, "bicubic_pil")(images) - 128) / 128)
    torch.testing.assert_close(clean(images[:, :, None])["fid"], expected, rtol=0, atol=1e-4)
    assert (expected - golden["inception_c_2048"][:1]).abs().max() > 1e-2


def test_the_default_resize_may_be_spelt_out() -> None:
    assert InceptionV3Network().resize == "299x299, bilinear as TensorFlow 1, stretched"
    assert InceptionV3Network(resize=Resize(299, "bilinear_tf1")).resize == InceptionV3Network().resize


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.pth"
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    known = replace(InceptionV3Network.weight_file, sha256=file_sha256(path))
    monkeypatch.setattr(InceptionV3Network, "weight_file", known)
    with pytest.raises(ValueError, match=r"The weights do not fit InceptionV3: .*Missing key"):
        InceptionV3Network(path).load()


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match=r"should have 6726825d0af5f729\.\.\. Give the published file"):
        InceptionV3Network(path).load()
