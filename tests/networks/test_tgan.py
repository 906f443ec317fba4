import pytest
import torch
from torch import nn

from networks.tgan import TGANDiscriminator, TGANGenerator


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small_generator(num_classes: int = 0, num_frames: int = 16) -> TGANGenerator:
    return TGANGenerator(num_frames, 16, latent_dim=6, code_dim=5, base_channels=4, num_classes=num_classes)


def draw(generator: TGANGenerator, num_videos: int = 3) -> dict[str, torch.Tensor]:
    return generator.sample_latents(num_videos, torch.Generator().manual_seed(0))


def test_parameter_counts() -> None:
    # The reference code has 826,468 in its temporal generator with biases of batch norms (1,024) and of the
    # convolutions before them (1,024); the image generator's figures are its own; 11.03 M in its discriminator.
    with torch.device("meta"):
        generator, discriminator = TGANGenerator(), TGANDiscriminator()
    assert num_parameters(generator.temporal) == 826_468 - 1_024 - 1_024
    assert num_parameters(generator.slow) + num_parameters(generator.fast) == 835_584
    assert num_parameters(generator.image) == 2_787_107
    assert num_parameters(generator) == 4_447_111
    assert num_parameters(discriminator) == 11_031_489


def test_the_tables_in_the_docstrings() -> None:
    shapes = []
    with torch.device("meta"):
        generator, discriminator = TGANGenerator(), TGANDiscriminator()
        layers = [layer for layer in generator.temporal if isinstance(layer, nn.ConvTranspose1d)]
        for layer in [*layers, *generator.image, *discriminator.blocks, discriminator.to_score]:
            layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        discriminator(generator({"z": torch.empty(2, 100)}))
    assert shapes == [
        *[(512, 1), (256, 2), (128, 4), (128, 8), (100, 16)],
        *[(256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (3, 64, 64)],
        *[(64, 8, 32, 32), (128, 4, 16, 16), (256, 2, 8, 8), (512, 1, 4, 4), (1, 1, 1, 1)],
    ]


@pytest.mark.parametrize(("num_frames", "size"), [(16, 32), (32, 16)])
def test_shapes_and_range(num_frames: int, size: int) -> None:
    generator = TGANGenerator(num_frames, size, base_channels=2)
    videos = generator(draw(generator))
    assert videos.shape == (3, 3, num_frames, size, size) == (3, *generator.video_shape)
    assert videos.abs().max() <= 1
    discriminator = TGANDiscriminator(num_frames, size, base_channels=2)
    judgement = discriminator(videos)
    assert judgement.logits[0].shape == (3,)
    assert tuple(features.shape[1] for features in judgement.features) == discriminator.num_features


def test_latents_are_uniform() -> None:
    z = TGANGenerator(base_channels=2).sample_latents(500, torch.Generator().manual_seed(0))["z"]
    assert z.shape == (500, 100) and z.min() >= -1 and z.max() <= 1
    assert z.mean().abs() < 0.01 and z.var().item() == pytest.approx(1 / 3, abs=0.01)


def test_each_video_is_of_its_own_latents() -> None:
    generator = small_generator().eval()
    latents = draw(generator)
    torch.testing.assert_close(generator(latents)[1:2], generator({"z": latents["z"][1:2]}))


def test_frames_are_of_their_own_codes_and_of_z0() -> None:
    generator = small_generator().eval()
    latents, codes = draw(generator), torch.rand(3, 5, 16) * 2 - 1
    generator.temporal = nn.Identity()
    generator.temporal.forward = lambda z: codes
    videos = generator(latents)
    codes[0, :, 7] += 1
    changed = (generator(latents) != videos).flatten(3).any(dim=3).any(dim=1)  # (B, T)
    assert changed.nonzero().tolist() == [[0, 7]]
    other = generator({"z": -latents["z"]})
    assert (other != videos).flatten(3).any(dim=3).any(dim=1).all()


def test_gradients_reach_every_parameter() -> None:
    generator, discriminator = small_generator(2), TGANDiscriminator(16, 16, base_channels=4, num_classes=2)
    labels = torch.tensor([0, 1, 1])
    (score,) = discriminator(generator(draw(generator), labels), labels).logits
    (score * torch.randn(3)).sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_batch_norms_without_bias() -> None:
    biases = [
        getattr(module, "bias", None)
        for network in (small_generator().temporal, TGANDiscriminator(base_channels=2))
        for module in network.modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm3d)
    ]
    assert biases == [None] * 7


def test_labels_have_an_effect_and_are_required() -> None:
    generator, discriminator = small_generator(3).eval(), TGANDiscriminator(16, 16, base_channels=2, num_classes=3)
    labels, others = torch.tensor([0, 1, 2]), torch.tensor([0, 2, 1])
    videos, other_videos = generator(draw(generator), labels), generator(draw(generator), others)
    assert ((videos != other_videos).flatten(1).any(dim=1)).tolist() == [False, True, True]
    discriminator.eval()
    scores, other_scores = discriminator(videos, labels).logits[0], discriminator(videos, others).logits[0]
    assert (scores != other_scores).tolist() == [False, True, True]
    for network, inputs in ((generator, draw(generator)), (discriminator, videos)):
        with pytest.raises(ValueError, match="has 3 classes; it needs labels"):
            network(inputs)


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_clips_are_kept_apart_and_penalties_have_second_derivatives(norm: str) -> None:
    discriminator = TGANDiscriminator(16, 32, base_channels=2, norm=norm)
    clips = torch.rand(2, 3, 16, 32, 32, requires_grad=True)
    (score,) = discriminator(clips).logits
    torch.testing.assert_close(discriminator(clips[:1]).logits[0], score[:1])
    (gradient,) = torch.autograd.grad(score.sum(), clips, create_graph=True)
    gradient.square().sum().backward()
    assert discriminator.blocks[0][0].weight.grad.abs().sum() > 0


def test_bfloat16_autocast() -> None:
    generator, discriminator = small_generator(), TGANDiscriminator(16, 16, base_channels=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        videos = generator(draw(generator))
        (score,) = discriminator(videos).logits
    score.sum().backward()
    assert videos.isfinite().all() and generator.temporal[0].weight.grad.isfinite().all()


@pytest.mark.parametrize("network", [TGANGenerator, TGANDiscriminator])
def test_sizes_that_cannot_be_made(network: type) -> None:
    with pytest.raises(ValueError, match=r"size is 50; .* multiple of 16"):
        network(size=50)
    with pytest.raises(ValueError, match="num_frames is 8"):
        network(num_frames=8)


def test_other_mistakes() -> None:
    with pytest.raises(ValueError, match="base_channels is 5; it must be even"):
        TGANGenerator(base_channels=5)
    with pytest.raises(ValueError, match="num_frames is 32"):
        small_generator().sample_latents(1, torch.Generator(), num_frames=32)
