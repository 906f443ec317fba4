import copy

import pytest
import torch
from torch import Tensor, nn

from networks.base import Generator, Latents, View
from networks.spatiotemporal import SpatiotemporalGenerator
from networks.vgan import TwoStreamGenerator
from networks.virtual_batch_norm import VirtualBatchNorm, VirtualBatchNormLayer


class FrameByFrame(Generator):
    """Makes frames one by one from a latent a frame, in videos of any length, by class."""

    any_num_frames = True
    renders = frozenset({"first"})

    def __init__(self, num_classes: int = 0, twice: bool = False) -> None:
        super().__init__(4, 2, 3, num_classes)
        self.twice = twice
        self.embed = nn.Embedding(max(num_classes, 1), 5)
        self.layers = nn.Sequential(nn.Linear(5, 12), nn.BatchNorm1d(12), nn.Unflatten(1, (3, 2, 2)), nn.BatchNorm2d(3))

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        return {"z": torch.randn(num_videos, self.checked_num_frames(num_frames), 5, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        if self.num_classes and labels is None:
            raise ValueError("labels are needed")
        z = latents["z"] + (self.embed(labels)[:, None] if labels is not None else 0)
        frames = self.layers(z.flatten(0, 1))  # (B, T, 5) -> (B * T, 3, 2, 2)
        if self.twice:
            frames = self.layers[3](frames)
        return torch.tanh(frames).unflatten(0, z.shape[:2]).transpose(1, 2)

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """One frame of each video."""
        chosen = latents["z"][torch.arange(len(latents["z"])), view["first"]]
        return self({"z": chosen[:, None]}, labels)


def latents_of(generator: Generator, num_videos: int, num_frames: int | None = None) -> Latents:
    return generator.sample_latents(num_videos, torch.Generator().manual_seed(9), num_frames)


def volumes() -> VirtualBatchNorm:
    return VirtualBatchNorm(SpatiotemporalGenerator(16, 16, base_channels=2), num_reference=3)


def through(layer: VirtualBatchNormLayer, reference: Tensor, values: Tensor) -> Tensor:
    layer.measures = True
    layer(reference)
    layer.measures = False
    return layer(values)


@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 3, 2, 2)])
def test_the_layer_is_the_papers(shape: tuple[int, ...]) -> None:
    reference, values = torch.randn(6, *shape) + 2, 3 * torch.randn(2, *shape)
    norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 4: nn.BatchNorm3d}[len(shape)](4)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    result = through(VirtualBatchNormLayer(norm), reference, values)
    per_channel = (-1, *[1] * (len(shape) - 1))
    of_reference = reference.transpose(0, 1).flatten(1)  # (4, everything)
    for example, normalised in zip(values, result, strict=True):
        own = example.view(4, -1)
        mean = own.mean(dim=1) / 7 + of_reference.mean(dim=1) * 6 / 7
        mean_square = own.square().mean(dim=1) / 7 + of_reference.square().mean(dim=1) * 6 / 7
        deviation = (mean_square - mean**2 + norm.eps).sqrt()
        expected = (example - mean.view(per_channel)) / deviation.view(per_channel)
        expected = expected * norm.weight.view(per_channel) + norm.bias.view(per_channel)
        torch.testing.assert_close(normalised, expected)


def test_the_reference_is_normalised_as_by_batch_norm() -> None:
    layer, reference = VirtualBatchNormLayer(nn.BatchNorm3d(4)), torch.randn(6, 4, 3, 2, 2)
    layer.measures = True
    torch.testing.assert_close(layer(reference), nn.BatchNorm3d(4)(reference))


def test_a_norm_without_bias_or_gain() -> None:
    reference, values = torch.randn(2, 6, 4, 5)
    plain = through(VirtualBatchNormLayer(nn.BatchNorm1d(4, affine=False)), reference, values)
    norm = nn.BatchNorm1d(4)
    norm.weight.data.fill_(2)
    norm.register_parameter("bias", None)
    torch.testing.assert_close(through(VirtualBatchNormLayer(norm), reference, values), 2 * plain)


def test_large_means_do_not_cancel() -> None:
    reference, values = torch.randn(8, 1, 500) + 3000, torch.randn(2, 1, 500) + 3000
    result = through(VirtualBatchNormLayer(nn.BatchNorm1d(1)), reference, values)
    assert 0.9 < result.std() < 1.1


