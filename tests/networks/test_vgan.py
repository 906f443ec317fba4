import pytest
import torch
import torch.nn.functional as F
from torch import nn

from networks.vgan import OneStreamGenerator, TwoStreamGenerator, VGANDiscriminator

GENERATORS = [OneStreamGenerator, TwoStreamGenerator]


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def shapes_of(network: nn.Module, layers: list[nn.Module], *inputs: object) -> list[tuple[int, ...]]:
    """Shapes that come out of the layers, without the batch axis."""
    shapes: list[tuple[int, ...]] = []
    for layer in layers:
        layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
    network(*inputs)
    return shapes


def test_parameter_counts() -> None:
    with torch.device("meta"):
        # The reference code's layers: trunk 11,832,128 (12,651,328 for 32 frames), heads 12,291 and 4,097, background
        # 3,577,667, discriminator 11,041,474.
        assert num_parameters(OneStreamGenerator()) == 11_832_128 + 12_291 == 11_844_419
        assert num_parameters(OneStreamGenerator(num_frames=32)) == 12_651_328 + 12_291 == 12_663_619
        assert num_parameters(TwoStreamGenerator()) == 11_832_128 + 12_291 + 4_097 + 3_577_667 == 15_426_183
        assert num_parameters(VGANDiscriminator()) == 11_041_474


@pytest.mark.parametrize("num_frames", [16, 32])
def test_the_tables_in_the_docstrings(num_frames: int) -> None:
    first = num_frames // 16
    with torch.device("meta"):
        generator, discriminator = TwoStreamGenerator(num_frames), VGANDiscriminator(num_frames)
        z = torch.empty(2, 100)
        layers = [*generator.trunk, generator.to_pixels, generator.to_mask, *generator.background[0]]
        assert shapes_of(generator, [*layers, generator.background[1]], {"z": z}) == [
            (512, first, 4, 4),
            (256, 2 * first, 8, 8),
            (128, 4 * first, 16, 16),
            (64, 8 * first, 32, 32),
            (3, num_frames, 64, 64),
            (1, num_frames, 64, 64),
            (512, 4, 4),
            (256, 8, 8),
            (128, 16, 16),
            (64, 32, 32),
            (3, 64, 64),
        ]
        clips = torch.empty(2, 3, num_frames, 64, 64)
        assert shapes_of(discriminator, [*discriminator.blocks, discriminator.to_logits], clips) == [
            (64, 8 * first, 32, 32),
            (128, 4 * first, 16, 16),
            (256, 2 * first, 8, 8),
            (512, first, 4, 4),
            (2, 1, 1, 1),
        ]


@pytest.mark.parametrize("generator_class", GENERATORS)
@pytest.mark.parametrize(("num_frames", "size"), [(16, 16), (32, 16), (16, 48)])
def test_shapes_and_range(generator_class: type[OneStreamGenerator], num_frames: int, size: int) -> None:
    generator = generator_class(num_frames, size, channels=1, base_channels=2)
    videos = generator(generator.sample_latents(2, rng()))
    assert videos.shape == (2, 1, num_frames, size, size) == (2, *generator.video_shape)
    assert videos.abs().max() <= 1
    judgement = VGANDiscriminator(num_frames, size, channels=1, base_channels=2)(videos)
    assert [head.shape for head in judgement.logits] == [(2,)]


def test_the_features_have_the_announced_length() -> None:
    discriminator = VGANDiscriminator(32, 32, base_channels=2)
    (features,) = discriminator(torch.rand(2, 3, 32, 32, 32)).features
    assert features.shape == (2, *discriminator.num_features) == (2, 16 * 2 * 2 * 2)


def test_the_foreground_moves_over_a_still_background() -> None:
    torch.manual_seed(0)
    generator = TwoStreamGenerator(16, 16, base_channels=4)
    videos, parts = generator.synthesize(generator.sample_latents(3, rng()))
    mask, foreground, background = parts["mask"], parts["foreground"], parts["background"]
    assert mask.shape == (3, 1, 16, 16, 16) and foreground.shape == videos.shape
    assert background.shape == (3, 3, 1, 16, 16)
    assert mask.min() > 0 and mask.max() < 1
    torch.testing.assert_close(videos, torch.lerp(background.expand_as(foreground), foreground, mask))
    with torch.no_grad():  # a mask that is shut leaves the background alone, in every frame
        generator.to_mask.weight.zero_()
        generator.to_mask.bias.fill_(-100)
    videos, parts = generator.synthesize(generator.sample_latents(3, rng()))
    torch.testing.assert_close(videos, parts["background"].expand_as(videos))


@pytest.mark.parametrize("generator_class", GENERATORS)
def test_forward_gives_the_videos_of_synthesize(generator_class: type[OneStreamGenerator]) -> None:
    generator = generator_class(16, 16, base_channels=2).eval()
    latents = generator.sample_latents(2, rng())
    torch.testing.assert_close(generator(latents), generator.synthesize(latents).videos)
    assert bool(generator.synthesize(latents).intermediates) == (generator_class is TwoStreamGenerator)


