from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchmetrics.functional.image.lpips as reference
from torch import Tensor, nn

from metrics.lpips import LPIPS, PerceptualDistance
from metrics.weight_digests import file_sha256
from tests.metrics.named_weights import named_weights


def alexnet_features() -> nn.Sequential:
    """torchvision's `alexnet().features`, which torchmetrics takes its features from."""
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
        nn.ReLU(inplace=False),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2),
        nn.ReLU(inplace=False),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1),
        nn.ReLU(inplace=False),
        nn.Conv2d(384, 256, kernel_size=3, padding=1),
        nn.ReLU(inplace=False),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(inplace=False),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return {f"features.{name}": value for name, value in named_weights(alexnet_features()).items()}


@pytest.fixture(scope="module")
def file(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As torchvision's file: the classifier is in it, too."""
    path = tmp_path_factory.mktemp("alexnet") / "alexnet-owt-7be5be79.pth"
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, path)
    return path


@pytest.fixture
def weights(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, known as the published one."""
    monkeypatch.setattr(LPIPS, "weight_file", replace(LPIPS.weight_file, sha256=file_sha256(file)))
    return file


def random_clips(seed: int, num_clips: int = 2, num_frames: int = 3, height: int = 40, width: int = 64) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num_clips, 3, num_frames, height, width), generator=rng, dtype=torch.uint8)


def test_agrees_with_torchmetrics(weights: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    features = alexnet_features()
    features.load_state_dict({name.removeprefix("features."): value for name, value in state.items()})
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda *_: features)
    network = reference._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    fake, real = random_clips(0), random_clips(1)
    real[1] = fake[1] // 2  # something nearer, too
    before = torch.get_rng_state()
    distances = LPIPS(weights)(fake, real)
    assert torch.equal(torch.get_rng_state(), before)
    frames = [clips.transpose(1, 2).flatten(0, 1) / 127.5 - 1 for clips in (fake, real)]
    with torch.no_grad():
        expected = network(*frames).view(2, 3)
    assert distances.dtype == torch.float64
    torch.testing.assert_close(distances, expected.double(), rtol=1e-5, atol=1e-6)
    assert distances.min() > 0.01


def test_equal_clips_have_no_distance_and_the_order_of_a_pair_does_not_matter(weights: Path) -> None:
    fake, real = random_clips(0), random_clips(1)
    lpips = LPIPS(weights)
    assert torch.equal(lpips(fake, fake), torch.zeros(2, 3, dtype=torch.float64))
    assert torch.equal(lpips(fake, real), lpips(real, fake))


def test_a_position_counts_by_its_direction(weights: Path) -> None:
    """Features that are zero at a position are no direction, and as far from all directions as their weights say."""
    network = LPIPS(weights).load()
    black = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    for layer in network.directions(black):
        norms = layer.square().sum(dim=1)
        assert ((norms - 1).abs().lt(1e-4) | norms.eq(0)).all()
    assert all((head >= 0).all() for head in network.heads)


@pytest.mark.parametrize("frames_per_pass", [1, 4, 100])
def test_size_of_a_pass_does_not_matter(weights: Path, frames_per_pass: int) -> None:
    fake, real = random_clips(0), random_clips(1)
    expected = LPIPS(weights)(fake, real)
    torch.testing.assert_close(LPIPS(weights, frames_per_pass)(fake, real), expected, rtol=1e-5, atol=1e-6)


def test_a_clips_distances_do_not_depend_on_the_clips_beside_it(weights: Path) -> None:
    """To the last bit."""
    fake, real = random_clips(0, num_clips=6), random_clips(1, num_clips=6)
    lpips = LPIPS(weights)
    parts = [lpips(*pair) for pair in zip(fake.split(2), real.split(2), strict=True)]
    assert torch.equal(torch.cat(parts), lpips(fake, real))


def test_grey_clips_count_as_three_equal_channels(weights: Path) -> None:
    fake, real = random_clips(0)[:, :1], random_clips(1)[:, :1]
    lpips = LPIPS(weights)
    coloured = lpips(fake.repeat(1, 3, 1, 1, 1), real.repeat(1, 3, 1, 1, 1))
    assert torch.equal(lpips(fake, real), coloured)


def test_no_clips_are_in_order(weights: Path) -> None:
    none = random_clips(0)[:0]
    assert LPIPS(weights)(none, none).shape == (0, 3)


def test_works_in_and_out_of_inference_mode(weights: Path) -> None:
    fake, real = random_clips(0), random_clips(1)
    lpips = LPIPS(weights)
    with torch.inference_mode():
        inside = lpips(fake, real).clone()
    assert torch.equal(lpips(fake, real), inside)


def test_what_stands_on_the_card(weights: Path) -> None:
    lpips = LPIPS(weights)
    assert (lpips.name, lpips.needs_real, lpips.higher_is_better) == ("lpips_alex", True, False)
    assert list(lpips.settings) == ["weights_sha256"]
    assert len(lpips.settings["weights_sha256"]) == 64


def test_the_layers_are_torchvisions() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in PerceptualDistance().state_dict().items()}
        expected = {f"features.{name}": tuple(value.shape) for name, value in alexnet_features().state_dict().items()}
    assert {name: shape for name, shape in shapes.items() if name.startswith("features")} == expected


def test_mistakes_are_refused(weights: Path, tmp_path: Path) -> None:
    lpips = LPIPS(weights)
    clips = random_clips(0)
    with pytest.raises(ValueError, match="lpips_alex needs frames of at least 31x31 pixels; got 30x64"):
        lpips(clips[..., :30, :], clips[..., :30, :])
    assert lpips(clips[..., :31, :31], clips[..., :31, :31]).shape == (2, 3)
    with pytest.raises(ValueError, match="compares clips of equal shape"):
        lpips(clips, clips[:1])
    with pytest.raises(ValueError, match="give the real clips, too"):
        lpips(clips)
    with pytest.raises(ValueError, match=r"uint8 clips \(0..255\); got torch.float32"):
        lpips(clips.float(), clips)
    with pytest.raises(ValueError, match="frames_per_pass must be at least 1; got 0"):
        LPIPS(frames_per_pass=0)
    with pytest.raises(FileNotFoundError, match=r"No weight file .*gone.pth. Download https://download.pytorch.org"):
        LPIPS(tmp_path / "gone.pth")(clips, clips)


def test_a_file_that_is_not_the_published_one_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match=r"should have 7be5be791159472b\.\.\. Give the published file"):
        LPIPS(file).load()


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2, 2)}, other)
    monkeypatch.setattr(LPIPS, "weight_file", replace(LPIPS.weight_file, sha256=file_sha256(other)))
    with pytest.raises(ValueError, match=r"The weights do not fit PerceptualDistance: .*Missing key"):
        LPIPS(other).load()
