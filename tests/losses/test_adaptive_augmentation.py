import math
from typing import Any

import pytest
import torch
from torch import Tensor

from losses.adaptive_augmentation import TRANSFORMATIONS, AdaptiveAugmentation

Noise = dict[str, Tensor]


def nothing(num_clips: int, **amounts: Any) -> Noise:
    """Noise by which only the named transformations happen, by these amounts."""
    noise = {}
    for name in (name for group in TRANSFORMATIONS.values() for name in group):
        noise[name] = torch.zeros(num_clips, 2) + torch.tensor(amounts.get(name, 0.0))
        noise[f"{name}_chance"] = torch.full((num_clips,), 0.4 if name in amounts else 1.0)
    return noise


def augmented(clips: Tensor, **amounts: Any) -> Tensor:
    return AdaptiveAugmentation(initial_probability=0.75)(clips, nothing(len(clips), **amounts))


def assert_close(first: Tensor, second: Tensor) -> None:
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


def drawn(augmentation: AdaptiveAugmentation, num_clips: int, seed: int = 0) -> Noise:
    return augmentation.sample_noise(num_clips, torch.Generator().manual_seed(seed))


def test_nothing_happens_at_probability_0() -> None:
    augmentation = AdaptiveAugmentation()
    clips = torch.rand(8, 3, 2, 16, 16) * 2 - 1
    assert_close(augmentation(clips, drawn(augmentation, 8)), clips)


def test_blits() -> None:
    clips = torch.rand(2, 3, 4, 16, 16)
    assert_close(augmented(clips, flip=1.0), clips.flip(-1))
    assert_close(augmented(clips, quarter_turns=1.0), clips.rot90(-1, (-2, -1)))
    assert_close(augmented(clips, quarter_turns=2.0), clips.rot90(2, (-2, -1)))
    moved = augmented(clips, whole_pixels=[0.13, -0.07])  # by 2.08 and -1.12 pixels, rounded
    assert_close(moved[..., :15, 2:], clips[..., 1:, :14])


def test_geometry() -> None:
    clips = torch.rand(2, 3, 2, 16, 16)
    # Twice as large: the sixteen pixels in the middle become 8 x 8, the outermost of them bilinear between neighbours.
    larger = augmented(clips, scale=1.0)
    middle = torch.nn.functional.interpolate(clips[:, :, 0], scale_factor=2, mode="bilinear")[..., 8:24, 8:24]
    assert_close(larger[:, :, 0], middle)
    for name in ("first_rotation", "second_rotation"):
        turned = augmented(clips, **{name: math.pi / 2})
        assert_close(turned, clips.rot90(-1, (-2, -1)))
    moved = augmented(clips, translation=[0.0, 1 / 8])
    assert_close(moved[..., 2:, :], clips[..., :14, :])
    rows = clips[..., :1, :].expand_as(clips)
    assert_close(augmented(rows, stretch=1.0), augmented(rows, scale=1.0))
    columns = clips[..., :1].expand_as(clips)
    assert_close(augmented(columns, stretch=1.0), augmented(columns, scale=-1.0))


def test_color() -> None:
    clips = torch.rand(2, 3, 2, 8, 8) * 2 - 1
    grey = clips.mean(dim=1, keepdim=True)
    assert_close(augmented(clips, brightness=0.3), clips + 0.3)
    assert_close(augmented(clips, contrast=-1.0), clips / 2)
    assert_close(augmented(clips, brightness=0.3, contrast=1.0), 2 * (clips + 0.3))
    assert_close(augmented(clips, luma_flip=1.0), clips - 2 * grey)
    assert_close(augmented(clips, hue=2 * math.pi / 3), clips.roll(1, dims=1))
    assert_close(augmented(clips, saturation=1.0), grey + 2 * (clips - grey))
    assert_close(augmented(clips[:, :1], luma_flip=1.0, hue=1.0), -clips[:, :1])


@pytest.mark.parametrize("channels", [1, 3])
def test_all_frames_of_a_clip_alike_and_every_clip_by_its_own_draw(channels: int) -> None:
    augmentation = AdaptiveAugmentation(initial_probability=0.8)
    noise = drawn(augmentation, 4)
    clips = torch.rand(1, channels, 1, 16, 16).expand(4, -1, 5, -1, -1)
    result = augmentation(clips, noise)
    torch.testing.assert_close(result, result[:, :, :1].expand_as(result))
    assert not torch.allclose(result[0], result[1], atol=0.01)
    part = augmentation(clips[1:3], {name: values[1:3] for name, values in noise.items()})
    torch.testing.assert_close(part, result[1:3])


