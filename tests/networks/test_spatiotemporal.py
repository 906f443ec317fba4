import math

import pytest
import torch

from networks.spatiotemporal import SpatiotemporalCritic, SpatiotemporalGenerator, same_padding


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    # 11,023,683 in the transposed convolutions with their batch norms and 827,392 in the linear layer; the batch norm
    # after the linear layer adds 1,024.
    assert num_parameters(SpatiotemporalGenerator()) == 11_023_683 + 827_392 + 1_024
    assert num_parameters(SpatiotemporalCritic()) == 11_057_990


@pytest.mark.parametrize(("num_frames", "size"), [(16, 64), (32, 32), (16, 16)])
def test_shapes_and_range(num_frames: int, size: int) -> None:
    generator = SpatiotemporalGenerator(num_frames, size, base_channels=8)
    videos = generator(generator.sample_latents(2, torch.Generator().manual_seed(0)))
    assert videos.shape == (2, 3, num_frames, size, size) == (2, *generator.video_shape)
    assert videos.abs().max() <= 1
    ((score,), (features,), _) = (critic := SpatiotemporalCritic(num_frames, size, base_channels=8))(videos)
    assert features.shape == (2, *critic.num_features)
    assert score.shape == (2,)


def test_the_tables_in_the_docstrings() -> None:
    shapes = []
    generator, critic = SpatiotemporalGenerator(), SpatiotemporalCritic()
    for block in [*generator.blocks, *critic.blocks, critic.to_map]:
        block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        critic(generator(generator.sample_latents(1, torch.Generator())))
    assert shapes == [
        (256, 2, 8, 8),
        (128, 4, 16, 16),
        (64, 8, 32, 32),
        (64, 8, 32, 32),
        (128, 4, 16, 16),
        (256, 2, 8, 8),
        (512, 1, 4, 4),
        (1, 1, 2, 2),
    ]


def test_the_critic_keeps_clips_apart() -> None:
    critic = SpatiotemporalCritic(16, 16, base_channels=4)
    clips = torch.rand(3, 3, 16, 16, 16)
    torch.testing.assert_close(critic(clips).logits[0][:1], critic(clips[:1]).logits[0])


def test_gradients_reach_every_parameter() -> None:
    generator, critic = SpatiotemporalGenerator(16, 16, base_channels=4), SpatiotemporalCritic(16, 16, base_channels=4)
    critic(generator(generator.sample_latents(2, torch.Generator()))).logits[0].sum().backward()
    # A batch norm takes away what a bias before it adds.
    no_effect = {"project.bias", *(f"blocks.{number}.0.bias" for number in range(3))}
    for network, without in ((generator, no_effect), (critic, set())):
        for name, parameter in network.named_parameters():
            if name not in without:
                assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_convolutions_start_as_the_reference_codes() -> None:
    generator, critic = SpatiotemporalGenerator(), SpatiotemporalCritic()
    for layer, fan_in, fan_out in (
        (generator.blocks[0][0], 512 * 64, 256 * 8),
        (critic.blocks[1][0], 64 * 64, 128 * 8),
    ):
        std = math.sqrt(4 / (fan_in + fan_out))
        assert layer.weight.std().item() == pytest.approx(std, rel=0.01)
        assert layer.weight.abs().max().item() == pytest.approx(math.sqrt(3) * std, rel=0.01)
        assert not layer.bias.any()
    assert generator.project.weight.std().item() == pytest.approx(0.01, rel=0.01)


def test_same_padding_is_tensorflows() -> None:
    assert same_padding(1) == (1, 2)
    assert same_padding(4) == (1, 1)
    assert same_padding(5) == (1, 2)


@pytest.mark.parametrize("network", [SpatiotemporalGenerator, SpatiotemporalCritic])
def test_sizes_that_cannot_be_made(network: type) -> None:
    with pytest.raises(ValueError, match=r"size is 50; .* multiple of 16"):
        network(size=50)
    with pytest.raises(ValueError, match="num_frames is 8"):
        network(num_frames=8)
