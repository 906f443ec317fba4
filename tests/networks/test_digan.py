import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks import digan_layers as layers
from networks.digan import DIGANDiscriminator, DIGANGenerator


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small_generator() -> DIGANGenerator:
    torch.manual_seed(0)
    return DIGANGenerator(
        16, 16, 3, 6, 5, 7, motion_sigma=2.0, num_frequencies=8, rank=2, base_channels=64, max_channels=6
    ).eval()


def small_discriminator(num_frames: int = 16, mbstd_group_size: int = 4) -> DIGANDiscriminator:
    torch.manual_seed(1)
    return DIGANDiscriminator(num_frames, 16, 3, 64, 6, mbstd_group_size)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        generator, discriminator = DIGANGenerator(), DIGANDiscriminator()

    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    def layer(inputs: int, outputs: int = 512) -> int:
        return linear(512, (inputs + outputs) * 10) + inputs * outputs + outputs

    features = linear(512, 3 * 128) + linear(1024, 128) + 2 * linear(128, 128)
    to_pixels = linear(512, 512) + linear(512, 3)
    expected = 2 * linear(512, 512) + 2 * features + 5 * to_pixels + layer(256) + 7 * layer(512) + layer(512 + 256)
    assert num_parameters(generator) == expected == 52_210_703
    # StyleGAN2's discriminator, 26,488,833, twice; the first layer of one has 7 input channels instead of 3.
    assert num_parameters(discriminator) == 2 * 26_488_833 + 4 * 512 == 52_979_714


@pytest.mark.parametrize(
    ("size", "grids", "num_layers"),
    [(64, [32, 32, 32, 32, 64], [1, 2, 2, 2, 2]), (128, [32] * 4 + [64, 128], [1, 2, 2, 2, 2, 3])],
)
def test_the_table_in_the_docstring(size: int, grids: list[int], num_layers: list[int]) -> None:
    shapes = []
    with torch.device("meta"):
        generator = DIGANGenerator(size=size)
        for block in generator.blocks:
            block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output[0].shape)))
        latents = {"z": torch.empty(2, 512), "motion": torch.empty(2, 512), "times": torch.empty(2, 3)}
        assert generator(latents).shape == (2, 3, 3, size, size)
    channels = [512] * 5 + [256]
    assert shapes == [(2, width, 3, grid, grid) for width, grid in zip(channels, grids, strict=False)]
    layered = [
        [isinstance(each, layers.FactorizedModulation) for each in block.modules()] for block in generator.blocks
    ]
    assert [sum(flags) for flags in layered] == num_layers


@pytest.mark.parametrize("num_frames", [1, 16, 24])
def test_videos_of_any_length(num_frames: int) -> None:
    generator = small_generator()
    latents = generator.sample_latents(3, torch.Generator().manual_seed(0), num_frames)
    videos = generator(latents)
    assert videos.shape == (3, 3, num_frames, 16, 16) and videos.dtype == torch.float32 and videos.abs().max() <= 1
    torch.testing.assert_close(
        generator({name: value[1:2] for name, value in latents.items()}), videos[1:2], atol=1e-4, rtol=0
    )
    assert latents["times"][0, 0] == 0 and (num_frames < 16 or latents["times"][0, 15] == 1)


def test_frames_alone_equal_frames_of_the_video() -> None:
    generator, discriminator = small_generator(), small_discriminator()
    rng = torch.Generator().manual_seed(0)
    latents, view = generator.sample_latents(4, rng), discriminator.sample_view(4, rng)
    assert set(view) == generator.renders
    seen = discriminator.look(generator(latents), view)
    assert seen.shape == (4, 3, 2, 16, 16)
    torch.testing.assert_close(generator.render(latents, None, view), seen)


def test_pixels_are_clamped_in_evaluation_alone() -> None:
    generator = small_generator()
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    clamped, free = generator(latents), generator.train()(latents)
    assert free.abs().max() > 1
    torch.testing.assert_close(free.clamp(-1, 1), clamped)


