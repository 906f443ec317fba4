import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks import stylegan2_layers as layers
from networks.stylegan2 import ImageDiscriminator, ImageGenerator


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small_generator(num_classes: int = 0) -> ImageGenerator:
    torch.manual_seed(0)
    return ImageGenerator(16, 3, num_classes, 6, 7, num_mapping_layers=2, base_channels=128, max_channels=8)


def small_discriminator(num_classes: int = 0, mbstd_group_size: int = 4) -> ImageDiscriminator:
    torch.manual_seed(1)
    return ImageDiscriminator(16, 3, num_classes, 128, 8, mbstd_group_size)


def test_parameter_counts() -> None:
    # Configuration F at 64x64 by hand: 512 channels everywhere.  Without the paper's noise strengths, one a layer.
    linear, conv = 512 * 512 + 512, 9 * 512 * 512
    to_pixels = linear + 3 * 512 + 3
    with torch.device("meta"):
        generator, discriminator = ImageGenerator(), ImageDiscriminator()
    assert num_parameters(generator) == 8 * linear + 16 * 512 + 9 * (conv + linear + 512) + 5 * to_pixels == 27_032_591
    block = 2 * (conv + 512) + 512 * 512
    epilogue = 9 * 513 * 512 + 512 + 8192 * 512 + 512 + 513
    assert num_parameters(discriminator) == 4 * 512 + 4 * block + epilogue == 26_488_833


def test_the_tables_in_the_docstrings() -> None:
    shapes = []

    def note(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, Tensor]) -> None:
        shapes.append(tuple((output[0] if isinstance(output, tuple) else output).shape[1:]))

    with torch.device("meta"):
        generator, discriminator = ImageGenerator(), ImageDiscriminator()
        for module in (generator.mapping, *generator.synthesis.blocks):
            module.register_forward_hook(note)
        scorer = discriminator.scorer
        for module in (scorer.from_pixels, *scorer.blocks, scorer.epilogue.conv, scorer.epilogue.hidden):
            module.register_forward_hook(note)
        videos = generator({"z": torch.empty(2, 512)})
        judgement = discriminator(videos)
    assert shapes[:6] == [(512,), *((512, size, size) for size in (4, 8, 16, 32, 64))]
    assert shapes[6:] == [*((512, size, size) for size in (64, 32, 16, 8, 4)), (512, 4, 4), (512,)]
    assert videos.shape == (2, 3, 1, 64, 64) and judgement.logits[0].shape == (2,)


def test_pictures_are_bounded_and_their_own() -> None:
    generator = small_generator().eval()
    latents = generator.sample_latents(3, torch.Generator().manual_seed(0))
    videos = generator(latents)
    assert videos.shape == (3, *generator.video_shape) and videos.dtype == torch.float32 and videos.abs().max() <= 1
    torch.testing.assert_close(generator({name: value[1:2] for name, value in latents.items()}), videos[1:2])
    free = generator.synthesize_frames(generator.map(latents["z"]))
    assert free.abs().max() > 1  # the sum is linear, and is clamped in evaluation mode alone
    torch.testing.assert_close(free.clamp(-1, 1), videos[:, :, 0])
    torch.testing.assert_close(generator.train()(latents)[:, :, 0], free)
    with pytest.raises(ValueError, match="makes 1 frames only"):
        generator.sample_latents(1, torch.Generator(), num_frames=2)


def test_gradients_reach_every_parameter() -> None:
    generator, discriminator = small_generator(num_classes=2), small_discriminator(num_classes=2)
    labels = torch.tensor([0, 1, 1, 0])
    videos = generator(generator.sample_latents(4, torch.Generator()), labels)
    discriminator(videos, labels).logits[0].square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_w_avg_follows_in_training_alone() -> None:
    generator = small_generator()
    latents = generator.sample_latents(5, torch.Generator())
    w = generator.map(latents["z"])
    torch.testing.assert_close(generator.w_avg, 0.005 * w.mean(dim=0).detach())
    before = generator.w_avg.clone()
    generator.eval().map(latents["z"])
    assert torch.equal(generator.w_avg, before) and "mapping.w_avg" in generator.state_dict()


def test_truncation_pulls_w_towards_its_mean() -> None:
    generator = small_generator().eval()
    generator.w_avg.copy_(torch.randn(7))
    latents = generator.sample_latents(3, torch.Generator())
    w = generator.map(latents["z"])
    half = generator.synthesize_frames((generator.w_avg + w) / 2).unsqueeze(2).clamp(-1, 1)
    truncated = generator.truncate(latents, 0.5)
    torch.testing.assert_close(generator(truncated), half)
    torch.testing.assert_close(generator({name: value[:1] for name, value in truncated.items()}), half[:1])
    torch.testing.assert_close(generator(generator.truncate(latents, 1.0)), generator(latents))


