import pytest
import torch

from networks.tgan_v2 import TGANv2Generator
from networks.tgan_v2_discriminator import TGANv2Discriminator


def small_generator(num_levels: int = 2, num_classes: int = 0) -> TGANv2Generator:
    return TGANv2Generator(
        8, 8 * 2 ** (num_levels - 1), 3, num_classes, num_levels, latent_dim=8, base_channels=1, recurrent_channels=6
    )


def drawn(generator: TGANv2Generator, num_videos: int = 3, num_frames: int | None = None) -> dict[str, torch.Tensor]:
    return generator.sample_latents(num_videos, torch.Generator().manual_seed(0), num_frames)


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert num_parameters(TGANv2Generator()) == 6_864_729
        # At the channels of the published networks: 85.9 million, 75.5 million of them in the LSTM.
        large = TGANv2Generator(num_levels=4, base_channels=32, recurrent_channels=1024)
    assert num_parameters(large) == 85_924_044
    assert num_parameters(large.recurrence) == 75_501_568


def test_the_table_in_the_docstring() -> None:
    def shapes(view: dict[str, torch.Tensor] | None) -> list[tuple[int, ...]]:
        seen: list[tuple[int, ...]] = []
        with torch.device("meta"):
            generator = TGANv2Generator()
            for layer in [generator.project, generator.recurrence, *generator.blocks, *generator.heads]:
                layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
            latents = {"z": torch.zeros(2, 256), "frames": torch.zeros(2, 16)}
            if view is None:
                generator(latents)
            else:
                generator.render(latents, None, view)
        return seen

    before = [(2, 1024), (2, 16, 256, 2, 2), (32, 256, 4, 4), (32, 128, 8, 8), (32, 64, 16, 16)]
    assert shapes(None) == [*before, (32, 32, 32, 32), (32, 16, 64, 64), (2, 3, 16, 64, 64)]
    sparse = [(2, 3, 16, 16, 16), (16, 32, 32, 32), (2, 3, 8, 32, 32), (8, 16, 64, 64), (2, 3, 4, 64, 64)]
    assert shapes({"offsets": torch.zeros(2, 2, dtype=torch.int64, device="meta")}) == [*before, *sparse]


@pytest.mark.parametrize("num_frames", [1, 5, 8, 11])
def test_videos_of_any_length(num_frames: int) -> None:
    generator = small_generator().eval()
    videos = generator(drawn(generator, num_frames=num_frames))
    assert videos.shape == (3, 3, num_frames, 16, 16)
    assert videos.abs().max() <= 1
    shared = min(num_frames, 8)
    torch.testing.assert_close(videos[:, :, :shared], generator(drawn(generator))[:, :, :shared])


def test_a_video_depends_on_its_own_latents() -> None:
    generator = small_generator().eval()
    latents = drawn(generator)
    one = {name: values[1:2] for name, values in latents.items()}
    torch.testing.assert_close(generator(one), generator(latents)[1:2])
    assert not torch.allclose(generator(latents)[0], generator(latents)[1])


def test_the_last_level_rendered_holds_frames_of_the_dense_video() -> None:
    generator = small_generator(num_levels=3).eval()
    discriminator = TGANv2Discriminator(8, 32, num_levels=3, base_channels=2)
    latents = drawn(generator, 4)
    view = {"offsets": torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])}
    rendered = generator.render(latents, None, view)
    dense = generator(latents)
    assert rendered.shape == discriminator.look(dense, view).shape
    last = rendered[:, -3 * 2 * 32 * 32 :].unflatten(1, (3, 2, 32, 32))
    for video, frames in enumerate([[0, 4], [2, 6], [1, 5], [3, 7]]):
        torch.testing.assert_close(last[video], dense[video, :, frames])


def test_batch_statistics_are_of_the_rendered_frames() -> None:
    generator = small_generator()
    means = [block.first_norm.norm.running_mean.clone() for block in generator.blocks]
    generator.render(drawn(generator), None, {"offsets": torch.zeros(3, 1, dtype=torch.int64)})
    for block, mean in zip(generator.blocks, means, strict=True):
        assert not torch.equal(block.first_norm.norm.running_mean, mean)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_gradients_reach_every_parameter(num_classes: int) -> None:
    generator = small_generator(num_classes=num_classes)
    labels = torch.tensor([0, 1, 1]) if num_classes else None
    weights = torch.randn(3, 3 * 8 * 8 * 8 + 3 * 4 * 16 * 16)
    rendered = generator.render(drawn(generator), labels, {"offsets": torch.tensor([[0], [1], [0]])})
    (rendered * weights).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_labels_choose_gains_and_biases() -> None:
    generator = small_generator(num_classes=2).eval()
    torch.nn.init.normal_(generator.blocks[0].second_norm.to_gain.weight)
    latents = drawn(generator, 2)
    first, second = generator(latents, torch.tensor([0, 0])), generator(latents, torch.tensor([0, 1]))
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    with pytest.raises(ValueError, match="has 2 classes; it needs labels"):
        generator(latents)


def test_autocast() -> None:
    generator = small_generator()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rendered = generator.render(drawn(generator), None, {"offsets": torch.zeros(3, 1, dtype=torch.int64)})
    assert rendered.isfinite().all() and rendered.abs().max() <= 1


def test_what_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="size is 48; TGANv2 with 3 levels makes multiples of 32 only"):
        TGANv2Generator(size=48)
    with pytest.raises(ValueError, match=r"num_frames is 6; .* multiples of 4 only"):
        TGANv2Discriminator(num_frames=6)
    with pytest.raises(ValueError, match="num_levels is 0"):
        TGANv2Generator(num_levels=0)
    generator = small_generator()
    with pytest.raises(ValueError, match="has 2 levels, the view 3"):
        generator.render(drawn(generator), None, {"offsets": torch.zeros(3, 2, dtype=torch.int64)})