def test_motion_moves_what_stands_still_at_time_0() -> None:
    generator = small_generator()
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    videos, others = generator(latents), generator(latents | {"motion": -latents["motion"]})
    torch.testing.assert_close(videos[:, :, 0], others[:, :, 0])
    assert (videos[:, :, -1] - others[:, :, -1]).abs().mean() > 1e-3
    assert (videos[:, :, -1] - videos[:, :, 0]).abs().mean() > 1e-3


def test_fourier_features_follow_the_formula() -> None:
    torch.manual_seed(0)
    features = layers.FourierFeatures(w_dim=4, motion_dim=3, size=8, motion_sigma=0.25)
    w, motion, times = torch.randn(2, 4), torch.randn(2, 3), torch.rand(2, 5)
    made = features(w, motion, times)
    assert made.shape == (2, 256, 5, 8, 8)
    waves, t = features.to_waves(w)[1], times[1, 2]
    x, y = 2 * 6 / 8 - 1, 1 - 2 * 1 / 8  # the seventh column of the second row
    moved = F.leaky_relu(0.25 * t * features.to_motion(torch.cat([w[1], motion[1]])))
    angle = math.sqrt(10) * (waves[0:256:2] * x + waves[1:256:2] * y) + waves[256:] + features.motion_mlp(moved)
    torch.testing.assert_close(made[1, :, 2, 1, 6], torch.cat([angle.sin(), angle.cos()]))


def test_factorized_modulation_follows_the_formula() -> None:
    torch.manual_seed(0)
    layer = layers.FactorizedModulation(3, 4, w_dim=5, rank=2)
    x, w = torch.randn(2, 3, 2, 4, 4), torch.randn(2, 5)
    factors = layer.affine(w)[1]
    change = factors[:8].view(4, 2) @ factors[8:].view(2, 3) / math.sqrt(2)
    weights = layer.weight * (1 + change)
    weights = weights / weights.norm(dim=1, keepdim=True)
    expected = math.sqrt(2) * F.leaky_relu(torch.einsum("oi,ithw->othw", weights, x[1]), 0.2)
    torch.testing.assert_close(layer(x, w)[1], expected)


def test_doubling_repeats_pixels() -> None:
    x = torch.rand(1, 2, 3, 4, 4)
    torch.testing.assert_close(layers.doubled(x), F.interpolate(x, scale_factor=(1, 2, 2), mode="nearest"))


def test_views_follow_the_two_beta_distributions() -> None:
    times = small_discriminator(num_frames=1000).sample_view(20000, torch.Generator().manual_seed(0))["times"]
    # The smaller of Beta(2, 1) and Beta(1, 2) exceeds x with probability (1 - x^2)(1 - x)^2: its mean is 0.3.
    means = (times.float() / 1000).mean(dim=0)
    torch.testing.assert_close(means, torch.tensor([0.3, 0.7]), atol=0.01, rtol=0)


@pytest.mark.parametrize("num_frames", [2, 3, 16])
def test_views_are_two_different_frames(num_frames: int) -> None:
    times = small_discriminator(num_frames).sample_view(2000, torch.Generator().manual_seed(0))["times"]
    assert times.shape == (2000, 2) and (times.diff(dim=1) > 0).all()
    assert set(times.flatten().tolist()) == set(range(num_frames))


def test_two_heads() -> None:
    discriminator = small_discriminator(mbstd_group_size=0)
    clips, view = torch.rand(3, 3, 2, 16, 16), {"times": torch.tensor([[0, 15]] * 3)}
    judgement = discriminator(clips, None, view)
    video, image = judgement.logits
    assert video.shape == (3,) and image.shape == (3, 2)
    assert [feature.shape[1] for feature in judgement.features] == list(discriminator.num_features)
    swapped = discriminator(clips.flip(2), None, view).logits
    torch.testing.assert_close(swapped[1], image.flip(1))  # the image head sees frames by themselves
    assert not torch.allclose(swapped[0], video, atol=1e-3)
    nearer = discriminator(clips, None, {"times": torch.tensor([[3, 4]] * 3)}).logits
    torch.testing.assert_close(nearer[1], image)
    assert not torch.allclose(nearer[0], video, atol=1e-3)  # the video head knows how far they are apart
    torch.testing.assert_close(discriminator(clips[:1], None, {"times": view["times"][:1]}).logits[0], video[:1])
    with pytest.raises(ValueError, match="needs the view"):
        discriminator(clips)


