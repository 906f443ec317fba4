import pytest
import torch
from torch import nn

from networks.dcgan_video import DCGANVideoDiscriminator, DCGANVideoGenerator, label_maps


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def generator(num_classes: int = 0) -> DCGANVideoGenerator:
    torch.manual_seed(0)
    return DCGANVideoGenerator(16, 16, num_classes=num_classes, latent_dim=10, embedding_dim=5, base_channels=2)


def discriminator(num_classes: int = 0, norm: str = "batch", size: int = 16) -> DCGANVideoDiscriminator:
    torch.manual_seed(0)
    return DCGANVideoDiscriminator(16, size, num_classes=num_classes, base_channels=2, norm=norm)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert num_parameters(DCGANVideoGenerator()) == 11_844_419  # as VGAN's one stream
        assert num_parameters(DCGANVideoDiscriminator()) == 11_041_474 - (512 * 16 + 1)  # as VGAN's, one logit fewer
        # 50 inputs more in 512 kernels of 4x4, and 5 embeddings; 5 input channels more in 64 kernels of 4x4x4.
        assert num_parameters(DCGANVideoGenerator(num_classes=5)) == 11_844_419 + 50 * 512 * 16 + 5 * 50
        assert num_parameters(DCGANVideoDiscriminator(num_classes=5)) == 11_033_281 + 5 * 64 * 64


def test_the_tables_in_the_docstrings() -> None:
    shapes = []
    with torch.device("meta"):
        makes, judges = DCGANVideoGenerator(), DCGANVideoDiscriminator()
        for layer in [*makes.trunk, makes.to_pixels, *judges.blocks, judges.to_logit]:
            layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        judges(makes({"z": torch.empty(2, 100)}))
    assert shapes == [
        (512, 1, 4, 4),
        (256, 2, 8, 8),
        (128, 4, 16, 16),
        (64, 8, 32, 32),
        (3, 16, 64, 64),
        (64, 8, 32, 32),
        (128, 4, 16, 16),
        (256, 2, 8, 8),
        (512, 1, 4, 4),
        (1, 1, 1, 1),
    ]


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize(("num_frames", "size"), [(16, 16), (32, 16), (16, 48)])
def test_shapes_and_range(num_classes: int, num_frames: int, size: int) -> None:
    makes = DCGANVideoGenerator(num_frames, size, channels=1, num_classes=num_classes, base_channels=2)
    judges = DCGANVideoDiscriminator(num_frames, size, channels=1, num_classes=num_classes, base_channels=2)
    labels = torch.tensor([0, 2])
    videos = makes(makes.sample_latents(2, rng()), labels)
    assert videos.shape == (2, 1, num_frames, size, size) == (2, *makes.video_shape)
    assert videos.abs().max() <= 1
    judgement = judges(videos, labels)
    assert [head.shape for head in judgement.logits] == [(2,)]
    assert [features.shape for features in judgement.features] == [(2, width) for width in judges.num_features]


def test_a_video_depends_on_its_own_latents_and_label_alone() -> None:
    makes = generator(3).eval()
    with torch.no_grad():  # weights that show: the first ones are too small, in eval mode, to tell videos apart
        for layer in makes.modules():
            if hasattr(layer, "kernel_size"):
                layer.weight.normal_(std=0.3)
    latents, labels = makes.sample_latents(3, rng()), torch.tensor([0, 1, 2])
    videos = makes(latents, labels)
    torch.testing.assert_close(videos[1:2], makes({"z": latents["z"][1:2]}, labels[1:2]))
    others = makes(latents, torch.tensor([0, 2, 2]))
    changed = [(before - after).abs().max() > 0.1 for before, after in zip(videos, others, strict=True)]
    assert changed == [False, True, False]


