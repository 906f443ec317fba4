import pytest
import torch
import torch.nn.functional as F

from networks.base import Judgement
from networks.compact import CompactDiscriminator, CompactGenerator, Doubling, DoublingConv3d, pad_time


def judged(discriminator: CompactDiscriminator, clips: torch.Tensor) -> Judgement:
    return discriminator(clips, view=discriminator.sample_view(len(clips), torch.Generator().manual_seed(0)))


def latents(generator: CompactGenerator, num_videos: int = 2) -> dict[str, torch.Tensor]:
    return generator.sample_latents(num_videos, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("num_frames", "size"), [(16, 32), (8, 16), (24, 64)])
def test_shapes_and_range(num_frames: int, size: int) -> None:
    generator = CompactGenerator(num_frames, size, base_channels=4)
    videos = generator(latents(generator))
    assert videos.shape == (2, 3, num_frames, size, size) == (2, *generator.video_shape)
    assert videos.abs().max() <= 1
    discriminator = CompactDiscriminator(num_frames, size, base_channels=4, num_image_frames=3)
    logits, features, _ = judged(discriminator, videos)
    assert [each.shape for each in logits] == [(2,), (2, 3)]
    assert [each.shape for each in features] == [(2, number) for number in discriminator.num_features]


def test_the_tables_in_the_docstrings() -> None:
    shapes = []
    generator, discriminator = CompactGenerator(), CompactDiscriminator()
    for block in [*generator.blocks, generator.last_doubling, *discriminator.layers[::2]]:
        block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        judged(discriminator, generator(latents(generator)))
    assert shapes == [
        (96, 4, 8, 8),
        (48, 8, 16, 16),
        (16, 20, 32, 32),
        (24, 16, 16, 16),
        (48, 8, 8, 8),
        (96, 4, 4, 4),
        (144, 2, 2, 2),
    ]


def test_parameter_counts() -> None:
    counts = [sum(p.numel() for p in network.parameters()) for network in (CompactGenerator(), CompactDiscriminator())]
    assert counts == [1_119_331, 1_632_601]


def test_the_discriminator_keeps_clips_apart() -> None:
    discriminator, clips = CompactDiscriminator(8, 16, base_channels=4), torch.rand(3, 3, 8, 16, 16)
    view = discriminator.sample_view(3, torch.Generator().manual_seed(0))
    together = discriminator(clips, view=view)
    alone = discriminator(clips[:1], view={"image_frames": view["image_frames"][:1]})
    torch.testing.assert_close([each[:1] for each in together.logits], list(alone.logits))
    torch.testing.assert_close([each[:1] for each in together.features], list(alone.features))


def test_each_head_sees_what_is_its_own() -> None:
    discriminator = CompactDiscriminator(8, 16, base_channels=4, num_image_frames=4)
    clips = torch.rand(2, 3, 8, 16, 16)
    view = {"image_frames": torch.tensor([[1, 3, 4, 6], [0, 2, 5, 7]])}
    other = clips.clone()
    other[0, :, [0, 2, 5, 7]] += 1  # frames of the first clip that its image head does not see
    other[1, :, 2] += 1  # one that it sees of the second
    before, after = (discriminator(each, view=view).logits for each in (clips, other))
    assert (before[0] != after[0]).all()
    assert (before[1] != after[1]).tolist() == [[False] * 4, [False, True, False, False]]


def test_which_frames_the_image_head_sees() -> None:
    rng = torch.Generator().manual_seed(0)
    frames = CompactDiscriminator(16, 16, base_channels=4).sample_view(500, rng)["image_frames"]
    assert frames.shape == (500, 8)
    assert (frames.diff(dim=1) > 0).all()
    assert frames.unique().tolist() == list(range(16))


def test_gradients_reach_every_parameter() -> None:
    generator, discriminator = CompactGenerator(8, 16, base_channels=4), CompactDiscriminator(8, 16, base_channels=4)
    sum(logits.sum() for logits in judged(discriminator, generator(latents(generator))).logits).backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("in_time", [True, False])
def test_what_does_not_move_in_time_stays_still_through_a_doubling(in_time: bool) -> None:
    block = Doubling(4, 3, in_time).eval()
    still = torch.rand(1, 4, 1, 4, 4).expand(-1, -1, 8, -1, -1)
    doubled = block(still)
    assert doubled.shape == (1, 3, 16 if in_time else 8, 8, 8)
    # Zeros around the ends of time would make the first and last frames darker than those between.
    torch.testing.assert_close(doubled[:, :, :2], doubled[:, :, 4:6])
    torch.testing.assert_close(doubled[:, :, -2:], doubled[:, :, 4:6])


@pytest.mark.parametrize("in_time", [True, False])
def test_a_doubling_is_doubled_pixels_and_a_convolution(in_time: bool) -> None:
    layer, features = DoublingConv3d(4, 3, in_time=in_time), torch.randn(2, 4, 3, 4, 5)
    torch.nn.init.normal_(layer.bias)
    doubled = F.interpolate(features, scale_factor=(2 if in_time else 1, 2, 2), mode="nearest")
    kernel = layer.weight.transpose(0, 1).flip(2, 3, 4)  # a transposed convolution's is turned round
    torch.testing.assert_close(layer(features), F.conv3d(doubled, kernel, layer.bias, padding=1))


def test_a_doubling_begins_as_torch_s_convolutions_do() -> None:
    torch.manual_seed(0)
    weight = DoublingConv3d(48, 16).weight
    assert weight.detach().abs().max() == pytest.approx((48 * 27) ** -0.5, rel=0.01)


def test_a_doubling_leaves_no_grid() -> None:
    videos = DoublingConv3d(4, 3)(torch.ones(1, 4, 6, 6, 6))
    inside = videos[:, :, 2:-2, 2:-2, 2:-2]
    torch.testing.assert_close(inside, inside[:, :, :1, :1, :1].expand_as(inside))


def test_time_is_padded_with_copies() -> None:
    padded = pad_time(torch.arange(3.0).view(1, 1, 3, 1, 1))
    assert padded.flatten().tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("network", [CompactGenerator, CompactDiscriminator])
def test_sizes_that_cannot_be_made(network: type) -> None:
    with pytest.raises(ValueError, match=r"size is 50; .* multiples of"):
        network(size=50)
    with pytest.raises(ValueError, match="num_frames is 10"):
        network(num_frames=10)


def test_what_the_discriminator_cannot_judge() -> None:
    with pytest.raises(ValueError, match=r"size is 48; .* powers of two from 16"):
        CompactDiscriminator(size=48)
    with pytest.raises(ValueError, match="num_image_frames is 17; it must be 1 to 16"):
        CompactDiscriminator(num_image_frames=17)
    with pytest.raises(ValueError, match="needs a view"):
        CompactDiscriminator(8, 16)(torch.zeros(1, 3, 8, 16, 16))
    with pytest.raises(ValueError, match=r"\(3, 8, 32, 32\) given; CompactDiscriminator is made for \(3, 8, 16, 16\)"):
        CompactDiscriminator(8, 16)(torch.zeros(1, 3, 8, 32, 32))
