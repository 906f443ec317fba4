from itertools import islice

import numpy as np
import pytest
from PIL import Image

from datamodules.picture_folder import PictureFolder


@pytest.fixture
def pictures(tmp_path, cache_folder):
    """Twelve pictures in two classes; the red of number n is 20 n, so that a clip says which it is."""
    root = tmp_path / "pictures"
    for number in range(12):
        path = root / ("cat" if number < 8 else "dog") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), (20 * number, 9, 9), np.uint8)).save(path)
    return root


@pytest.mark.parametrize("sampling", ["by_video", "by_clip"])
def test_every_epoch_takes_each_picture_once(pictures, sampling):
    data = PictureFolder(str(pictures), size=16, batch_size=4, num_workers=0, validation_fraction=0, sampling=sampling)
    assert data.video_shape == (3, 1, 16, 16) and data.fps == 1 and data.class_names == ("cat", "dog")
    batches = list(islice(data.train_dataloader(), 6))
    numbers = [int(clip[0, 0, 0, 0]) // 20 for batch in batches for clip in batch["clip"]]
    labels = [label for batch in batches for label in batch["label"].tolist()]
    assert batches[0]["clip"].shape == (4, 3, 1, 16, 16)
    assert sorted(numbers[:12]) == sorted(numbers[12:]) == list(range(12)) and numbers[:12] != numbers[12:]
    assert labels == [int(number >= 8) for number in numbers]


def test_pictures_to_measure_with(pictures):
    clips = PictureFolder(str(pictures), size=16, validation_fraction=0.5).evaluation_dataset(6, "validation")
    assert len({int(item["clip"][0, 0, 0, 0]) for item in clips}) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"num_frames": 16}, "clips of pictures have 1 frame"), ({"root": "empty"}, "no picture in this folder")],
)
def test_mistakes(pictures, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        PictureFolder(**{"root": str(pictures), **arguments}).prepare_data()


def test_a_damaged_picture_is_named(pictures):
    (pictures / "dog/11.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot decode 1 of 12 pictures: dog/11.png") as error:
        PictureFolder(str(pictures)).prepare_data()
    assert "\n" not in str(error.value)
