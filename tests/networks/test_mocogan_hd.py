from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from losses.base import Draw
from losses.motion_information import MotionInformation
from losses.relativistic import RelativisticAverageLeastSquares
from losses.wgan_gp import GradientPenalty
from networks.mocogan_hd import LatentMotionGenerator, MoCoGANHDDiscriminator
from networks.stylegan2 import ImageGenerator
from tensor_files.starting_points import weights_come_later

SIZE = 8


def image_generator(num_classes: int = 0, w_dim: int = 6) -> ImageGenerator:
    return ImageGenerator(SIZE, 3, num_classes, 5, w_dim, num_mapping_layers=2, base_channels=32, max_channels=4)


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """As a run leaves it: the weights of the generator and those of its average, which differ."""
    return saved(tmp_path / "image.ckpt", image_generator())


def saved(path: Path, average: ImageGenerator) -> str:
    state = {f"generator_ema.average.{name}": value for name, value in average.state_dict().items()}
    other = {f"generator.{name}": torch.zeros_like(value) for name, value in average.state_dict().items()}
    torch.save({"state_dict": {**other, **state}, "global_step": 7}, path)
    return str(path)


def motion_generator(checkpoint: str, num_classes: int = 0, num_components: int = 4) -> LatentMotionGenerator:
    torch.manual_seed(1)
    return LatentMotionGenerator(image_generator(num_classes), checkpoint, 4, 7, num_components, num_pca_samples=500)


def latents(generator: LatentMotionGenerator, num_frames: int | None = None) -> dict[str, Tensor]:
    return generator.sample_latents(3, torch.Generator().manual_seed(0), num_frames)


def num_learning(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def test_parameter_counts(tmp_path: Path) -> None:
    generator = LatentMotionGenerator(
        small := ImageGenerator(8, num_mapping_layers=1, base_channels=32, max_channels=4),
        saved(tmp_path / "image.ckpt", small),
        num_pca_samples=600,
    )
    cells = 2 * 4 * 384 * (512 + 384 + 2)
    assert num_learning(generator) == cells + (384 * 384 + 384) + (768 * 512 + 512) + (512 * 512 + 512) == 3_562_880
    with torch.device("meta"):
        discriminator = MoCoGANHDDiscriminator()
    assert num_learning(discriminator.video) == num_learning(discriminator.small_video) == 11_068_353
    assert num_learning(discriminator.image) == num_learning(discriminator.small_image) == 2_767_809
    assert num_learning(discriminator) == 27_672_324


def test_the_table_of_the_discriminator() -> None:
    shapes: list[list[tuple[int, ...]]] = []
    with torch.device("meta"):
        discriminator = MoCoGANHDDiscriminator()
        for part in discriminator.children():
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d | nn.Conv3d):
                    layer.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[1:]))
        judgement = discriminator(torch.rand(2, 3, 16, 64, 64), view={"image_frames": torch.tensor([[1], [15]])})
    large = [(64, 8, 33, 33), (128, 5, 17, 17), (256, 3, 9, 9), (512, 4, 10, 10), (1, 5, 11, 11)]
    small = [(64, 8, 17, 17), (128, 5, 9, 9), (256, 3, 5, 5), (512, 4, 6, 6), (1, 5, 7, 7)]
    assert shapes == [*large, *small, *((shape[0], *shape[2:]) for shape in large + small)]
    assert [head.shape for head in judgement.logits] == [(2, 5, 11, 11), (2, 5, 7, 7), (2, 11, 11), (2, 7, 7)]
    assert tuple(features.shape[1] for features in judgement.features) == discriminator.num_features


@pytest.mark.parametrize("num_frames", [None, 1, 2, 9])
def test_videos_of_any_length(checkpoint: str, num_frames: int | None) -> None:
    generator = motion_generator(checkpoint).eval()
    videos, intermediates = generator.synthesize(latents(generator, num_frames))
    assert videos.shape == (3, 3, num_frames or 4, SIZE, SIZE)
    assert videos.abs().max() <= 1
    free = generator.train().synthesize(latents(generator, num_frames)).videos
    assert free.abs().max() > 1  # as the image generator's: clamped in evaluation mode alone
    torch.testing.assert_close(free.clamp(-1, 1), videos)
    assert generator.video_shape == (3, 4, SIZE, SIZE)
    steps = (3, (num_frames or 4) - 1, 6)
    assert intermediates["motion_noise"].shape == intermediates["motion_noise_predicted"].shape == steps