def test_a_gradient_check_of_the_layer() -> None:
    layer = VirtualBatchNormLayer(nn.BatchNorm2d(2, dtype=torch.float64))
    tensors = [torch.randn(3, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]

    def normalised(reference: Tensor, values: Tensor) -> Tensor:
        layer.moments = None
        return through(layer, reference, values)

    assert torch.autograd.gradcheck(normalised, tensors)


@pytest.mark.parametrize("make", [volumes, lambda: VirtualBatchNorm(FrameByFrame(), num_reference=3)])
@pytest.mark.parametrize("training", [True, False])
def test_videos_do_not_depend_on_each_other(make, training: bool) -> None:
    generator = make().train(training)
    latents = latents_of(generator, 5)
    videos = generator(latents)
    assert videos.shape == (5, *generator.video_shape)
    for part in (slice(0, 1), slice(3, 5)):
        alone = generator({name: values[part] for name, values in latents.items()})
        torch.testing.assert_close(alone, videos[part])


def test_batch_norm_would_have_mixed_them() -> None:
    generator = FrameByFrame()
    latents = latents_of(generator, 5)
    assert (generator({"z": latents["z"][:2]}) - generator(latents)[:2]).abs().max() > 0.01


def test_the_reference_is_a_function_of_the_seed_and_is_saved() -> None:
    networks = [VirtualBatchNorm(FrameByFrame(5), 4, seed=seed) for seed in (0, 0, 1)]
    states = [network.state_dict() for network in networks]
    for name, shape in (("reference_latent_z", (4, 4, 5)), ("reference_labels", (4,))):
        assert states[0][name].shape == shape
        assert torch.equal(states[0][name], states[1][name])
        assert not torch.equal(states[0][name], states[2][name])
    assert not any("running" in name for name in states[0])
    networks[2].load_state_dict(states[0])
    latents, labels = latents_of(networks[0], 2), torch.tensor([0, 3])
    assert torch.equal(networks[2](latents, labels), networks[0](latents, labels))


def test_labels_and_lengths_are_the_wrapped_generators() -> None:
    generator = VirtualBatchNorm(FrameByFrame(5), 4)
    latents = latents_of(generator, 2, num_frames=9)
    videos = generator(latents, torch.tensor([1, 2]))
    assert videos.shape == (2, 3, 9, 2, 2)
    assert (generator(latents, torch.tensor([0, 2])) - videos)[0].abs().max() > 0.01
    # Frames are the layers' examples, and the reference has the length of training: a longer video begins alike.
    shorter = generator({"z": latents["z"][:, :4]}, torch.tensor([1, 2]))
    torch.testing.assert_close(videos[:, :, :4], shorter)
    with pytest.raises(ValueError, match="labels are needed"):
        generator(latents)
    with pytest.raises(ValueError, match="16 frames only"):
        volumes().sample_latents(2, torch.Generator(), 32)


def test_intermediates_and_truncation_are_the_wrapped_generators() -> None:
    generator = VirtualBatchNorm(TwoStreamGenerator(16, 16, base_channels=2), num_reference=2)
    latents = latents_of(generator, 2)
    videos, intermediates = generator.synthesize(latents)
    assert intermediates["mask"].shape == (2, 1, 16, 16, 16)
    torch.testing.assert_close(videos, generator(latents))
    torch.testing.assert_close(generator.truncate(latents, 0.5)["z"], latents["z"] / 2)


def test_parts_of_videos_are_rendered_as_in_the_whole() -> None:
    generator = VirtualBatchNorm(FrameByFrame(), 3)
    latents, first = latents_of(generator, 2), torch.tensor([3, 1])
    assert generator.renders == {"first"}
    rendered = generator.render(latents, None, {"first": first})
    torch.testing.assert_close(rendered[:, :, 0], generator(latents)[torch.arange(2), :, first])


def test_gradients_reach_every_parameter_through_example_and_reference() -> None:
    generator = VirtualBatchNorm(FrameByFrame(2), 3)
    (generator(latents_of(generator, 2), torch.tensor([0, 0])) * torch.randn(2, 3, 4, 2, 2)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    # No video here is of class 1, but the reference has some.
    assert 1 in generator.reference_labels and generator.generator.embed.weight.grad[1].abs().sum() > 0


def test_parameters_are_those_of_the_generator() -> None:
    plain = SpatiotemporalGenerator(16, 16, base_channels=2)
    count = sum(parameter.numel() for parameter in plain.parameters())
    wrapped = VirtualBatchNorm(plain, 2)
    assert sum(parameter.numel() for parameter in wrapped.parameters()) == count
    assert not any(isinstance(module, nn.BatchNorm3d) for module in wrapped.modules())
    assert len(wrapped.layers) == 4


def test_it_can_be_copied_after_use() -> None:
    generator = volumes()
    latents = latents_of(generator, 2)
    videos = generator(latents)
    twin = copy.deepcopy(generator)
    torch.testing.assert_close(twin(latents), videos)
    twin.generator.blocks[0][1].bias.data += 1  # its own layers
    assert (twin(latents) - generator(latents)).abs().max() > 0


def test_bfloat16_autocast() -> None:
    generator = volumes()
    latents = latents_of(generator, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        videos = generator(latents)
    assert videos.isfinite().all()
    assert (videos.float() - generator(latents)).abs().mean() < 0.02


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="num_reference is 1; it must be at least 2"):
        VirtualBatchNorm(FrameByFrame(), 1)
    plain = FrameByFrame()
    plain.layers = nn.Sequential(nn.Linear(5, 12), nn.Unflatten(1, (3, 2, 2)))
    with pytest.raises(ValueError, match="FrameByFrame has no batch norm to replace"):
        VirtualBatchNorm(plain)
    plain.conditions_on_clips = True
    with pytest.raises(ValueError, match="FrameByFrame takes parts of real clips"):
        VirtualBatchNorm(plain)
    generator = VirtualBatchNorm(FrameByFrame(), 2)
    with pytest.raises(RuntimeError, match="called by itself"):
        generator.generator(latents_of(generator, 2))
    generator = VirtualBatchNorm(FrameByFrame(twice=True), 2)
    with pytest.raises(RuntimeError, match="used twice for a video"):
        generator(latents_of(generator, 2))
