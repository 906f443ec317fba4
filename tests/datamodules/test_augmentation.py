import math
from itertools import islice

import pytest
import torch
from jsonargparse import ArgumentParser
from pytorch_lightning import LightningDataModule

from datamodules.augmentation import ClipAugmentation
from datamodules.video_folder import VideoFolder

EVERYTHING = {
    "least_crop_area": 0.5,
    "largest_crop_aspect": 1.3,
    "rotation_degrees": 10,
    "brightness": 0.2,
    "contrast": 0.3,
    "saturation": 0.5,
    "hue_degrees": 20,
    "reversal_probability": 0.5,
    "least_speed": 0.5,
}
POSITIONS = torch.arange(100, 106)


@pytest.fixture
def clips() -> torch.Tensor:
    """(6, 3, 8, 16, 16) in [-1, 1]."""
    return torch.rand((6, 3, 8, 16, 16), generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_nothing_is_changed_unless_asked_for(clips):
    assert torch.equal(ClipAugmentation()(clips, POSITIONS, 0), clips)


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_changes_something_within_the_range(clips, name):
    changed = ClipAugmentation(**{name: EVERYTHING[name]})(clips, POSITIONS, 0)
    assert changed.shape == clips.shape and changed.dtype == torch.float32
    assert changed.abs().max() <= 1 and not torch.equal(changed, clips)


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name not in ("reversal_probability", "least_speed")])
def test_all_frames_of_a_clip_are_changed_alike_and_those_of_another_otherwise(clips, name):
    still = clips[:1, :, :1].expand(6, -1, 8, -1, -1)
    changed = ClipAugmentation(**{name: EVERYTHING[name]})(still, POSITIONS, 0)
    torch.testing.assert_close(changed, changed[:, :, :1].expand_as(changed), rtol=0, atol=1e-6)
    assert not torch.allclose(changed[0], changed[1])


def test_a_clip_depends_on_seed_and_position_alone(clips):
    augment = ClipAugmentation(**EVERYTHING)
    together = augment(clips, POSITIONS, 3)
    apart = [augment(clips[i : i + 1], POSITIONS[i : i + 1], 3)[0] for i in reversed(range(6))]
    torch.testing.assert_close(torch.stack(apart[::-1]), together, rtol=0, atol=1e-6)
    assert not torch.allclose(augment(clips, POSITIONS, 4), together)
    assert not torch.allclose(augment(clips, POSITIONS + 6, 3), together)


def test_switching_one_on_changes_no_other(clips):
    both = ClipAugmentation(brightness=0.2, reversal_probability=0.5)(clips, POSITIONS, 0)
    one_after_the_other = ClipAugmentation(brightness=0.2)(
        ClipAugmentation(reversal_probability=0.5)(clips, POSITIONS, 0), POSITIONS, 0
    )
    assert torch.equal(both, one_after_the_other)


def test_a_reversed_clip_is_the_clip_backwards(clips):
    assert torch.equal(ClipAugmentation(reversal_probability=1)(clips, POSITIONS, 0), clips.flip(2))
    many, positions = clips[:1].expand(1000, -1, -1, -1, -1), torch.arange(1000)
    changed = ClipAugmentation(reversal_probability=0.3)(many, positions, 0)
    reversed_ones = (changed == many.flip(2)).flatten(1).all(1)
    assert ((changed == many).flatten(1).all(1) | reversed_ones).all()
    assert abs(int(reversed_ones.sum()) - 300) < 5 * (1000 * 0.3 * 0.7) ** 0.5


def test_a_slow_clip_shows_its_frames_in_order():
    times = torch.linspace(-1, 1, 16).view(1, 1, 16, 1, 1).expand(200, 3, 16, 2, 2)
    slow = ClipAugmentation(least_speed=0.5)(times, torch.arange(200), 0)[:, 0, :, 0, 0]
    frames = ((slow + 1) * 7.5).round().long()
    steps = frames.diff(dim=1)
    assert steps.min() >= 0 and steps.max() == 1
    shown = frames[:, -1] - frames[:, 0]
    assert shown.min() in (7, 8) and shown.max() == 15 and frames.min() == 0 and frames.max() == 15