def test_labels_matter_and_are_needed() -> None:
    generator, discriminator = small_generator(3).eval(), small_discriminator(3, mbstd_group_size=0)
    latents = generator.sample_latents(2, torch.Generator())
    ones, twos = torch.tensor([1, 1]), torch.tensor([2, 2])
    videos = generator(latents, ones)
    assert not torch.allclose(videos, generator(latents, twos), atol=1e-3)
    assert not torch.allclose(discriminator(videos, ones).logits[0], discriminator(videos, twos).logits[0], atol=1e-3)
    for network, given in ((generator, latents), (discriminator, videos)):
        with pytest.raises(ValueError, match="it needs labels"):
            network(given)


def test_groups_of_consecutive_clips_are_judged_together() -> None:
    clips, discriminator = torch.rand(8, 3, 1, 16, 16), small_discriminator()
    whole = discriminator(clips).logits[0]
    # Two processes, or two halves whose gradients are accumulated, have the groups of one call.
    torch.testing.assert_close(torch.cat([discriminator(half).logits[0] for half in clips.chunk(2)]), whole)
    quarters = torch.cat([discriminator(quarter).logits[0] for quarter in clips.chunk(4)])
    assert not torch.allclose(quarters, whole, atol=1e-4)


def test_without_minibatch_deviation_the_discriminator_keeps_clips_apart() -> None:
    clips = torch.rand(4, 3, 1, 16, 16)
    apart, mixing = small_discriminator(mbstd_group_size=0), small_discriminator()
    judgement = apart(clips)
    torch.testing.assert_close(judgement.logits[0][:1], apart(clips[:1]).logits[0])
    assert not torch.allclose(mixing(clips).logits[0][:1], mixing(clips[:1]).logits[0], atol=1e-4)
    assert judgement.features[0].shape == (4, *apart.num_features)


def test_modulation_scales_each_videos_own_weights() -> None:
    torch.manual_seed(0)
    layer = layers.ModulatedConv2d(4, 5, w_dim=3, kernel_size=3, size=6, activates=False)
    x, w = torch.randn(2, 4, 6, 6), torch.randn(2, 3)
    weights = layer.affine(w)[:, None, :, None, None] * layer.weight
    weights = weights / (weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    expected = torch.cat([F.conv2d(x[i : i + 1], weights[i], padding=1) for i in range(2)])
    torch.testing.assert_close(layer(x, w), expected)


def test_filters() -> None:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = (taps[:, None] * taps).expand(2, 1, 4, 4)
    x = torch.randn(3, 2, 8, 8)
    strided = F.conv2d(x, kernel, stride=2, padding=1, groups=2)
    torch.testing.assert_close(layers.filtered(x, layers.filter_matrix(8, padding=1, stride=2)), strided)
    doubled = F.conv_transpose2d(x, 4 * kernel, stride=2, padding=1, groups=2)
    torch.testing.assert_close(layers.filtered(x, layers.doubling_matrix(8)), doubled)


def test_doubling_a_layer_is_doubling_its_input_first() -> None:
    torch.manual_seed(0)
    doubling = layers.ModulatedConv2d(4, 5, 3, 3, size=16, doubles=True, activates=False)
    same = layers.ModulatedConv2d(4, 5, 3, 3, size=16, activates=False)
    same.load_state_dict(doubling.state_dict())
    same.weight.data = doubling.weight.data.flip(2, 3)  # a transposed convolution has its kernel the other way round
    x, w = torch.randn(2, 4, 8, 8), torch.randn(2, 3)
    inside = (..., slice(2, -2), slice(2, -2))
    expected = same(layers.filtered(x, layers.doubling_matrix(8)), w)[inside]
    torch.testing.assert_close(doubling(x, w)[inside], expected)


def test_penalties_differentiate_twice() -> None:
    torch.manual_seed(0)
    block = layers.ResidualBlock(2, 3, size=4).double()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(block, (x,))
    discriminator = small_discriminator()
    clips = torch.rand(4, 3, 1, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(clips).logits[0].sum(), clips, create_graph=True)
    gradient.square().sum().backward()
    reached = {name for name, parameter in discriminator.named_parameters() if parameter.grad is not None}
    assert {"scorer.from_pixels.weight", "scorer.blocks.0.skip.weight", "scorer.epilogue.out.weight"} <= reached


def test_bfloat16() -> None:
    generator, discriminator = small_generator().eval(), small_discriminator()
    latents = generator.sample_latents(4, torch.Generator())
    exact = generator(latents)
    with torch.autocast("cpu", torch.bfloat16):
        videos = generator(latents)
        logits = discriminator(videos).logits[0]
    assert videos.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(videos, exact, atol=0.1, rtol=0)
    torch.testing.assert_close(logits, discriminator(exact).logits[0], atol=0.1, rtol=0.1)


@pytest.mark.parametrize("network", [ImageGenerator, ImageDiscriminator])
def test_sizes_that_cannot_be_made(network: type) -> None:
    with pytest.raises(ValueError, match=r"size is 48; .* powers of two from 8"):
        network(size=48)


def test_one_frame_alone_is_judged() -> None:
    with pytest.raises(ValueError, match="clips have 2 frames"):
        small_discriminator()(torch.zeros(1, 3, 2, 16, 16))
