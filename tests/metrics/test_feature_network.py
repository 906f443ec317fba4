import pytest
import torch
from torch import Tensor, nn

from metrics.feature_network import fit_gaussians, full_precision
from metrics.resizing import Resize
from tests.metrics.small_network import SmallNetwork, random_clips


def test_rows_are_frames_of_the_first_clip_first() -> None:
    clips = random_clips(5)
    features = SmallNetwork()(clips)
    assert features["fid"].shape == (20, 12)
    assert features["fvd"].shape == (5, 12)
    third_frame_of_second_clip = clips[1, :, 2].float().unflatten(1, (2, 4)).unflatten(3, (2, 4)).mean((2, 4))
    torch.testing.assert_close(features["fid"][4 + 2], third_frame_of_second_clip.flatten())


@pytest.mark.parametrize("frames_per_pass", [1, 4, 9, 1000])
def test_size_of_a_pass_does_not_matter(frames_per_pass: int) -> None:
    clips = random_clips(5)
    expected = SmallNetwork()(clips)
    for name, rows in SmallNetwork(frames_per_pass=frames_per_pass)(clips).items():
        torch.testing.assert_close(rows, expected[name])


def test_grey_clips_count_as_three_equal_channels() -> None:
    grey = random_clips(2)[:, :1]
    network = SmallNetwork()
    assert torch.equal(network(grey)["fid"], network(grey.repeat(1, 3, 1, 1, 1))["fid"])


def test_is_built_with_the_first_clips_and_once() -> None:
    network = SmallNetwork()
    assert network.builds == 0
    network(random_clips(1))
    network(random_clips(1))
    assert network.builds == 1


def test_unusable_clips_are_refused() -> None:
    network = SmallNetwork()
    with pytest.raises(ValueError, match=r"uint8 clips \(0..255\); got torch.float32"):
        network(torch.zeros(1, 3, 4, 8, 8))
    for shape in ((1, 3, 8, 8), (1, 4, 4, 8, 8), (0, 3, 4, 8, 8)):
        with pytest.raises(ValueError, match=r"clips \(N, 3 or 1, T, H, W\); got shape"):
            network(torch.zeros(shape, dtype=torch.uint8))
    with pytest.raises(ValueError, match="at least 2 frames; got 1"):
        network(random_clips(1)[:, :, :1])
    assert network.builds == 0
    with pytest.raises(ValueError, match="frames_per_pass must be at least 1; got 0"):
        SmallNetwork(frames_per_pass=0)


def test_another_resize() -> None:
    class OfFourPixels(SmallNetwork):
        input_size = 4

    other = OfFourPixels(resize=Resize(4))
    assert other.resizer == Resize(4)
    clips = random_clips(2)
    assert other.resized_clips(clips).shape == (2, 3, 4, 4, 4)
    torch.testing.assert_close(other.resized_clips(clips)[1, :, 2], other.resized_frames(clips)[6])
    torch.testing.assert_close(other.resized_frames(clips)[6:7], Resize(4)(clips[1:, :, 2]))
    with pytest.raises(ValueError, match="quarters takes frames of 4x4 pixels; got a resize to 5"):
        OfFourPixels(resize=Resize(5))


def test_clips_of_one_length_only() -> None:
    class FourFrames(SmallNetwork):
        min_frames = max_frames = 4

    assert FourFrames()(random_clips(1))["fvd"].shape == (1, 12)
    with pytest.raises(ValueError, match="quarters needs clips of exactly 4 frames; got 3"):
        FourFrames()(random_clips(1)[:, :, :3])
    with pytest.raises(ValueError, match="quarters needs clips of exactly 4 frames; got 8"):
        FourFrames()(random_clips(1).repeat(1, 1, 2, 1, 1))


def test_logits_have_no_gaussian() -> None:
    class Logits(SmallNetwork):
        num_features = {"fvd": 12, "is": 12}  # noqa: RUF012
        logits_of = "clips"

        def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
            rows = super().extract(network, clips)["fvd"]
            return {"fvd": rows, "is": -rows}

    clips = random_clips(5)
    rows = Logits(frames_per_pass=8)(clips)
    assert torch.equal(rows["is"], -rows["fvd"])
    assert set(fit_gaussians(Logits(), [clips])) == {"fvd"}


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_precision_is_full_inside_and_as_before_afterwards(precision: str) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with pytest.raises(KeyError), full_precision(torch.device("cpu")):
            assert torch.get_float32_matmul_precision() == "highest"
            raise KeyError
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


def test_gaussians_of_batches_of_any_size() -> None:
    clips = random_clips(11)
    whole = fit_gaussians(SmallNetwork(), [clips])
    parts = fit_gaussians(SmallNetwork(), clips.split(3))
    assert {name: whole[name].num_samples for name in whole} == {"fid": 44, "fvd": 11}
    for name in whole:
        torch.testing.assert_close(parts[name].mean, whole[name].mean, rtol=1e-6, atol=0)
        torch.testing.assert_close(parts[name].covariance, whole[name].covariance, rtol=1e-6, atol=1e-6)


def test_divisor_of_the_covariance() -> None:
    clips = random_clips(6)
    unbiased = fit_gaussians(SmallNetwork(), [clips])["fvd"].covariance
    biased = fit_gaussians(SmallNetwork(), [clips], unbiased=False)["fvd"].covariance
    torch.testing.assert_close(biased * 6 / 5, unbiased)


def test_features_do_not_depend_on_autocast_and_inference_mode() -> None:
    clips, network = random_clips(3), SmallNetwork()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        inside = network(clips)
    assert inside["fid"].dtype == torch.float32
    assert torch.equal(inside["fid"], network(clips)["fid"])


@pytest.mark.parametrize(("channels_last", "expected"), [(None, True), (True, True), (False, False)])
def test_layout_of_frames_clips_and_weights(channels_last: bool | None, expected: bool) -> None:
    class Convolutions(SmallNetwork):
        num_features = {"fvd": 2}  # noqa: RUF012

        def build(self) -> nn.Module:
            return nn.Sequential(nn.Conv3d(3, 4, 3), nn.Flatten(0, 1), nn.Conv2d(2, 2, 3))

        def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
            frames, same_clips = self.resized_frames(clips), self.resized_clips(clips)
            assert frames.is_contiguous(memory_format=torch.channels_last) is expected
            assert same_clips.is_contiguous(memory_format=torch.channels_last_3d) is expected
            for convolution, last in ((network[0], torch.channels_last_3d), (network[2], torch.channels_last)):
                assert convolution.weight.is_contiguous(memory_format=last) is expected
            return {"fvd": torch.zeros(len(clips), 2)}

    network = Convolutions()
    network.channels_last = channels_last
    network(random_clips(2))