def test_the_first_frame_is_the_image_generators(checkpoint: str) -> None:
    generator = motion_generator(checkpoint).eval()
    trained = image_generator()
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    trained.load_state_dict({name: state[f"generator_ema.average.{name}"] for name in trained.state_dict()})
    drawn = latents(generator)
    torch.testing.assert_close(generator(drawn)[:, :, :1], trained.eval()({"z": drawn["z"]}))
    assert not torch.allclose(generator(drawn)[:, :, 0], generator(drawn)[:, :, -1])


def test_steps_are_bounded_and_along_the_principal_directions(checkpoint: str) -> None:
    generator = motion_generator(checkpoint)
    drawn = latents(generator)
    w = generator.image_generator.map(drawn["z"])
    path, _ = generator.path(w, 100 * drawn["motion_noise"])
    assert torch.equal(path[0], w)
    steps = torch.linalg.lstsq(generator.directions.T, (path[2] - path[1]).T).solution
    torch.testing.assert_close(generator.directions.T @ steps, (path[2] - path[1]).T)
    assert steps.abs().max() <= 0.2


def test_principal_directions(checkpoint: str) -> None:
    generator = motion_generator(checkpoint, num_components=6)
    rng = torch.Generator().manual_seed(5)
    w = generator.image_generator.map(torch.randn(20_000, 5, generator=rng)).detach()
    directions = generator.directions
    lengths = directions.norm(dim=1)
    assert (lengths.diff() <= 0).all()
    torch.testing.assert_close(directions @ directions.T, torch.diag(lengths**2), rtol=0, atol=1e-5)
    # With all components kept they make up the covariance, here of other samples.
    assert ((directions.T @ directions - torch.cov(w.T)).norm() / torch.cov(w.T).norm()).item() < 0.2
    assert torch.equal(directions, motion_generator(checkpoint, num_components=6).directions)


def test_the_image_generator_stays_as_it_is(checkpoint: str) -> None:
    generator = motion_generator(checkpoint).train()
    before = {name: value.clone() for name, value in generator.image_generator.state_dict().items()}
    optimizer = torch.optim.Adam([each for each in generator.parameters() if each.requires_grad], lr=0.1)
    generator(latents(generator)).sum().backward()
    optimizer.step()
    assert generator.training and not any(module.training for module in generator.image_generator.modules())
    assert not any(parameter.requires_grad for parameter in generator.image_generator.parameters())
    for name, value in generator.image_generator.state_dict().items():
        assert torch.equal(value, before[name]), name  # w_avg too


def test_gradients_reach_every_parameter_that_learns(checkpoint: str) -> None:
    generator = motion_generator(checkpoint)
    torch.manual_seed(0)
    discriminator = MoCoGANHDDiscriminator(4, base_channels=4)
    objective = RelativisticAverageLeastSquares(
        terms={"gradient_penalty": GradientPenalty(10.0, heads=[0, 1]), "motion_information": MotionInformation()}
    )
    objective.check(discriminator)
    rng = torch.Generator().manual_seed(0)
    view = discriminator.sample_view(3, rng)
    draw = Draw(0, objective.sample_noise(3, rng), {}, generator.synthesize(latents(generator)).intermediates)
    fake, real = generator(latents(generator)), torch.rand(3, 3, 4, SIZE, SIZE)

    def judged(seen: Tensor, labels: Tensor | None):  # type: ignore[no-untyped-def]
        return discriminator(seen, labels, view)

    terms = objective.discriminator_loss(judged, real, fake.detach(), None, draw)
    terms.total.backward()
    # An instance norm takes away what a bias before it adds, and a relativistic objective what the last one adds.
    parts = ("video", "small_video", "image")
    without = {f"{part}.layers.{layer}.bias" for part in parts for layer in (2, 5, 8)}
    without |= {f"{part}.to_logits.bias" for part in parts}
    for name, parameter in discriminator.named_parameters():
        if name not in without:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    discriminator.zero_grad()
    terms = objective.generator_loss(judged, real, fake, None, draw)
    assert -1 <= terms.named["motion_information"] <= 1
    terms.total.backward()
    for name, parameter in generator.named_parameters():
        if parameter.requires_grad and name != "first_cell.weight_hh":  # that cell's state is 0 before it
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_videos_depend_on_their_own_latents_and_on_their_class(tmp_path: Path) -> None:
    generator = motion_generator(saved(tmp_path / "image.ckpt", image_generator(num_classes=2)), num_classes=2)
    drawn, labels = latents(generator), torch.tensor([0, 1, 1])
    videos = generator(drawn, labels)
    alone = generator({name: value[1:2] for name, value in drawn.items()}, labels[1:2])
    torch.testing.assert_close(alone, videos[1:2])
    assert not torch.allclose(generator(drawn, 1 - labels), videos)
    with pytest.raises(ValueError, match="it needs labels"):
        generator(drawn)


