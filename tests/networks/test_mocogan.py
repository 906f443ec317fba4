import pytest
import torch

from networks.mocogan import MoCoGANDiscriminator, MoCoGANGenerator


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small_discriminator(**arguments) -> MoCoGANDiscriminator:
    return MoCoGANDiscriminator(**{"num_frames": 10, "size": 16, "base_channels": 4, **arguments})


def test_parameter_counts() -> None:
    with torch.device("meta"):
        assert num_parameters(MoCoGANGenerator().recurrent) == 660
        assert num_parameters(MoCoGANGenerator()) == 3_249_684
        # As published: 6 categories in the frames' codes, 6 + 1 outputs of 11.25 M parameters in the video head.
        published = MoCoGANGenerator(num_categories=6, category_input="frames")
        assert num_parameters(published) == 3_298_176 + 660
        assert num_parameters(MoCoGANDiscriminator(num_categories=6)) == 663_296 + 11_253_504
        assert num_parameters(MoCoGANDiscriminator()) == 11_720_192
        assert num_parameters(MoCoGANDiscriminator(num_classes=1)) == 11_720_192 + 32_768


def test_the_table_in_the_docstring() -> None:
    shapes = []
    with torch.device("meta"):
        discriminator = MoCoGANDiscriminator(num_classes=5)
        for layer in [*discriminator.video_blocks, discriminator.to_logits]:
            layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        view = {"image_frames": torch.zeros(2, 1, dtype=torch.int64)}
        judgement = discriminator(torch.zeros(2, 3, 16, 64, 64), view=view)
    assert shapes == [(64, 13, 32, 32), (128, 10, 16, 16), (256, 7, 8, 8), (512, 4, 4, 4), (6, 1, 1, 1)]
    assert [tuple(logits.shape) for logits in judgement.logits] == [(2, 4, 4), (2, 1)]
    assert [tuple(features.shape) for features in judgement.features] == [(2, 256), (2, 512)]
    assert discriminator.num_features == (256, 512)
    assert judgement.class_logits.shape == (2, 5)


@pytest.mark.parametrize(("num_frames", "size", "positions"), [(16, 32, 4), (13, 32, 1), (20, 64, 5), (10, 16, 1)])
def test_longer_clips_and_smaller_frames_give_more_logits(num_frames: int, size: int, positions: int) -> None:
    with torch.device("meta"):
        discriminator = MoCoGANDiscriminator(num_frames, size, num_categories=3)
        view = {"image_frames": torch.zeros(2, 1, dtype=torch.int64)}
        judgement = discriminator(torch.zeros(2, 3, num_frames, size, size), view=view)
    assert judgement.logits[0].shape == (2, size // 16, size // 16)
    assert judgement.logits[1].shape == (2, positions)
    assert judgement.class_logits.shape == (2, 3)


def test_the_image_head_sees_one_frame_and_the_video_head_all() -> None:
    discriminator = small_discriminator().eval()
    clips = torch.rand(2, 3, 10, 16, 16, requires_grad=True)
    image, video = discriminator(clips, view={"image_frames": torch.tensor([[7], [2]])}).logits
    for head, seen in ((image, [[7], [2]]), (video, [list(range(10))] * 2)):
        (gradient,) = torch.autograd.grad(head.sum(), clips, retain_graph=True)
        of_frames = gradient.abs().sum(dim=(1, 3, 4))  # (2, 10)
        assert [frames.nonzero().flatten().tolist() for frames in of_frames] == seen


def test_the_view_is_a_frame_of_each_clip() -> None:
    view = small_discriminator().sample_view(500, torch.Generator().manual_seed(0))
    assert view["image_frames"].shape == (500, 1)
    assert view["image_frames"].unique().tolist() == list(range(10))
    assert view.keys() != MoCoGANGenerator.renders  # the video head needs the other frames too


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "none"])
def test_gradients_reach_every_parameter(norm) -> None:
    discriminator = small_discriminator(num_classes=3, norm=norm)
    judgement = discriminator(torch.rand(2, 3, 10, 16, 16), view={"image_frames": torch.tensor([[7], [2]])})
    parts = (*judgement.logits, judgement.class_logits)
    sum((part * torch.randn_like(part)).sum() for part in parts).backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_penalties_can_be_taken_without_batch_norm() -> None:
    discriminator = small_discriminator(norm="layer")
    clips = torch.rand(3, 3, 10, 16, 16, requires_grad=True)
    view = {"image_frames": torch.tensor([[0], [4], [9]])}
    judgement = discriminator(clips, view=view)
    alone = discriminator(clips[:1], view={"image_frames": view["image_frames"][:1]})
    for together, single in zip(judgement.logits, alone.logits, strict=True):
        torch.testing.assert_close(together[:1], single)
        (gradient,) = torch.autograd.grad(together.sum(), clips, create_graph=True)
        gradient.square().sum().backward(retain_graph=True)
    assert all(
        head.weight.grad.abs().sum() > 0 for head in (discriminator.to_logits, discriminator.image_network.to_logits)
    )


