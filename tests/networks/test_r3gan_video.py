import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses.base import Draw
from losses.r3gan import R3GAN
from networks.r3gan_video import (
    Doubling,
    R3GANVideoDiscriminator,
    R3GANVideoGenerator,
    Stage,
    block_gain,
    halved,
    stages_of,
)

SMALL = {"num_frames": 4, "size": 8, "base_channels": 4, "blocks_per_stage": 1, "group_channels": 4}


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def pair(**more: int) -> tuple[R3GANVideoGenerator, R3GANVideoDiscriminator]:
    """Small networks whose blocks do something, which they do not at the beginning of training."""
    torch.manual_seed(0)
    networks = R3GANVideoGenerator(**{**SMALL, **more}), R3GANVideoDiscriminator(**{**SMALL, **more})
    for network in networks:
        for name, parameter in network.named_parameters():
            if "contract" in name:
                nn.init.normal_(parameter, std=0.3)
    return networks


def latents(generator: R3GANVideoGenerator, num_videos: int = 3) -> dict[str, Tensor]:
    return generator.sample_latents(num_videos, torch.Generator().manual_seed(0))


def test_parameter_counts() -> None:
    # A block of c channels has 4 c^2 in its k1 convolutions, 27 * 16 * 2c in its grouped one and 4c biases.
    blocks = sum(2 * (4 * c * c + 27 * 16 * 2 * c + 4 * c) for c in (512, 512, 256, 128, 64))
    changes = 512 * 256 + 256 * 128 + 128 * 64
    with torch.device("meta"):
        assert num_parameters(R3GANVideoGenerator()) == blocks + changes + 512 * (2 * 4 * 4 + 64) + 64 * 3 == 7_659_200
        discriminator = blocks + changes + 3 * 64 + 512 * (2 * 4 * 4 + 1)
        assert num_parameters(R3GANVideoDiscriminator()) == discriminator == 7_626_944
        # Classes: embeddings; z twice as long; the linear layer gives as many numbers as it takes.
        assert num_parameters(R3GANVideoGenerator(num_classes=5)) == 7_659_200 + 5 * 64 + 64 * 512
        assert num_parameters(R3GANVideoDiscriminator(num_classes=5)) == 7_626_944 + 5 * 512 + 511 * 512


def test_the_tables_in_the_docstrings() -> None:
    shapes = []
    with torch.device("meta"):
        generator, discriminator = R3GANVideoGenerator(), R3GANVideoDiscriminator()
        for block in [*generator.stages, generator.to_pixels, *discriminator.stages, discriminator.basis]:
            block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        discriminator(generator({"z": torch.randn(1, 64)}))
    rising = [(512, 2, 4, 4), (512, 2, 8, 8), (256, 4, 16, 16), (128, 8, 32, 32), (64, 16, 64, 64)]
    assert shapes == [*rising, (3, 16, 64, 64), *rising[::-1], (512, 1, 1, 1)]


@pytest.mark.parametrize("sizes", [(4, 8), (1, 16), (6, 16), (5, 8)])
def test_shapes(sizes: tuple[int, int]) -> None:
    generator, discriminator = pair(num_frames=sizes[0], size=sizes[1])
    videos = generator(latents(generator))
    assert videos.shape == (3, 3, sizes[0], sizes[1], sizes[1]) == (3, *generator.video_shape)
    judgement = discriminator(videos)
    assert judgement.logits[0].shape == (3,)
    assert tuple(features.shape[1] for features in judgement.features) == discriminator.num_features


def test_patches() -> None:
    generator, discriminator = pair(num_frames=8, size=16, patch_size=2)
    assert [stage.grid for stage in stages_of(8, 16, 4, patch_size=2)] == [(2, 4, 4), (4, 8, 8)]
    videos = generator(latents(generator))
    assert videos.shape == (3, 3, 8, 16, 16)
    assert discriminator(videos).logits[0].shape == (3,)


def test_time_doubles_in_the_last_stages() -> None:
    assert [stage.grid[0] for stage in stages_of(16, 64, 64, patch_size=1)] == [2, 2, 4, 8, 16]
    assert [stage.grid[0] for stage in stages_of(32, 32, 64, patch_size=1)] == [4, 8, 16, 32]
    assert [stage.grid[0] for stage in stages_of(6, 32, 64, patch_size=1)] == [3, 3, 3, 6]


def test_videos_are_bounded_when_they_are_looked_at_and_free_in_training() -> None:
    generator, _ = pair()
    with torch.no_grad():
        generator.to_pixels.weight *= 10
        free = generator(latents(generator))
        assert free.abs().max() > 1
        assert torch.equal(generator.eval()(latents(generator)), free.clamp(-1, 1))