def test_how_often_each_happens() -> None:
    augmentation = AdaptiveAugmentation(initial_probability=0.5)
    noise = drawn(augmentation, 10_000)
    amounts = augmentation.amounts(torch.zeros(10_000, 3, 1, 1, 1), noise)
    often = {name: float((values[:, 0] != 0).float().mean()) for name, values in amounts.items()}
    rotation = 1 - math.sqrt(0.5)
    expected = {"flip": 0.25, "quarter_turns": 0.375, "luma_flip": 0.25}
    expected |= {"first_rotation": rotation, "second_rotation": rotation}
    for name, share in often.items():
        assert share == pytest.approx(expected.get(name, 0.5), abs=0.02), name
    turned = (amounts["first_rotation"][:, 0] != 0) | (amounts["second_rotation"][:, 0] != 0)
    assert float(turned.float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(noise["contrast"].std()) == pytest.approx(0.5, rel=0.02)
    assert 0.12 < float(noise["whole_pixels"].abs().max()) <= 1 / 8


def test_groups_that_are_left_out() -> None:
    clips = torch.rand(4, 3, 2, 16, 16)
    color = AdaptiveAugmentation(initial_probability=1.0, pipeline=["color"])
    noise = drawn(color, 4)
    assert set(noise) == {key for name in TRANSFORMATIONS["color"] for key in (name, f"{name}_chance")}
    torch.testing.assert_close(color(clips.flip(-1), noise), color(clips, noise).flip(-1))
    blit = AdaptiveAugmentation(initial_probability=1.0, pipeline=["blit"])
    only_blit = blit(clips, drawn(blit, 4))
    torch.testing.assert_close(only_blit.amax(dim=(3, 4)), clips.amax(dim=(3, 4)), atol=0.1, rtol=0)


def test_double_backward() -> None:
    augmentation = AdaptiveAugmentation(initial_probability=1.0).double()
    noise = drawn(augmentation, 2)
    clips = torch.rand(2, 3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augmentation(x, noise), clips)
    assert torch.autograd.gradgradcheck(lambda x: augmentation(x, noise) ** 3, clips)


def test_autocast_does_not_round() -> None:
    augmentation = AdaptiveAugmentation(initial_probability=1.0)
    clips, noise = torch.rand(2, 3, 2, 8, 8), drawn(augmentation, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = augmentation(clips, noise)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, augmentation(clips, noise))


def test_the_probability_follows_the_signs() -> None:
    augmentation = AdaptiveAugmentation(target=0.6, speed_clips=1000, interval=4)
    probabilities = []
    # Means of four: 0.7, 0.7, then 0.5.
    for sign in [1.0, 0.4, 1.0, 0.4] * 2 + [0.6, 0.4, 0.6, 0.4]:
        logged = augmentation.adapt(torch.tensor(sign), num_clips=25)
        probabilities.append(round(float(logged["augmentation_probability"]), 4))
    assert probabilities == [0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.1]


def test_the_probability_stays_between_0_and_1() -> None:
    augmentation = AdaptiveAugmentation(speed_clips=10, interval=1)
    for sign, expected in ((-1.0, 0.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0)):
        augmentation.adapt(torch.tensor(sign), num_clips=15)
        assert augmentation.probability == expected


def test_a_run_goes_on_within_an_interval() -> None:
    signs = torch.rand(11)
    whole, first, second = (AdaptiveAugmentation(speed_clips=300) for _ in range(3))
    for sign in signs:
        whole.adapt(sign, 8)
    for sign in signs[:6]:
        first.adapt(sign, 8)
    second.load_state_dict(first.state_dict())
    for sign in signs[6:]:
        second.adapt(sign, 8)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in whole.state_dict().items())
    assert len(whole.state_dict()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 1.0}, "target is 1.0"),
        ({"speed_clips": 0}, "speed_clips is 0"),
        ({"interval": 0}, "interval 0"),
        ({"initial_probability": 1.5}, "initial_probability is 1.5"),
        ({"pipeline": ["noise"]}, "pipeline has noise; it may have blit, geometry, color"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveAugmentation(**arguments)


def test_what_is_no_clip() -> None:
    augmentation = AdaptiveAugmentation()
    with pytest.raises(ValueError, match=r"sees \(2, 30\)"):
        augmentation(torch.zeros(2, 30), drawn(augmentation, 2))