@pytest.mark.parametrize("generator_class", GENERATORS)
def test_a_video_depends_on_its_own_latents_alone(generator_class: type[OneStreamGenerator]) -> None:
    torch.manual_seed(0)
    generator = generator_class(16, 16, base_channels=2).eval()
    with torch.no_grad():  # weights that show: the first ones are too small, in eval mode, to tell videos apart
        for layer in generator.modules():
            if hasattr(layer, "kernel_size"):
                layer.weight.normal_(std=0.3)
    latents = generator.sample_latents(3, rng())
    videos = generator(latents)
    torch.testing.assert_close(videos[1:2], generator({"z": latents["z"][1:2]}))
    assert (videos[0] - videos[1]).abs().max() > 0.1


@pytest.mark.parametrize("generator_class", GENERATORS)
def test_gradients_reach_every_parameter(generator_class: type[OneStreamGenerator]) -> None:
    torch.manual_seed(0)
    generator = generator_class(16, 16, base_channels=2)
    discriminator = VGANDiscriminator(16, 16, base_channels=2)
    (logits,) = discriminator(generator(generator.sample_latents(4, rng()))).logits
    (logits * torch.randn(4)).sum().backward()
    for network in (generator, discriminator):
        convolutions = {module for module in network.modules() if hasattr(module, "kernel_size")}
        before_norm = {conv.bias for conv in convolutions if conv.out_channels not in (1, 2, 3)}
        for name, parameter in network.named_parameters():
            # A batch norm takes away what a bias before it adds.
            if parameter not in before_norm:
                assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_logit_is_the_difference_of_two_classes() -> None:
    """Softmax cross-entropy of the two logits is binary cross-entropy of what the discriminator returns."""
    torch.manual_seed(0)
    discriminator = VGANDiscriminator(16, 16, base_channels=2)
    clips, two_way = torch.randn(6, 3, 16, 16, 16), []
    discriminator.to_logits.register_forward_hook(lambda module, inputs, output: two_way.append(output.flatten(1)))
    (logits,) = discriminator(clips).logits
    assert two_way[0].shape == (6, 2) and logits.abs().min() > 0
    for real_or_fake, target in ((0, torch.ones(6)), (1, torch.zeros(6))):
        torch.testing.assert_close(
            F.binary_cross_entropy_with_logits(logits, target),
            F.cross_entropy(two_way[0], torch.full((6,), real_or_fake)),
        )


def test_weights_begin_as_in_the_reference_code() -> None:
    torch.manual_seed(0)
    for network in (TwoStreamGenerator(16, 16, base_channels=8), VGANDiscriminator(16, 16, base_channels=8)):
        convolutions = [module for module in network.modules() if hasattr(module, "kernel_size")]
        weights = torch.cat([conv.weight.flatten() for conv in convolutions])
        assert abs(weights.std().item() - 0.01) < 1e-4 and weights.mean().abs() < 1e-4
        assert all((conv.bias == 0).all() for conv in convolutions)
        gains = torch.cat([module.weight for module in network.modules() if hasattr(module, "running_mean")])
        assert abs(gains.mean().item() - 1) < 0.01 and abs(gains.std().item() - 0.02) < 0.005


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_clips_stay_apart_without_batch_norm_and_penalties_differentiate_twice(norm: str) -> None:
    torch.manual_seed(0)
    discriminator = VGANDiscriminator(16, 32, base_channels=2, norm=norm)
    clips = torch.rand(3, 3, 16, 32, 32, requires_grad=True)
    (logits,) = discriminator(clips).logits
    torch.testing.assert_close(logits[:1], discriminator(clips[:1]).logits[0])
    (gradient,) = torch.autograd.grad(logits.sum(), clips, create_graph=True)
    gradient.square().sum().backward()
    first = discriminator.blocks[0][0].weight
    assert first.grad is not None and first.grad.abs().sum() > 0


def test_batch_norm_has_the_reference_codes_eps_and_spares_the_first_layer() -> None:
    norms = [module for module in VGANDiscriminator(16, 16, base_channels=2).modules() if hasattr(module, "eps")]
    assert [(type(norm), norm.eps) for norm in norms] == [(nn.BatchNorm3d, 1e-3)] * 3


def test_bfloat16_blends_in_float32() -> None:
    generator = TwoStreamGenerator(16, 16, base_channels=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        videos, parts = generator.synthesize(generator.sample_latents(2, rng()))
        (logits,) = VGANDiscriminator(16, 16, base_channels=2)(videos).logits
    assert videos.dtype == parts["mask"].dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("network", [*GENERATORS, VGANDiscriminator])
def test_sizes_that_cannot_be_made(network: type) -> None:
    with pytest.raises(ValueError, match=r"size is 50; .* multiple of 16"):
        network(size=50)
    with pytest.raises(ValueError, match="num_frames is 8"):
        network(num_frames=8)


def test_other_mistakes() -> None:
    with pytest.raises(ValueError, match="norm is 'spectral'; it must be batch, layer, instance or none"):
        VGANDiscriminator(16, 16, base_channels=2, norm="spectral")
    with pytest.raises(ValueError, match="makes 16 frames only"):
        OneStreamGenerator(16, 16, base_channels=2).sample_latents(1, rng(), num_frames=32)