def test_initialisation() -> None:
    generator = R3GANVideoGenerator(4, 32, base_channels=16, blocks_per_stage=2)
    gain = block_gain(2 * 4)
    assert gain == pytest.approx((2 / 1.04) ** 0.5 / 8**0.25)
    block = generator.stages[0].get_submodule("0")
    expand, mix, contract = (layer for layer in block.children() if isinstance(layer, nn.Conv3d))
    assert expand.weight.std().item() == pytest.approx(gain / 128**0.5, rel=0.05)
    assert mix.weight.std().item() == pytest.approx(gain / (16 * 27) ** 0.5, rel=0.05)
    assert contract.weight.abs().max() == 0
    features = torch.randn(1, 128, 2, 4, 4)
    assert torch.equal(block(features), features)


def test_resampling_filters() -> None:
    signal = torch.randn(2, 3, 4, 6, 5, dtype=torch.float64)
    padded = F.pad(signal, (0, 0, 1, 1, 0, 0), mode="replicate")
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    strided = sum(taps[tap] / 8 * padded[:, :, :, tap : tap + 5 : 2] for tap in range(4))
    torch.testing.assert_close(halved(signal, dim=3), strided)
    doubled = Doubling(Stage(3, (4, 6, 5)), Stage(3, (4, 12, 5)))(signal)
    torch.testing.assert_close(doubled[:, :, :, 0::2], (padded[:, :, :, :-2] + 3 * signal) / 4)
    torch.testing.assert_close(doubled[:, :, :, 1::2], (3 * signal + padded[:, :, :, 2:]) / 4)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_gradients_reach_every_parameter_through_loss_and_penalties(num_classes: int) -> None:
    generator, discriminator = pair(num_classes=num_classes)
    labels = torch.tensor([0, 1, 1])
    fake = generator(latents(generator), labels)
    R3GAN().discriminator_loss(discriminator, torch.randn_like(fake), fake.detach(), labels, Draw()).total.backward()
    R3GAN().generator_loss(discriminator, torch.randn_like(fake), fake, labels, Draw()).total.backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_penalties_alone_reach_the_discriminator() -> None:
    _, discriminator = pair()
    clips = torch.randn(2, 3, 4, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(clips).logits[0].sum(), clips, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in discriminator.named_parameters():
        if "bias" not in name:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_clips_stay_apart_and_latents_can_be_sliced() -> None:
    generator, discriminator = pair(num_classes=2)
    labels = torch.tensor([0, 1, 1])
    videos = generator(latents(generator), labels)
    torch.testing.assert_close(generator({"z": latents(generator)["z"][1:2]}, labels[1:2]), videos[1:2])
    judged = discriminator(videos, labels).logits[0]
    torch.testing.assert_close(discriminator(videos[1:2], labels[1:2]).logits[0], judged[1:2])


def test_labels_matter() -> None:
    generator, discriminator = pair(num_classes=2)
    zeros, ones = torch.zeros(3, dtype=torch.int64), torch.ones(3, dtype=torch.int64)
    videos = generator(latents(generator), zeros)
    assert not torch.allclose(videos, generator(latents(generator), ones))
    assert not torch.allclose(discriminator(videos, zeros).logits[0], discriminator(videos, ones).logits[0])
    with pytest.raises(ValueError, match="R3GANVideoGenerator has 2 classes; it needs labels"):
        generator(latents(generator))
    with pytest.raises(ValueError, match="R3GANVideoDiscriminator has 2 classes"):
        discriminator(videos)


def test_bfloat16() -> None:
    generator, discriminator = pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (logits,) = discriminator(generator(latents(generator))).logits
    assert logits.isfinite().all()


@pytest.mark.parametrize("network", [R3GANVideoGenerator, R3GANVideoDiscriminator])
def test_sizes_that_cannot_be_made(network: type) -> None:
    for size in (4, 24, 0):
        with pytest.raises(ValueError, match=rf"size is {size}; .* a power of two from 8"):
            network(size=size)
    with pytest.raises(ValueError, match="num_frames is 5; it must be a multiple of patch_size, 2"):
        network(num_frames=5, patch_size=2)
    with pytest.raises(ValueError, match="4 channels: twice that must be a multiple of group_channels, 16"):
        network(base_channels=4)


def test_another_length() -> None:
    with pytest.raises(ValueError, match="makes 4 frames only"):
        pair()[0].sample_latents(1, torch.Generator(), num_frames=8)