def test_brightness_and_contrast_are_what_they_say(clips):
    grey = torch.full((500, 3, 1, 2, 2), 0.25)
    bright = ClipAugmentation(brightness=0.5)(grey, torch.arange(500), 0)[:, 0, 0, 0, 0] - 0.25
    assert -0.5 <= bright.min() < -0.45 and 0.45 < bright.max() <= 0.5 and abs(bright.mean()) < 0.07
    factor = ClipAugmentation(contrast=1.0)(grey, torch.arange(500), 0)[:, 0, 0, 0, 0] / 0.25
    assert 0.5 <= factor.min() < 0.55 and 1.85 < factor.max() <= 2 and abs(factor.log().mean()) < 0.1
    for name in ("saturation", "hue_degrees"):
        unchanged = ClipAugmentation(**{name: EVERYTHING[name]})(grey, torch.arange(500), 0)
        torch.testing.assert_close(unchanged, grey)


def test_a_crop_is_a_part_of_the_frame_at_the_right_scale():
    """Pixels say where they are: x in red, y in green."""
    x = torch.linspace(-1, 1, 33)
    place = torch.stack(torch.broadcast_tensors(x, x[:, None], torch.zeros(())), dim=0)[:, None]  # (3, 1, 33, 33)
    crops = ClipAugmentation(least_crop_area=0.25)(place.expand(300, -1, -1, -1, -1), torch.arange(300), 0)
    x_share = (crops[:, 0, 0, 16, -1] - crops[:, 0, 0, 16, 0]) / 2
    y_share = (crops[:, 1, 0, -1, 16] - crops[:, 1, 0, 0, 16]) / 2
    torch.testing.assert_close(x_share, y_share, rtol=0, atol=1e-5)
    area = x_share * y_share
    assert area.min() + 1e-6 >= 0.25 and area.min() < 0.28 and 0.97 < area.max() <= 1.0001
    assert abs(area.mean() - 0.625) < 5 * 0.75 / 12**0.5 / 300**0.5
    assert crops[:, 0, 0, 16, 0].min() < -0.95 and crops[:, 0, 0, 16, -1].max() > 0.95


def test_a_turn_is_no_larger_than_it_may_be():
    x = torch.linspace(-1, 1, 33)
    place = torch.stack(torch.broadcast_tensors(x, x[:, None], torch.zeros(())), dim=0)[:, None]
    turned = ClipAugmentation(rotation_degrees=20)(place.expand(300, -1, -1, -1, -1), torch.arange(300), 0)
    middle_row = turned[:, :2, 0, 16, 20] - turned[:, :2, 0, 16, 12]  # (300, 2): where the x axis points to
    degrees = torch.atan2(middle_row[:, 1], middle_row[:, 0]) * 180 / math.pi
    assert -20.01 < degrees.min() < -18 and 18 < degrees.max() < 20.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"least_crop_area": 0}, "least_crop_area is 0; it must be above 0 and at most 1"),
        ({"largest_crop_aspect": 0.5}, "largest_crop_aspect is 0.5; it must be at least 1"),
        ({"rotation_degrees": -1}, "rotation_degrees is -1; it must be from 0 to 180"),
        ({"brightness": 3}, "brightness is 3"),
        ({"contrast": math.nan}, "contrast is nan; it must be at least 0"),
        ({"reversal_probability": 1.5}, "reversal_probability is 1.5; it must be from 0 to 1"),
        ({"least_speed": 0}, "least_speed is 0; it must be above 0 and at most 1"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError) as error:
        ClipAugmentation(**arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_training_batches_are_the_same_for_any_number_of_workers(numbered_folder):
    def batches(num_workers: int, batch_size: int) -> torch.Tensor:
        data = VideoFolder(
            str(numbered_folder), 6, size=16, batch_size=batch_size, num_workers=num_workers,
            augmentation=ClipAugmentation(**EVERYTHING),
        )  # fmt: skip
        loaded = islice(data.train_dataloader(), 12 // batch_size)
        return torch.cat([data.on_after_batch_transfer(batch, 0)["clip"] for batch in loaded])

    alone = batches(0, 4)
    assert torch.equal(batches(1, 4), alone) and torch.equal(batches(2, 4), alone)
    torch.testing.assert_close(batches(0, 2), alone, rtol=0, atol=1e-6)


def test_a_yaml_names_it(numbered_folder):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_string(
        f"data: {{class_path: datamodules.video_folder.VideoFolder, init_args: {{root: {numbered_folder}, "
        "augmentation: {class_path: datamodules.augmentation.ClipAugmentation, init_args: {rotation_degrees: 5}}}}"
    )
    assert parser.instantiate(config).data.augmentation.rotation_degrees == 5
