import pytest
import torch
from torch.nn.utils import parametrize

from networks.dvd_gan import DVDGANGenerator


def small_generator(num_classes: int = 0, time_pooled_norm: bool = False) -> DVDGANGenerator:
    torch.manual_seed(0)
    return DVDGANGenerator(
        4,
        16,
        num_classes=num_classes,
        latent_dim=6,
        embedding_dim=5,
        base_channels=3,
        time_pooled_norm=time_pooled_norm,
    )


def drawn(generator: DVDGANGenerator, num_videos: int = 3, num_frames: int | None = None) -> dict[str, torch.Tensor]:
    return generator.sample_latents(num_videos, torch.Generator().manual_seed(0), num_frames)


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert num_parameters(DVDGANGenerator(num_classes=5)) == 15_022_331


def test_the_table_in_the_docstring() -> None:
    shapes = []
    generator = DVDGANGenerator(base_channels=2)
    for layer in [*generator.stages, generator.last_norm]:
        layer.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    with torch.no_grad():
        videos = generator(drawn(generator, 2))
    grids = [(2, 16, 16, 4, 4), (2, 16, 16, 8, 8), (2, 16, 8, 16, 16), (2, 16, 4, 32, 32)]
    assert shapes == [*grids, (32, 2, 64, 64)]
    assert videos.shape == (2, 3, 16, 64, 64)


def test_every_weight_but_the_embedding_has_spectral_norm_one() -> None:
    generator = small_generator(num_classes=2).eval()
    layers = [module for module in generator.modules() if parametrize.is_parametrized(module, "weight")]
    # project and to_pixels; 2 stages of a GRU of 2 convolutions and blocks of 2 and 3, with 2 layers in each norm
    assert len(layers) == 2 + 2 * (2 + (2 + 4) + (3 + 4))
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        torch.testing.assert_close(norm, torch.tensor(1.0), atol=1e-3, rtol=0)


def test_evaluation_is_deterministic_and_keeps_videos_apart() -> None:
    generator = small_generator()
    generator(drawn(generator))
    generator.eval()
    latents = drawn(generator)
    videos = generator(latents)
    assert videos.abs().max() <= 1
    assert torch.equal(videos, generator(latents))
    torch.testing.assert_close(generator({name: values[1:2] for name, values in latents.items()}), videos[1:2])
    assert not torch.allclose(videos[0], videos[1])


def test_length_is_free_if_statistics_are_pooled() -> None:
    with pytest.raises(ValueError, match="makes 4 frames only"):
        drawn(small_generator(), num_frames=5)
    generator = small_generator(time_pooled_norm=True).eval()
    longer = generator(drawn(generator, num_frames=7))
    assert longer.shape == (3, 3, 7, 16, 16)
    torch.testing.assert_close(longer[:, :, :4], generator(drawn(generator)))


def test_each_time_step_has_batch_statistics_of_its_own() -> None:
    assert small_generator().last_norm.norm.num_features == 4 * 3
    assert small_generator(time_pooled_norm=True).last_norm.norm.num_features == 3


@pytest.mark.parametrize("num_classes", [0, 2])
def test_gradients_reach_every_parameter(num_classes: int) -> None:
    generator = small_generator(num_classes)
    labels = torch.tensor([0, 1, 1]) if num_classes else None
    videos = generator(drawn(generator), labels)
    (videos * torch.randn_like(videos)).sum().backward()
    # The last batch norm takes away what these add.
    no_effect = {"stages.1.up_block.second.bias", "stages.1.up_block.shortcut.bias"}
    for name, parameter in generator.named_parameters():
        if name not in no_effect:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_label_is_that_of_all_frames_of_its_video() -> None:
    generator = small_generator(num_classes=2).eval()
    latents = drawn(generator, 2)
    both = generator(latents, torch.tensor([0, 1]))
    for label in (0, 1):
        alone = generator(latents, torch.full((2,), label))
        torch.testing.assert_close(both[label], alone[label])
        assert ((both[1 - label] - alone[1 - label]).abs().amax(dim=(0, 2, 3)) > 1e-4).all()
    with pytest.raises(ValueError, match="DVDGANGenerator has 2 classes; it needs labels"):
        generator(latents)


def test_autocast_spares_spectral_norm() -> None:
    generator, seen = small_generator(), []
    for layer in generator.modules():
        if parametrize.is_parametrized(layer, "weight"):
            layer.parametrizations.weight[0].register_forward_hook(
                lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
            )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        videos = generator(drawn(generator))
    assert len(seen) == 32 and not any(seen)  # once a weight
    videos.float().square().sum().backward()
    assert videos.isfinite().all()


@pytest.mark.parametrize("size", [4, 48])
def test_sizes_that_cannot_be_made(size: int) -> None:
    with pytest.raises(ValueError, match=f"size is {size}; DVD-GAN makes powers of two from 8 on only"):
        DVDGANGenerator(size=size)


def test_lengths_that_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="num_frames is 0; it must be at least 1"):
        DVDGANGenerator(num_frames=0)
