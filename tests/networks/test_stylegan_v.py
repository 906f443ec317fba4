import math

import pytest
import torch
from torch import Tensor, nn

from networks.equalized import EqualizedLinear
from networks.stylegan_v import StyleGANVDiscriminator, StyleGANVGenerator, TimeDifferences
from networks.stylegan_v_motion import MotionCodes


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small_generator(num_classes: int = 0) -> StyleGANVGenerator:
    torch.manual_seed(0)
    return StyleGANVGenerator(
        16,
        32,
        num_classes=num_classes,
        latent_dim=6,
        w_dim=7,
        motion_dim=8,
        motion_distance=8,
        max_period=128,
        max_num_frames=64,
        base_channels=128,
        max_channels=6,
    ).eval()


def small_discriminator(num_classes: int = 0, mbstd_group_size: int = 4) -> StyleGANVDiscriminator:
    torch.manual_seed(1)
    return StyleGANVDiscriminator(
        16, 32, 3, num_classes, max_num_frames=64, base_channels=128, max_channels=6, mbstd_group_size=mbstd_group_size
    )


def test_parameter_counts() -> None:
    with torch.device("meta"):
        generator, discriminator = StyleGANVGenerator(), StyleGANVDiscriminator()
    linear, conv = 512 * 512 + 512, 9 * 512 * 512
    assert num_parameters(generator.mapping) == 2 * linear
    assert num_parameters(generator.motion) == 2 * (11 * 512 * 512 + 512) + 2 * 512 * 256 + 512 * 512
    first = 9 * 1024 * 512 + (512 * 1024 + 1024) + 512 + linear + 3 * 512 + 3
    block = 2 * (conv + linear + 512) + linear + 3 * 512 + 3
    last = 9 * (512 + 256) * 256 + linear + 2 * 256 + 2 * (512 * 256 + 256) + 3 * 256 + 3
    assert num_parameters(generator.synthesis) == 512 * 16 + first + 3 * block + last
    assert num_parameters(generator) == 31_158_031
    # Of the reference code's blocks: 1.90 (with the 1,024 of from_pixels), 3.67, 6.29 and 4.98 million.
    assert [num_parameters(each) for each in discriminator.frame_blocks] == [1_901_312, 3_670_784]
    assert [num_parameters(each) for each in discriminator.clip_blocks] == [6_292_480, 4_981_760]
    epilogue = 9 * 513 * 512 + 512 + 8192 * 512 + 512 + linear  # minibatch deviation is the 513th channel
    conditioning = 1024 * 256 + (2 * (256 + 20) * 512 + 512) + 2 * linear
    assert num_parameters(discriminator.epilogue) + 1024 * 256 == epilogue + conditioning
    assert num_parameters(discriminator) == 24_739_840


def test_the_tables_in_the_docstrings() -> None:
    shapes = []

    def note(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, Tensor]) -> None:
        shapes.append(tuple((output[0] if isinstance(output, tuple) else output).shape))

    with torch.device("meta"):
        generator, discriminator = StyleGANVGenerator(), StyleGANVDiscriminator()
        for module in (generator.mapping, generator.motion, *generator.synthesis.blocks):
            module.register_forward_hook(note)
        for module in (discriminator.from_pixels, *discriminator.frame_blocks, *discriminator.clip_blocks):
            module.register_forward_hook(note)
        discriminator.epilogue.hidden.register_forward_hook(note)
        latents = {"z": torch.empty(2, 512), "motion": torch.empty(2, 23, 512), "times": torch.empty(2, 3)}
        view = {"times": torch.empty(2, 3, dtype=torch.long)}
        judgement = discriminator(generator(latents), None, view)
    assert shapes[:2] == [(2, 512), (2, 3, 512)]
    assert shapes[2:7] == [
        (6, *shape) for shape in ((512, 4, 4), (512, 8, 8), (512, 16, 16), (512, 32, 32), (256, 64, 64))
    ]
    assert shapes[7:10] == [(6, 256, 64, 64), (6, 512, 32, 32), (6, 256, 16, 16)]
    assert shapes[10:] == [(2, 512, 8, 8), (2, 512, 4, 4), (2, 512)]
    assert judgement.logits[0].shape == (2,) and discriminator.num_features == (512,)


@pytest.mark.parametrize("num_frames", [1, 16, 50])
def test_videos_of_any_length(num_frames: int) -> None:
    generator = small_generator()
    latents = generator.sample_latents(3, torch.Generator().manual_seed(0), num_frames)
    videos = generator(latents)
    assert videos.shape == (3, 3, num_frames, 32, 32) and videos.dtype == torch.float32 and videos.abs().max() <= 1
    one = generator({name: value[1:2] for name, value in latents.items()})
    torch.testing.assert_close(one, videos[1:2], atol=1e-4, rtol=0)


def test_pixels_are_clamped_in_evaluation_alone() -> None:
    generator = small_generator()
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    clamped, free = generator(latents), generator.train()(latents)
    assert free.abs().max() > 1
    torch.testing.assert_close(free.clamp(-1, 1), clamped)


