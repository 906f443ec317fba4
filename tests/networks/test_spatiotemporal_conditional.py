import pytest
import torch
from torch import Tensor

from networks.spatiotemporal_conditional import SpatiotemporalConditionalGenerator, Task

ALL_TASKS = pytest.mark.parametrize("task", ["colorization", "inpainting", "future_frames"])


def small(task: Task, supervised: bool = False, num_frames: int = 16) -> SpatiotemporalConditionalGenerator:
    return SpatiotemporalConditionalGenerator(task, supervised, num_frames, 16, base_channels=2)


def random_clips(num_frames: int = 16) -> Tensor:
    return torch.rand(3, 3, num_frames, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def latents_of(generator: SpatiotemporalConditionalGenerator, clips: Tensor) -> dict[str, Tensor]:
    return {**generator.sample_latents(len(clips), torch.Generator()), **generator.condition_on(clips)}


@pytest.mark.parametrize(
    ("task", "number"), [("colorization", 17_875_011), ("inpainting", 22_047_939), ("future_frames", 17_848_387)]
)
def test_parameter_counts(task: Task, number: int) -> None:
    # The decoder is the unconditional generator's, 11,023,683 with the batch norms between its convolutions.
    with torch.device("meta"):
        generator = SpatiotemporalConditionalGenerator(task)
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in generator.children()]
    assert sum(counts) == number and counts[1] + counts[2] == 11_023_683


@ALL_TASKS
def test_the_tables_in_the_docstring(task: Task) -> None:
    shapes = []
    with torch.device("meta"):
        generator = SpatiotemporalConditionalGenerator(task)
        for block in generator.encoder:
            block.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
        videos = generator({"condition": generator.given(torch.empty(2, 3, 16, 64, 64))})
    assert videos.shape == (2, 3, 16, 64, 64)
    if task == "inpainting":
        assert shapes == [(64, 8, 32, 32), (128, 4, 16, 16), (256, 2, 8, 8), (512, 1, 4, 4)]
    else:
        assert shapes == [(128, 1, 32, 32), (256, 1, 16, 16), (512, 1, 8, 8), (512, 1, 4, 4)]


@ALL_TASKS
def test_twice_as_many_frames(task: Task) -> None:
    generator = small(task, num_frames=32)
    videos = generator(latents_of(generator, random_clips(32)))
    assert videos.shape == (3, 3, 32, 16, 16) and videos.abs().max() <= 1


def test_what_is_given() -> None:
    clips = random_clips()
    red, green, blue = clips.unbind(1)
    grey = small("colorization").condition_on(clips)["condition"]
    torch.testing.assert_close(grey, (0.21 * red + 0.72 * green + 0.07 * blue).unsqueeze(1))
    assert torch.equal(small("future_frames").condition_on(clips)["condition"], clips[:, :, :1])
    holed = SpatiotemporalConditionalGenerator("inpainting", size=64, base_channels=1).given(
        torch.ones(1, 3, 16, 64, 64)
    )
    rows, columns = (holed[0, 0, 0] == 0).nonzero().unbind(1)
    assert rows.unique().tolist() == columns.unique().tolist() == list(range(22, 42)) and len(rows) == 20 * 20
    assert torch.equal(holed, holed[:1, :1, :1].expand_as(holed))


@ALL_TASKS
def test_only_what_is_given_has_an_effect_and_only_on_its_own_clip(task: Task) -> None:
    generator, clips = small(task).eval(), random_clips()
    videos = generator(latents_of(generator, clips))
    latents = {name: values[1:2] for name, values in latents_of(generator, clips).items()}
    torch.testing.assert_close(generator(latents), videos[1:2])
    hidden = clips.clone()  # another clip that shows the same
    if task == "colorization":
        hidden[:, 0] += 0.72
        hidden[:, 1] -= 0.21
    elif task == "inpainting":
        hidden[..., 8, 8] = -hidden[..., 8, 8]
    else:
        hidden[:, :, 1:] = 0
    torch.testing.assert_close(generator(latents_of(generator, hidden)), videos)
    clips[0, :, 0, 0, 0] += 1
    changed = (generator(latents_of(generator, clips)) != videos).flatten(1).any(dim=1)
    assert changed.tolist() == [True, False, False]


@ALL_TASKS
def test_what_a_reconstruction_compares(task: Task) -> None:
    clips, generator, supervised = random_clips(), small(task), small(task, supervised=True)
    videos, intermediates = generator.synthesize(latents_of(generator, clips))
    assert torch.equal(intermediates["reconstruction_target"], generator.given(clips))
    assert torch.equal(intermediates["reconstruction"], generator.given(videos))
    videos, intermediates = supervised.synthesize(latents_of(supervised, clips))
    assert torch.equal(intermediates["reconstruction_target"], clips)
    assert torch.equal(intermediates["reconstruction"], videos)


@ALL_TASKS
def test_gradients_reach_every_parameter(task: Task) -> None:
    generator = small(task)
    torch.manual_seed(0)
    (generator(latents_of(generator, random_clips())) * torch.randn(3, 3, 16, 16, 16)).sum().backward()
    # A batch norm takes away what a bias before it adds.
    no_effect = {f"blocks.{number}.0.bias" for number in range(3)}
    for name, parameter in generator.named_parameters():
        if name not in no_effect:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_nothing_is_drawn_and_nothing_truncated() -> None:
    generator = small("future_frames")
    assert generator.conditions_on_clips
    assert generator.sample_latents(5, torch.Generator())["z"].shape == (5, 0)
    latents = latents_of(generator, random_clips())
    assert torch.equal(generator.truncate(latents, 0.5)["condition"], latents["condition"])


@ALL_TASKS
def test_bfloat16_autocast(task: Task) -> None:
    generator = small(task)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        videos, intermediates = generator.synthesize(latents_of(generator, random_clips()))
    intermediates["reconstruction"].float().square().mean().backward()
    assert videos.isfinite().all() and generator.encoder[0][0].weight.grad.isfinite().all()


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="task is 'denoising'; it must be one of colorization"):
        SpatiotemporalConditionalGenerator("denoising")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="channels is 1; colorization needs 3"):
        SpatiotemporalConditionalGenerator("colorization", channels=1)
    with pytest.raises(ValueError, match=r"size is 50; .* multiple of 16"):
        SpatiotemporalConditionalGenerator(size=50)
    generator = small("colorization")
    with pytest.raises(ValueError, match="latents have no 'condition'"):
        generator(generator.sample_latents(2, torch.Generator()))
    with pytest.raises(ValueError, match=r"clips are \(3, 32, 16, 16\)"):
        generator.condition_on(random_clips(32))
    with pytest.raises(ValueError, match="num_frames is 32"):
        generator.sample_latents(2, torch.Generator(), num_frames=32)
