import pytest
import torch
import torch.nn.functional as F

from networks.tgan_v2_discriminator import TGANv2Discriminator


def small_discriminator(num_classes: int = 0) -> TGANv2Discriminator:
    torch.manual_seed(0)
    return TGANv2Discriminator(8, 16, num_classes=num_classes, num_levels=2, base_channels=4)


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert num_parameters(TGANv2Discriminator()) == 3 * 7_257_665 == 21_772_995
        # The published width: 29.0 million a level.
        assert num_parameters(TGANv2Discriminator(base_channels=64).levels[0]) == 29_019_265


def test_the_table_in_the_docstring() -> None:
    shapes = []
    with torch.device("meta"):
        discriminator = TGANv2Discriminator()
        for level in discriminator.levels:
            for block in level.blocks[:-1]:
                block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        view = {"offsets": torch.zeros(2, 2, dtype=torch.int64)}
        judgement = discriminator(discriminator.look(torch.zeros(2, 3, 16, 64, 64), view))
    assert discriminator.level_shapes == [(3, 16, 16, 16), (3, 8, 32, 32), (3, 4, 64, 64)]
    assert shapes == [
        *((32, 16, 8, 8), (64, 8, 4, 4), (128, 4, 2, 2), (256, 2, 1, 1)),
        *((32, 8, 16, 16), (64, 4, 8, 8), (128, 2, 4, 4), (256, 1, 2, 2)),
        *((32, 4, 32, 32), (64, 2, 16, 16), (128, 1, 8, 8), (256, 1, 4, 4)),
    ]
    assert [logits.shape for logits in judgement.logits] == [(2,)] * 3
    assert tuple(features.shape[1] for features in judgement.features) == discriminator.num_features == (512,) * 3


def test_the_levels_of_a_clip() -> None:
    discriminator = TGANv2Discriminator(8, 32, num_levels=3, base_channels=2)
    clips = torch.rand(4, 3, 8, 32, 32)
    seen = discriminator.look(clips, {"offsets": torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])})
    low, middle, high = seen.split([3 * 8 * 64, 3 * 4 * 256, 3 * 2 * 1024], dim=1)
    for clip in range(4):
        torch.testing.assert_close(low[clip].view(3, 8, 8, 8), F.avg_pool2d(clips[clip], 4))
        halves = clips[clip, :, clip // 2 :: 2]
        torch.testing.assert_close(middle[clip].view(3, 4, 16, 16), F.avg_pool2d(halves, 2))
        torch.testing.assert_close(high[clip].view(3, 2, 32, 32), halves[:, clip % 2 :: 2])


def test_views_are_drawn_for_each_clip() -> None:
    discriminator = TGANv2Discriminator(8, 32, num_levels=3, base_channels=2)
    offsets = discriminator.sample_view(64, torch.Generator().manual_seed(0))["offsets"]
    assert offsets.shape == (64, 2) and offsets.dtype == torch.int64
    assert set(map(tuple, offsets.tolist())) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_head_depends_on_its_level_and_clip_alone() -> None:
    discriminator = small_discriminator()
    seen = torch.randn(2, 3 * 8 * 64 + 3 * 4 * 256, requires_grad=True)
    logits = discriminator(seen).logits
    (gradient,) = torch.autograd.grad(logits[0][1], seen, retain_graph=True)
    assert gradient[0].abs().sum() == 0 and gradient[1, 3 * 8 * 64 :].abs().sum() == 0 < gradient[1].abs().sum()
    (gradient,) = torch.autograd.grad(logits[1][1], seen)
    assert gradient[0].abs().sum() == 0 and gradient[1, : 3 * 8 * 64].abs().sum() == 0 < gradient[1].abs().sum()


@pytest.mark.parametrize("num_classes", [0, 2])
def test_gradients_and_those_of_a_penalty_reach_every_parameter(num_classes: int) -> None:
    discriminator = small_discriminator(num_classes)
    labels = torch.tensor([0, 1]) if num_classes else None
    clips = torch.rand(2, 3, 8, 16, 16, requires_grad=True)
    view = discriminator.sample_view(2, torch.Generator().manual_seed(0))
    seen = discriminator.look(clips, view)
    logits = discriminator(seen, labels, view).logits
    (gradient,) = torch.autograd.grad(sum(head.sum() for head in logits), seen, create_graph=True)
    (sum(head.sum() for head in logits) + gradient.square().sum()).backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_labels_are_projected() -> None:
    discriminator = small_discriminator(num_classes=2)
    seen = torch.randn(2, 3 * 8 * 64 + 3 * 4 * 256)
    zeros, ones = (discriminator(seen, torch.full((2,), label)) for label in (0, 1))
    for level, first, second, features in zip(
        discriminator.levels, zeros.logits, ones.logits, ones.features, strict=True
    ):
        torch.testing.assert_close(second - first, features @ (level.embed.weight[1] - level.embed.weight[0]))
    with pytest.raises(ValueError, match="it needs labels"):
        discriminator(seen)


def test_axes_are_halved_while_they_can_be() -> None:
    # 12 frames become 6, 3, 2, 1: an axis of odd length is padded.
    discriminator = TGANv2Discriminator(12, 16, num_levels=2, base_channels=2)
    lengths = []
    for block in discriminator.levels[0].blocks:
        block.register_forward_hook(lambda module, inputs, output: lengths.append(output.shape[2]))
    discriminator(torch.randn(2, 3 * 12 * 64 + 3 * 6 * 256))
    assert lengths == [12, 6, 3, 2, 1]