def test_clips_are_compared_with_other_clips_alone() -> None:
    discriminator = small_discriminator()
    clips, times = torch.rand(8, 3, 2, 16, 16), torch.tensor([[0, 15]] * 8)
    whole = discriminator(clips, None, {"times": times}).logits
    halves = [discriminator(half, None, {"times": times[:4]}).logits for half in clips.chunk(2)]
    for head, parts in zip(whole, zip(*halves, strict=True), strict=True):
        torch.testing.assert_close(torch.cat(parts), head)
    # The image head compares first frames with first frames: what the second ones are does not matter.
    others = torch.stack([clips[:, :, 0], torch.rand(8, 3, 16, 16)], dim=2)
    torch.testing.assert_close(discriminator(others, None, {"times": times}).logits[1][:, 0], whole[1][:, 0])


def test_gradients_reach_every_parameter() -> None:
    generator, discriminator = small_generator().train(), small_discriminator()
    rng = torch.Generator().manual_seed(0)
    view = discriminator.sample_view(4, rng)
    judgement = discriminator(generator.render(generator.sample_latents(4, rng), None, view), None, view)
    sum(head.square().sum() for head in judgement.logits).backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_penalties_differentiate_twice() -> None:
    discriminator = small_discriminator()
    view = discriminator.sample_view(2, torch.Generator())
    clips = torch.rand(2, 3, 2, 16, 16, requires_grad=True)
    total: Tensor = sum(head.sum() for head in discriminator(clips, None, view).logits)
    (gradient,) = torch.autograd.grad(total, clips, create_graph=True)
    gradient.square().sum().backward()
    for name in ("video.from_pixels.weight", "image.blocks.0.conv1.weight"):
        reached = discriminator.get_parameter(name).grad
        assert reached is not None and reached.isfinite().all() and reached.abs().sum() > 0, name


def test_truncation_pulls_w_towards_its_mean() -> None:
    generator = small_generator()
    generator.mapping.w_avg.copy_(torch.randn(7))
    latents = generator.sample_latents(2, torch.Generator())
    videos = generator(latents)
    torch.testing.assert_close(generator(generator.truncate(latents, 1.0)), videos)
    nearly = generator(generator.truncate(latents, 1e-6))
    others = generator(generator.truncate(latents | {"z": torch.randn(2, 6)}, 1e-6))
    torch.testing.assert_close(nearly, others, atol=1e-4, rtol=0)
    assert (nearly - videos).abs().mean() > 1e-3


def test_bfloat16() -> None:
    generator, discriminator = small_generator(), small_discriminator()
    rng = torch.Generator().manual_seed(0)
    latents, view = generator.sample_latents(4, rng), discriminator.sample_view(4, rng)
    exact = generator.render(latents, None, view)
    with torch.autocast("cpu", torch.bfloat16):
        clips = generator.render(latents, None, view)
        heads = discriminator(clips, None, view).logits
    assert torch.equal(clips, exact)  # the generator is float32 throughout
    for head, expected in zip(heads, discriminator(exact, None, view).logits, strict=True):
        torch.testing.assert_close(head, expected, atol=0.15, rtol=0.1)


def test_sizes_that_cannot_be_made() -> None:
    for network in (DIGANGenerator, DIGANDiscriminator):
        with pytest.raises(ValueError, match=r"size is 48; .* powers of two"):
            network(size=48)
        with pytest.raises(ValueError, match="num_frames is 1; DIGAN needs at least 2"):
            network(num_frames=1)
    with pytest.raises(ValueError, match="size is 8; DIGAN makes powers of two from 16"):
        DIGANGenerator(size=8)