def test_truncation(checkpoint: str) -> None:
    generator = motion_generator(checkpoint)
    generator.image_generator.w_avg.fill_(0.3)
    drawn = latents(generator)
    torch.testing.assert_close(generator(generator.truncate(drawn, 1.0)), generator(drawn))
    still = generator(generator.truncate(drawn, 1e-6))
    torch.testing.assert_close(still, still[:1, :, :1].expand_as(still), rtol=0, atol=1e-4)


def test_each_clip_is_judged_by_itself_at_its_own_frame() -> None:
    discriminator = MoCoGANHDDiscriminator(4, base_channels=4)
    clips, view = torch.rand(3, 3, 4, SIZE, SIZE), {"image_frames": torch.tensor([[1], [3], [2]])}
    judged = discriminator(clips, None, view)
    for whole, alone in zip(
        judged.logits, discriminator(clips[1:2], None, {"image_frames": view["image_frames"][1:2]}).logits, strict=True
    ):
        torch.testing.assert_close(whole[1:2], alone)
    changed = clips.clone()
    changed[1, :, 2] += 1  # neither its first nor its chosen frame
    again = discriminator(changed, None, view)
    assert torch.equal(again.logits[2], judged.logits[2]) and torch.equal(again.logits[3], judged.logits[3])
    assert not torch.allclose(again.logits[0][1], judged.logits[0][1])
    changed[1, :, 3] += 1
    assert not torch.allclose(discriminator(changed, None, view).logits[2][1], judged.logits[2][1])


def test_frames_to_compare() -> None:
    view = MoCoGANHDDiscriminator(4, base_channels=4).sample_view(200, torch.Generator().manual_seed(0))
    assert view["image_frames"].shape == (200, 1)
    assert view["image_frames"].unique().tolist() == [1, 2, 3]


@pytest.mark.parametrize(("num_frames", "length"), [(17, 16), (18, 9)])
def test_the_smaller_scale_of_long_clips_has_half_the_time(num_frames: int, length: int) -> None:
    discriminator, lengths = MoCoGANHDDiscriminator(num_frames, base_channels=2), []
    discriminator.small_video.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[2]))
    discriminator(torch.rand(1, 3, num_frames, SIZE, SIZE), None, {"image_frames": torch.tensor([[1]])})
    assert lengths == [length]


def test_what_it_started_from_comes_with_its_own_checkpoint(checkpoint: str) -> None:
    generator = motion_generator(checkpoint).eval()
    with weights_come_later():
        other = motion_generator("nowhere.ckpt").eval()
    other.load_state_dict(generator.state_dict())
    drawn = latents(generator)
    assert torch.equal(generator(drawn), other(drawn))


def test_bfloat16(checkpoint: str) -> None:
    generator, discriminator = motion_generator(checkpoint), MoCoGANHDDiscriminator(4, base_channels=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        videos, intermediates = generator.synthesize(latents(generator))
        judgement = discriminator(videos.float(), None, {"image_frames": torch.tensor([[1], [2], [3]])})
    assert intermediates["motion_noise_predicted"].dtype == torch.float32
    assert all(head.isfinite().all() for head in judgement.logits)


def test_mistakes(checkpoint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train conf/stylegan_image.yaml first, .*generator.image_checkpoint"):
        LatentMotionGenerator(image_generator())
    with pytest.raises(ValueError, match=r"nowhere.ckpt; there is no such file"):
        LatentMotionGenerator(image_generator(), str(tmp_path / "nowhere.ckpt"))
    with pytest.raises(ValueError, match=r"does not hold the image_generator that is configured \(.*size mismatch"):
        LatentMotionGenerator(image_generator(w_dim=8), checkpoint)
    with pytest.raises(ValueError, match="num_components is 7"):
        motion_generator(checkpoint, num_components=7)
    with pytest.raises(ValueError, match="num_frames is 0; LatentMotionGenerator makes at least 1"):
        LatentMotionGenerator(image_generator(), checkpoint, num_frames=0)
    with pytest.raises(ValueError, match="num_frames is 1"):
        MoCoGANHDDiscriminator(num_frames=1)
    with pytest.raises(ValueError, match="needs a view"):
        MoCoGANHDDiscriminator(4, base_channels=4)(torch.rand(1, 3, 4, SIZE, SIZE))
