from copy import deepcopy

import pytest
import torch

from networks.tcn_gan import RECEPTIVE_FIELD, CausalBlock, TCNGenerator


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        generator = TCNGenerator()
    # Eight convolutions of kernel 3 with a bias and, by weight norm, a gain for each channel; one of kernel 1.
    assert num_parameters(generator.temporal) == 8 * (128 * 128 * 3 + 2 * 128) + 64 * 128 + 128
    # MoCoGAN's decoder, 3,298,176 at 66 inputs, and 8,192 for each of 162 more.
    assert num_parameters(generator) == 3_298_176 + 162 * 512 * 16 + 403_584 == 5_028_864


def test_the_table_in_the_docstring() -> None:
    shapes = []
    with torch.device("meta"):
        generator = TCNGenerator()
        for layer in generator.temporal:
            layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        generator.frame_codes({"content": torch.zeros(2, 100), "noise": torch.zeros(2, 76, 64)}, None)
    assert shapes == [(128, 76), (128, 72), (128, 64), (128, 48), (128, 16)]


def test_a_frame_sees_61_moments_of_noise_up_to_its_own() -> None:
    assert RECEPTIVE_FIELD == 61
    generator = TCNGenerator(3, 16, content_dim=0, base_channels=2)
    latents = generator.sample_latents(1, torch.Generator().manual_seed(0), num_frames=70)
    noise = latents["noise"].requires_grad_(True)
    codes = generator.frame_codes({**latents, "noise": noise}, None)
    assert codes.shape == (1, 70, 128) and noise.shape == (1, 130, 64)
    for frame in (0, 69):
        (gradient,) = torch.autograd.grad(codes[0, frame].sum(), noise, retain_graph=True)
        seen = gradient[0].abs().sum(dim=1).nonzero().flatten()
        assert (int(seen.min()), int(seen.max())) == (frame, frame + 60)


def test_a_block_is_residual() -> None:
    block = CausalBlock(4, dilation=2)
    sequence = torch.rand(2, 4, 20)
    with torch.no_grad():
        block.second.parametrizations.weight.original0.zero_()  # the gains
        block.second.bias.zero_()
    torch.testing.assert_close(block(sequence), sequence[:, :, 8:])


@pytest.mark.parametrize("content_dim", [0, 10])
def test_a_copy_is_the_same_network(
    content_dim: int,
) -> None:  # a moving average is one; weight norm has hidden weights
    generator = TCNGenerator(3, 16, content_dim=content_dim, base_channels=2).eval()
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    copy = deepcopy(generator)
    torch.testing.assert_close(copy(latents), generator(latents))
    with torch.no_grad():
        for parameter in copy.temporal.parameters():
            parameter.mul_(2)
    assert not torch.allclose(copy(latents), generator(latents))