def test_the_discriminator_sees_the_label() -> None:
    judges, clips = discriminator(3).eval(), torch.rand(3, 3, 16, 16, 16)
    (before,), (after,) = (judges(clips, torch.tensor(labels)).logits for labels in ([0, 1, 2], [0, 2, 2]))
    assert ((before - after).abs() > 0).tolist() == [False, True, False]


def test_a_label_map_is_one_in_the_channel_of_the_class() -> None:
    maps = label_maps(torch.tensor([2, 0]), 3, torch.rand(2, 1, 4, 5, 6, dtype=torch.float64))
    assert maps.shape == (2, 3, 4, 5, 6) and maps.dtype == torch.float64
    assert maps.mean(dim=(2, 3, 4)).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert maps.std(dim=(2, 3, 4)).max() == 0


def test_without_classes_labels_are_ignored() -> None:
    makes, judges = generator().eval(), discriminator().eval()
    latents, labels = makes.sample_latents(2, rng()), torch.tensor([0, 7])
    torch.testing.assert_close(makes(latents, labels), makes(latents))
    videos = makes(latents)
    torch.testing.assert_close(judges(videos, labels).logits, judges(videos).logits)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_gradients_reach_every_parameter(num_classes: int) -> None:
    makes, judges = generator(num_classes), discriminator(num_classes)
    labels = torch.tensor([0, 1, 2, 0])
    (logits,) = judges(makes(makes.sample_latents(4, rng()), labels), labels).logits
    (logits * torch.randn(4)).sum().backward()
    # A batch norm takes away what a bias before it adds.
    no_effect = {
        *(f"trunk.{number}.0.bias" for number in range(4)),
        *(f"blocks.{number}.0.bias" for number in (1, 2, 3)),
    }
    for network in (makes, judges):
        for name, parameter in network.named_parameters():
            if name not in no_effect:
                assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_weights_begin_as_dcgans() -> None:
    for network in (generator(3), DCGANVideoDiscriminator(16, 16, base_channels=8)):
        convolutions = [module for module in network.modules() if hasattr(module, "kernel_size")]
        weights = torch.cat([conv.weight.flatten() for conv in convolutions])
        assert abs(weights.std().item() - 0.02) < 4e-4 and weights.mean().abs() < 4e-4
        assert all((conv.bias == 0).all() for conv in convolutions)


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_a_conditional_discriminator_without_batch_norm_goes_with_penalties(norm: str) -> None:
    judges, labels = discriminator(3, norm, size=32), torch.tensor([0, 1, 2])
    clips = torch.rand(3, 3, 16, 32, 32, requires_grad=True)
    (logits,) = judges(clips, labels).logits
    torch.testing.assert_close(logits[1:2], judges(clips[1:2], labels[1:2]).logits[0])
    (gradient,) = torch.autograd.grad(logits.sum(), clips, create_graph=True)
    gradient.square().sum().backward()
    first = judges.blocks[0][0].weight
    assert first.grad is not None and first.grad.abs().sum() > 0


def test_bfloat16() -> None:
    makes, judges, labels = generator(3), discriminator(3), torch.tensor([0, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (logits,) = judges(makes(makes.sample_latents(2, rng()), labels), labels).logits
    assert logits.shape == (2,) and logits.isfinite().all()


def test_mistakes() -> None:
    makes, judges = generator(3), discriminator(3)
    with pytest.raises(ValueError, match="DCGANVideoGenerator has 3 classes; it needs labels"):
        makes(makes.sample_latents(2, rng()))
    with pytest.raises(ValueError, match="DCGANVideoDiscriminator has 3 classes; it needs labels"):
        judges(torch.rand(2, 3, 16, 16, 16))
    for network in (DCGANVideoGenerator, DCGANVideoDiscriminator):
        with pytest.raises(ValueError, match=r"size is 50; .* multiple of 16"):
            network(size=50)
        with pytest.raises(ValueError, match="num_frames is 8"):
            network(num_frames=8)
    with pytest.raises(ValueError, match="makes 16 frames only"):
        makes.sample_latents(1, rng(), num_frames=32)