def test_the_longest_period_is_apart_from_the_videos_length() -> None:
    generator = small_generator()
    periods = 2 * math.pi / generator.motion.frequencies
    torch.testing.assert_close(periods[[0, -1]], torch.tensor([128.0, 8.0]))
    assert generator.sample_latents(500, torch.Generator())["times"].max() == 63


def test_frames_alone_equal_frames_of_the_video() -> None:
    generator, discriminator = small_generator(), small_discriminator()
    rng = torch.Generator().manual_seed(0)
    latents, view = generator.sample_latents(4, rng), discriminator.sample_view(4, rng)
    assert set(view) == generator.renders
    seen = discriminator.look(generator(latents), view)
    assert seen.shape == (4, 3, 3, 32, 32)
    torch.testing.assert_close(generator.render(latents, None, view), seen)


def test_frames_move_with_time_and_lie_between_frames() -> None:
    generator = small_generator()
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    now = latents["times"][:, 3:4]
    before, little, later = (generator.frames_at(latents, None, now + shift) for shift in (0.0, 0.01, 0.5))
    assert 0 < (little - before).abs().mean() < 0.1 * (later - before).abs().mean()
    latents["motion"] = -latents["motion"]
    assert (generator.frames_at(latents, None, now) - before).abs().mean() > 1e-3


def test_clips_begin_anywhere_in_a_video() -> None:
    generator = small_generator()
    times = generator.sample_latents(2000, torch.Generator().manual_seed(0))["times"]
    assert torch.equal(times.diff(dim=1), torch.ones(2000, 15))
    assert set(times[:, 0].int().tolist()) == set(range(64 - 16 + 1))


def motion_codes() -> tuple[MotionCodes, Tensor]:
    torch.manual_seed(0)
    return MotionCodes(5, 6, distance=8, max_period=64).double(), torch.randn(2, 25, 5, dtype=torch.float64)


def test_motion_codes_follow_the_formula() -> None:
    codes, noise = motion_codes()
    knots = codes.convolutions(noise.transpose(1, 2)).transpose(1, 2)
    assert knots.shape == (2, 5, 6)
    left, right, t = knots[0, 1], knots[0, 2], 11.5  # between the knots at 8 and at 16
    omega = 2 * math.pi / torch.tensor([64.0, math.sqrt(8 * 64), 8.0], dtype=torch.float64)
    torch.testing.assert_close(codes.frequencies, omega)

    def linear(layer: EqualizedLinear, code: Tensor) -> Tensor:
        return layer.weight @ code / math.sqrt(6)

    def waves(time: float) -> Tensor:
        angle = omega * (linear(codes.to_amplitudes, left).tanh() + 1) * time
        angle = angle + linear(codes.to_phases, left) * 64 * omega / (2 * math.pi)
        return torch.cat([angle.sin(), angle.cos()])

    share = 3.5 / 8
    expected = waves(t) - (1 - share) * waves(8.0) - share * waves(16.0)
    expected = expected + linear(codes.to_anchors, (1 - share) * left + share * right)
    times = torch.full((2, 1), t, dtype=torch.float64)
    torch.testing.assert_close(codes(noise, times, torch.zeros_like(times))[0, 0], expected)


def test_motion_codes_are_continuous_and_anchored_at_knots() -> None:
    codes, noise = motion_codes()
    times = torch.tensor([[16 - 1e-7, 16.0, 16 + 1e-7]], dtype=torch.float64).expand(2, -1)
    before, at, after = codes(noise, times, torch.zeros(2, 1)).unbind(dim=1)
    torch.testing.assert_close(before, at, atol=1e-5, rtol=0)
    torch.testing.assert_close(after, at, atol=1e-5, rtol=0)
    anchors = codes.to_anchors(codes.convolutions(noise.transpose(1, 2)).transpose(1, 2)[:, 2])
    torch.testing.assert_close(at, anchors)


def test_the_noise_begins_at_the_knot_before_the_clip() -> None:
    codes, noise = motion_codes()
    times = torch.tensor([[17.0, 20.0]], dtype=torch.float64).expand(2, -1)
    whole = codes(noise, times, torch.zeros(2, 1))
    torch.testing.assert_close(codes(noise[:, 2:], times, torch.full((2, 1), 17.0)), whole)
    assert [codes.num_knots(length) - 20 for length in (1, 2, 9, 10)] == [2, 3, 3, 4]


def test_views_have_spans_of_powers_of_two() -> None:
    discriminator = small_discriminator()
    times = discriminator.sample_view(6000, torch.Generator().manual_seed(0))["times"]
    assert times.min() == 0 and times.max() == 15 and (times.diff(dim=1) > 0).all()
    spans, counts = (times[:, 2] - times[:, 0]).unique(return_counts=True)
    assert spans.tolist() == [2, 4, 8] and ((counts - 2000).abs() < 200).all()
    for span in (2, 4, 8):
        chosen = times[times[:, 2] - times[:, 0] == span]
        assert set(chosen[:, 0].tolist()) == set(range(16 - span))
        assert set((chosen[:, 1] - chosen[:, 0]).tolist()) == set(range(1, span))


