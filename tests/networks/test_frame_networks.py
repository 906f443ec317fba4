from functools import partial

import pytest
import torch

from networks.base import pick_frames
from networks.frame_gan import FrameGANGenerator
from networks.frame_networks import (
    FrameDecoder,
    FrameGenerator,
    ImageDiscriminatorNetwork,
    distinct_frames,
    layer_widths,
)
from networks.lstm_gan import LSTMGenerator
from networks.mocogan import MoCoGANGenerator
from networks.tcn_gan import TCNGenerator

GENERATORS = [
    FrameGANGenerator,
    LSTMGenerator,
    TCNGenerator,
    MoCoGANGenerator,
    partial(MoCoGANGenerator, num_classes=3),
    partial(MoCoGANGenerator, num_categories=3),
    partial(MoCoGANGenerator, num_categories=3, category_input="frames"),
]


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small(make) -> FrameGenerator:
    torch.manual_seed(0)
    return make(num_frames=5, size=16, base_channels=4)


def test_parameter_counts_are_those_of_the_published_code() -> None:
    with torch.device("meta"):
        assert num_parameters(FrameDecoder(code_dim=66)) == 3_298_176
        assert num_parameters(ImageDiscriminatorNetwork(is_patch=True)) == 663_296
        assert num_parameters(ImageDiscriminatorNetwork()) == 2_765_568


def test_the_tables_in_the_docstrings() -> None:
    shapes = []
    with torch.device("meta"):
        for network, inputs in (
            (FrameDecoder(66), torch.zeros(2, 66)),
            (ImageDiscriminatorNetwork(), torch.zeros(2, 3, 64, 64)),
            (ImageDiscriminatorNetwork(is_patch=True), torch.zeros(2, 3, 64, 64)),
        ):
            for block in [*network.blocks, list(network.children())[-1]]:
                block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
            network(inputs)
    assert shapes == [
        *((512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)),
        *((64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1, 1, 1)),
        *((64, 32, 32), (128, 16, 16), (256, 8, 8), (1, 4, 4)),
    ]


@pytest.mark.parametrize("size", [16, 32, 128])
def test_other_sizes_have_other_depths(size: int) -> None:
    decoder = FrameDecoder(7, size, channels=1, base_channels=2)
    frames = decoder(torch.randn(3, 7))
    assert frames.shape == (3, 1, size, size)
    for is_patch, positions in ((False, 1), (True, size // 16)):
        network = ImageDiscriminatorNetwork(size, 1, base_channels=2, is_patch=is_patch)
        logits, features = network(frames)
        assert logits.shape == (3, positions, positions)
        assert features.shape == (3, network.num_features)
    assert layer_widths(128, 2) == [2, 4, 8, 16, 16]


@pytest.mark.parametrize(
    "make", [partial(FrameDecoder, 7), ImageDiscriminatorNetwork, FrameGANGenerator, MoCoGANGenerator]
)
def test_sizes_that_cannot_be_made(make) -> None:
    for size in (8, 48):
        with pytest.raises(ValueError, match=rf"size is {size}; .* powers of two from 16"):
            make(size=size)


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_norms_that_keep_clips_apart_and_can_be_differentiated_twice(norm) -> None:
    network = ImageDiscriminatorNetwork(16, base_channels=4, norm=norm)
    frames = torch.rand(3, 3, 16, 16, requires_grad=True)
    logits, _ = network(frames)
    torch.testing.assert_close(logits[:1], network(frames[:1])[0])
    (gradient,) = torch.autograd.grad(logits.sum(), frames, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in network.named_parameters():
        if not name.endswith("bias"):  # they shift what comes out, not how steep it is, but through LeakyReLU's sign
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_drawn_frames_are_distinct_and_ascending() -> None:
    frames = distinct_frames(64, 8, 3, torch.Generator().manual_seed(0))
    assert frames.shape == (64, 3) and frames.dtype == torch.int64
    assert (frames.diff(dim=1) > 0).all()
    assert set(frames.flatten().tolist()) == set(range(8))


@pytest.mark.parametrize("make", GENERATORS)
def test_videos_of_any_length(make) -> None:
    generator = small(make).eval()
    labels = torch.tensor([0, 2])
    for num_frames in (None, 1, 3, 9):
        latents = generator.sample_latents(2, torch.Generator().manual_seed(0), num_frames)
        videos = generator(latents, labels)
        assert videos.shape == (2, 3, num_frames or 5, 16, 16)
        assert videos.abs().max() <= 1 and videos.std() > 0
    with pytest.raises(ValueError, match="num_frames is 0"):
        generator.sample_latents(2, torch.Generator(), 0)
    with pytest.raises(ValueError, match="num_frames is 0"):
        make(num_frames=0)


@pytest.mark.parametrize("make", GENERATORS)
def test_a_video_depends_on_its_own_latents_alone(make) -> None:
    generator, labels = small(make).eval(), torch.tensor([0, 2, 1])
    latents = generator.sample_latents(3, torch.Generator().manual_seed(0))
    again = generator.sample_latents(3, torch.Generator().manual_seed(0))
    assert all(torch.equal(latents[name], again[name]) for name in latents)
    sliced = {name: values[1:2] for name, values in latents.items()}
    torch.testing.assert_close(generator(sliced, labels[1:2]), generator(latents, labels)[1:2])


@pytest.mark.parametrize("make", GENERATORS)
def test_single_frames_are_those_of_the_video(make) -> None:
    generator, labels = small(make).eval(), torch.tensor([0, 2])
    latents, frames = generator.sample_latents(2, torch.Generator().manual_seed(0)), torch.tensor([[0, 4], [2, 3]])
    rendered = generator.render(latents, labels, {"times": frames})
    torch.testing.assert_close(rendered, pick_frames(generator(latents, labels), frames))


@pytest.mark.parametrize("make", GENERATORS)
def test_gradients_reach_every_parameter(make) -> None:
    generator = small(make)
    videos = generator(generator.sample_latents(2, torch.Generator().manual_seed(0)), torch.tensor([0, 2]))
    (videos * torch.randn_like(videos)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("make", GENERATORS)
def test_bfloat16_autocast_changes_little(make) -> None:
    generator, labels = small(make).eval(), torch.tensor([0, 2])
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = generator(latents, labels)
    torch.testing.assert_close(rounded.float(), generator(latents, labels), atol=0.05, rtol=0)
