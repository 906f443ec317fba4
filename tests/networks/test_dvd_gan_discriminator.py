import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parametrize

from networks.dvd_gan_discriminator import DVDGANDiscriminator


def small_discriminator(num_classes: int = 0) -> DVDGANDiscriminator:
    torch.manual_seed(0)
    return DVDGANDiscriminator(8, 32, num_classes=num_classes, base_channels=2, num_spatial_frames=3)


def view_of(discriminator: DVDGANDiscriminator, num_clips: int = 2) -> dict[str, torch.Tensor]:
    return discriminator.sample_view(num_clips, torch.Generator().manual_seed(0))


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        discriminator = DVDGANDiscriminator(num_classes=5)
    assert num_parameters(discriminator.spatial) == 4_859_073 + 5 * 512
    assert num_parameters(discriminator.temporal) == 5_378_625 + 5 * 512


def test_the_table_in_the_docstring() -> None:
    shapes = []
    discriminator = DVDGANDiscriminator(base_channels=1)
    for part in (discriminator.spatial, discriminator.temporal):
        for block in [*part.volume_blocks, *part.frame_blocks]:
            block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape)))
    judgement = discriminator(torch.zeros(2, 3, 16, 64, 64), None, view_of(discriminator))
    assert shapes == [
        *((16, 2, 32, 32), (16, 4, 16, 16), (16, 8, 8, 8), (16, 16, 4, 4)),
        *((2, 2, 8, 16, 16), (2, 4, 4, 8, 8), (8, 8, 4, 4), (8, 16, 2, 2)),
    ]
    assert [logits.shape for logits in judgement.logits] == [(2,)] * 2
    assert tuple(features.shape[1] for features in judgement.features) == discriminator.num_features == (16, 16)


def test_views_name_distinct_frames() -> None:
    frames = view_of(small_discriminator(), 64)["image_frames"]
    assert frames.shape == (64, 3) and frames.dtype == torch.int64
    assert (frames.diff(dim=1) > 0).all()
    assert set(frames.flatten().tolist()) == set(range(8))


def test_the_spatial_head_sees_the_frames_of_the_view() -> None:
    discriminator = small_discriminator()
    clips = torch.rand(2, 3, 8, 32, 32, requires_grad=True)
    view = {"image_frames": torch.tensor([[0, 1, 5], [2, 3, 7]])}
    (gradient,) = torch.autograd.grad(discriminator(clips, None, view).logits[0].sum(), clips)
    seen = gradient.abs().sum(dim=(1, 3, 4)) > 0
    assert [row.nonzero().flatten().tolist() for row in seen] == view["image_frames"].tolist()


def test_the_spatial_head_is_the_sum_of_its_frames_scores() -> None:
    discriminator = small_discriminator(num_classes=2).eval()
    clips, labels = torch.rand(2, 3, 8, 32, 32), torch.tensor([0, 1])
    frames = torch.tensor([[0, 1, 5], [2, 3, 7]])
    (together, _) = discriminator(clips, labels, {"image_frames": frames}).logits
    alone = [discriminator(clips, labels, {"image_frames": frames[:, [number]]}).logits[0] for number in range(3)]
    torch.testing.assert_close(together, sum(alone))


def test_the_temporal_head_sees_all_frames_at_half_the_size() -> None:
    discriminator = small_discriminator().eval()
    clips, view = torch.rand(2, 3, 8, 32, 32), view_of(discriminator)
    coarse = F.interpolate(F.avg_pool3d(clips, (1, 2, 2)), scale_factor=(1, 2, 2))
    (spatial, temporal), (coarse_spatial, coarse_temporal) = (
        discriminator(videos, None, view).logits for videos in (clips, coarse)
    )
    torch.testing.assert_close(temporal, coarse_temporal)
    assert not torch.allclose(spatial, coarse_spatial)
    assert not torch.allclose(discriminator(clips.flip(2), None, view).logits[1], temporal)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_gradients_and_those_of_a_penalty_reach_every_parameter(num_classes: int) -> None:
    discriminator = small_discriminator(num_classes)
    labels = torch.tensor([0, 1]) if num_classes else None
    clips = torch.rand(2, 3, 8, 32, 32, requires_grad=True)
    logits = discriminator(clips, labels, view_of(discriminator)).logits
    (gradient,) = torch.autograd.grad(sum(head.sum() for head in logits), clips, create_graph=True)
    # Another pass moves the vectors of the power iteration before the first one's backward pass.
    again = discriminator(clips.detach(), labels, view_of(discriminator)).logits
    (sum(head.sum() for head in (*logits, *again)) + gradient.square().sum()).backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def test_evaluation_is_deterministic_and_keeps_clips_apart() -> None:
    discriminator = small_discriminator().eval()
    clips, view = torch.rand(2, 3, 8, 32, 32), view_of(discriminator)
    for both, again, one in zip(
        discriminator(clips, None, view).logits,
        discriminator(clips, None, view).logits,
        discriminator(clips[1:], None, {"image_frames": view["image_frames"][1:]}).logits,
        strict=True,
    ):
        assert torch.equal(both, again)
        torch.testing.assert_close(both[1:], one)


def test_every_weight_has_spectral_norm_one() -> None:
    discriminator = small_discriminator(num_classes=2).eval()
    layers = [module for module in discriminator.modules() if parametrize.is_parametrized(module, "weight")]
    assert len(layers) == 2 * (4 * 3 + 2)
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        torch.testing.assert_close(norm, torch.tensor(1.0), atol=1e-3, rtol=0)


def test_autocast_spares_spectral_norm() -> None:
    discriminator, seen = small_discriminator(num_classes=2), []
    for layer in discriminator.modules():
        if parametrize.is_parametrized(layer, "weight"):
            layer.parametrizations.weight[0].register_forward_hook(
                lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
            )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        discriminator(torch.rand(2, 3, 8, 32, 32), torch.tensor([0, 1]), view_of(discriminator))
    assert len(seen) == 28 and not any(seen)  # once a weight


def test_labels_are_projected() -> None:
    discriminator = small_discriminator(num_classes=2).eval()
    clips, view = torch.rand(2, 3, 8, 32, 32), view_of(discriminator)
    zeros, ones = (discriminator(clips, torch.full((2,), label), view) for label in (0, 1))
    for part, first, second, features in zip(
        (discriminator.spatial, discriminator.temporal), zeros.logits, ones.logits, ones.features, strict=True
    ):
        torch.testing.assert_close(second - first, features @ (part.embed.weight[1] - part.embed.weight[0]))
    with pytest.raises(ValueError, match="it needs labels"):
        discriminator(clips, None, view)


def test_what_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match=r"size is 48; .* multiples of 32 only"):
        DVDGANDiscriminator(size=48)
    with pytest.raises(ValueError, match="num_frames is 6"):
        DVDGANDiscriminator(num_frames=6)
    with pytest.raises(ValueError, match="num_spatial_frames is 17; it must be 1 to 16"):
        DVDGANDiscriminator(num_spatial_frames=17)
    with pytest.raises(ValueError, match="needs a view"):
        small_discriminator()(torch.rand(1, 3, 8, 32, 32))