def test_motion_is_a_gru_from_its_initial_state() -> None:
    generator = MoCoGANGenerator(5, 16, num_classes=3, base_channels=2)
    assert generator.recurrent.input_size == 13
    whole = torch.nn.GRU(13, 10, batch_first=True)
    whole.load_state_dict({f"{name}_l0": value for name, value in generator.recurrent.state_dict().items()})
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    one_hot = torch.eye(3)[[2, 0]][:, None].expand(2, 5, 3)
    expected, _ = whole(torch.cat([latents["motion_noise"], one_hot], dim=2), latents["initial_motion"][None])
    codes = generator.frame_codes(latents, torch.tensor([2, 0]))
    torch.testing.assert_close(codes[:, :, 50:], expected)
    assert torch.equal(codes[:, :, :50], latents["content"][:, None].expand(2, 5, 50))


def test_categories_are_drawn_uniformly() -> None:
    generator = MoCoGANGenerator(5, 16, num_categories=4, base_channels=2)
    category = generator.sample_latents(400, torch.Generator().manual_seed(0))["category"]
    assert category.dtype == torch.int64
    assert (category.bincount(minlength=4) - 100).abs().max() < 5 * (400 * 0.25 * 0.75) ** 0.5
    assert "category" not in MoCoGANGenerator(5, 16, base_channels=2).sample_latents(1, torch.Generator())


@pytest.mark.parametrize("category_input", ["motion", "frames"])
def test_a_drawn_category_does_what_the_label_does(category_input) -> None:
    labelled, drawn = (
        MoCoGANGenerator(5, 16, **{kind: 3}, category_input=category_input, base_channels=2).eval()
        for kind in ("num_classes", "num_categories")
    )
    drawn.load_state_dict(labelled.state_dict())
    latents = labelled.sample_latents(2, torch.Generator().manual_seed(0))
    videos = labelled(latents, torch.tensor([0, 2]))
    torch.testing.assert_close(drawn({**latents, "category": torch.tensor([0, 2])}), videos)
    assert not torch.allclose(labelled(latents, torch.tensor([0, 1]))[1], videos[1])
    torch.testing.assert_close(drawn.truncate({"category": torch.tensor([1])}, 0.5)["category"], torch.tensor([1]))


def test_mistakes_are_named() -> None:
    generator = MoCoGANGenerator(5, 16, num_classes=3, base_channels=2)
    with pytest.raises(ValueError, match="needs labels"):
        generator(generator.sample_latents(1, torch.Generator()))
    for network in (MoCoGANGenerator, MoCoGANDiscriminator):
        with pytest.raises(ValueError, match="num_classes is 2 and num_categories 3; give one"):
            network(num_classes=2, num_categories=3)
        with pytest.raises(ValueError, match="num_categories is -1"):
            network(num_categories=-1)
    with pytest.raises(ValueError, match="num_frames is 15; MoCoGANDiscriminator needs at least 16 at size 64"):
        MoCoGANDiscriminator(num_frames=15)
    with pytest.raises(
        ValueError, match=r"\(3, 12, 16, 16\) given; MoCoGANDiscriminator is made for \(3, 10, 16, 16\)"
    ):
        small_discriminator()(torch.zeros(1, 3, 12, 16, 16))
    with pytest.raises(ValueError, match="needs the view"):
        small_discriminator()(torch.zeros(1, 3, 10, 16, 16))
