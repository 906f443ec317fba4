from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from networks.base import Discriminator, Judgement, View
from networks.r3gan_video import R3GANVideoDiscriminator
from networks.spectral_norm import SpectralNorm, SpectralNormalization, normalize_spectrum
from networks.stylegan2 import ImageDiscriminator


class Small(Discriminator):
    """One layer of each kind, and a convolution that is used twice."""

    num_features = (6,)

    def __init__(self, num_classes: int = 4) -> None:
        super().__init__(num_classes)
        self.conv = nn.Conv3d(1, 5, 3, padding=1)
        self.twice = nn.Conv3d(5, 5, 3, padding=1)
        self.transposed = nn.ConvTranspose3d(5, 6, 2)
        self.embedding = nn.Embedding(4, 6)
        self.linear = nn.Linear(6, 1)
        self.autocast: list[bool] = []

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        return {"frame": torch.randint(3, (num_clips,), generator=rng)}

    def look(self, videos: Tensor, view: View) -> Tensor:
        return videos[torch.arange(len(videos)), :, view["frame"]].unsqueeze(2)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        maps = torch.tanh(self.twice(torch.tanh(self.twice(torch.tanh(self.conv(seen))))))
        features = self.transposed(maps).mean(dim=(2, 3, 4))
        if labels is not None:
            features = features + self.embedding(labels)
        return Judgement((self.linear(torch.tanh(features)).squeeze(1),), (features,))


LAYERS = ("conv", "twice", "transposed", "embedding", "linear")
CLIPS = torch.rand(2, 1, 3, 4, 4)
LABELS = torch.tensor([1, 3])


def layer(network: SpectralNorm, name: str) -> Any:
    return getattr(network.discriminator, name)


def largest_singular_value(network: SpectralNorm, name: str) -> float:
    weight = layer(network, name).weight.detach()
    matrix = weight.transpose(0, 1) if name == "transposed" else weight  # (outputs, ...)
    return float(torch.linalg.matrix_norm(matrix.flatten(1), ord=2))


def test_the_largest_singular_values_become_1() -> None:
    network = SpectralNorm(Small())
    with torch.no_grad():
        for name in LAYERS:
            layer(network, name).parametrizations.weight.original.normal_().mul_(30)
        for _ in range(200):
            network(CLIPS, LABELS)
    network.eval()
    for name in LAYERS:
        assert largest_singular_value(network, name) == pytest.approx(1, abs=1e-3), name


def test_the_vectors_move_once_a_forward_pass_and_only_in_training() -> None:
    network = SpectralNorm(Small())
    twice = layer(network, "twice")
    with torch.no_grad():
        twice.parametrizations.weight.original.normal_()
    (spectral_norm,) = twice.parametrizations.weight
    once = deepcopy(spectral_norm)
    once(twice.parametrizations.weight.original)
    network(CLIPS, LABELS)
    assert torch.equal(once.u, spectral_norm.u)
    network.eval()
    first = network(CLIPS, LABELS).logits[0]
    assert torch.equal(once.u, spectral_norm.u)
    assert torch.equal(first, network(CLIPS, LABELS).logits[0])


def test_a_moving_average_of_weights_has_a_norm_of_its_own() -> None:
    weight = torch.diag(torch.tensor([4.0, 2.0, 1.0]))
    normalization = SpectralNormalization(weight).eval()
    of_other_weights = F.normalize(torch.tensor([0.3, 0.9, 0.3]), dim=0)
    assert (of_other_weights @ weight).norm() < 2.5
    normalization.u.copy_(of_other_weights)
    torch.testing.assert_close(normalization(weight), weight / 4, atol=1e-3, rtol=0)
    assert torch.equal(normalization.u, of_other_weights)


def test_the_norm_is_torchs() -> None:
    for make in (partial(nn.Conv3d, 3, 5, 2), partial(nn.ConvTranspose3d, 3, 5, 2), partial(nn.Linear, 3, 5)):
        ours = make()
        theirs = parametrizations.spectral_norm(deepcopy(ours), n_power_iterations=100)
        normalize_spectrum(ours, num_power_iterations=100)
        torch.testing.assert_close(ours.weight, theirs.weight)


def test_double_backward_through_several_forward_passes() -> None:
    network = SpectralNorm(Small())
    clips = CLIPS.clone().requires_grad_(True)
    real, fake = network(clips, LABELS).logits[0], network(CLIPS + 1, LABELS).logits[0]
    (gradient,) = torch.autograd.grad(real.sum(), clips, create_graph=True)
    (fake.mean() - real.mean() + gradient.square().sum()).backward()
    for name, parameter in network.named_parameters():
        if "bias" not in name:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_weight_that_is_scaled_judges_alike() -> None:
    network = SpectralNorm(Small()).eval()
    scaled = deepcopy(network)
    with torch.no_grad():
        layer(scaled, "conv").parametrizations.weight.original.mul_(7)
    torch.testing.assert_close(scaled(CLIPS, LABELS).logits, network(CLIPS, LABELS).logits)


def test_copies_and_states_judge_alike() -> None:
    network = SpectralNorm(Small())
    network(CLIPS, LABELS)
    restored = SpectralNorm(Small())
    restored.load_state_dict(network.state_dict())
    for other in (deepcopy(network), restored):
        assert torch.equal(other(CLIPS, LABELS).logits[0], deepcopy(network)(CLIPS, LABELS).logits[0])


def test_weights_are_normalised_in_float32_under_autocast() -> None:
    network = SpectralNorm(Small())
    seen: list[bool] = []
    layer(network, "conv").parametrizations.weight[0].register_forward_hook(
        lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        judgement = network(CLIPS, LABELS)
    assert seen == [False] and network.discriminator.autocast == [True]
    assert judgement.logits[0].dtype == torch.bfloat16


def test_the_rest_is_the_discriminators() -> None:
    small = Small()
    network = SpectralNorm(small)
    assert (network.num_classes, network.num_features) == (4, (6,))
    views = [each.sample_view(5, torch.Generator().manual_seed(0)) for each in (small, network)]
    assert torch.equal(views[0]["frame"], views[1]["frame"])
    view = {"frame": torch.tensor([2, 0])}
    assert torch.equal(network.look(CLIPS, view), small.look(CLIPS, view))


def test_what_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="num_power_iterations is 0"):
        SpectralNorm(Small(), num_power_iterations=0)
    small = Small()
    with pytest.raises(ValueError, match="SpectralNorm has no weight"):
        SpectralNorm(SpectralNorm(small))
    partly = Small()
    normalize_spectrum(partly.linear)
    assert len(layer(SpectralNorm(partly), "linear").parametrizations.weight) == 1


def test_weights_that_would_stay_as_they_are_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ImageDiscriminator's .*weight is a weight that .*: Equalized\w+ is none of"):
        SpectralNorm(ImageDiscriminator(16, base_channels=32, max_channels=4))
    own = Small()
    own.matrix = nn.Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"Small's matrix is a weight that spectral norm cannot be put on: Small is"):
        SpectralNorm(own)


def test_weights_of_zeros_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stages.0.0.contract.weight is all zeros; spectral norm would divide it by"):
        SpectralNorm(R3GANVideoDiscriminator(8, 16, base_channels=8))