def test_long_clips_are_seen_over_32_frames_at_most() -> None:
    times = StyleGANVDiscriminator(100, 32, base_channels=32).sample_view(500, torch.Generator())["times"]
    assert set((times[:, 2] - times[:, 0]).tolist()) == {2, 4, 8, 16, 32}


def test_gradients_reach_every_parameter() -> None:
    generator, discriminator = small_generator(num_classes=2).train(), small_discriminator(num_classes=2)
    rng, labels = torch.Generator().manual_seed(0), torch.tensor([0, 1, 1, 0])
    view = discriminator.sample_view(4, rng)
    clips = generator.render(generator.sample_latents(4, rng), labels, view)
    discriminator(clips, labels, view).logits[0].square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_penalties_differentiate_twice() -> None:
    discriminator = small_discriminator()
    view = discriminator.sample_view(2, torch.Generator())
    clips = torch.rand(2, 3, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(clips, None, view).logits[0].sum(), clips, create_graph=True)
    gradient.square().sum().backward()
    for name in ("from_pixels.weight", "frame_blocks.0.conv1.weight", "epilogue.out.weight"):
        reached = discriminator.get_parameter(name).grad
        assert reached is not None and reached.isfinite().all() and reached.abs().sum() > 0, name


def test_the_discriminator_knows_how_far_frames_are_apart() -> None:
    discriminator = small_discriminator(mbstd_group_size=0)
    clips = torch.rand(2, 3, 3, 32, 32)
    logits = [
        discriminator(clips, None, {"times": torch.tensor([times, times])}).logits[0]
        for times in ([0, 1, 2], [7, 8, 9], [0, 4, 8])
    ]
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2], atol=1e-3)
    with pytest.raises(ValueError, match="needs the view"):
        discriminator(clips)


def test_halves_of_a_batch_are_judged_as_the_whole() -> None:
    discriminator = small_discriminator()
    clips, times = torch.rand(8, 3, 3, 32, 32), torch.tensor([[0, 4, 8]] * 8)
    halves = [discriminator(half, None, {"times": times[:4]}).logits[0] for half in clips.chunk(2)]
    torch.testing.assert_close(torch.cat(halves), discriminator(clips, None, {"times": times}).logits[0])


def test_time_differences() -> None:
    encoded = TimeDifferences(1024)(torch.tensor([0, 4]))
    assert encoded.shape == (2, 276)
    # Periods from 4 frames to 2048: after 4 frames the shortest is where it was.
    torch.testing.assert_close(encoded[:, 265], torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(encoded[1, 256], torch.tensor(4 * math.pi / 1024).sin())


def test_labels_matter_and_are_needed() -> None:
    generator, discriminator = small_generator(3), small_discriminator(3, mbstd_group_size=0)
    rng = torch.Generator().manual_seed(0)
    latents, view = generator.sample_latents(2, rng), discriminator.sample_view(2, rng)
    ones, twos = torch.tensor([1, 1]), torch.tensor([2, 2])
    clips = generator.render(latents, ones, view)
    assert (clips - generator.render(latents, twos, view)).abs().mean() > 1e-3
    motion = [
        generator.motion(latents["motion"], latents["times"][:, :1], latents["times"][:, :1], one_hot)
        for one_hot in torch.eye(3)[1:, None].expand(-1, 2, -1)
    ]
    assert (motion[0] - motion[1]).abs().mean() > 1e-3
    logits = [discriminator(clips, labels, view).logits[0] for labels in (ones, twos)]
    assert (logits[0] - logits[1]).abs().mean() > 1e-4
    for network, arguments in ((generator, (latents, None)), (discriminator, (clips, None, view))):
        with pytest.raises(ValueError, match="it needs labels"):
            network(*arguments)


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
        logits = discriminator(clips, None, view).logits[0]
    assert clips.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(clips, exact, atol=0.1, rtol=0)
    torch.testing.assert_close(logits, discriminator(exact, None, view).logits[0], atol=0.1, rtol=0.1)


def test_sizes_that_cannot_be_made() -> None:
    for network in (StyleGANVGenerator, StyleGANVDiscriminator):
        with pytest.raises(ValueError, match=r"size is 48; .* powers of two"):
            network(size=48)
    with pytest.raises(ValueError, match=r"size is 16; .* at least 32"):
        StyleGANVDiscriminator(size=16)
    with pytest.raises(ValueError, match=r"num_frames is 2; .* 3 to 1024"):
        StyleGANVDiscriminator(num_frames=2)
    with pytest.raises(ValueError, match="motion_dim is 7"):
        StyleGANVGenerator(motion_dim=7)
