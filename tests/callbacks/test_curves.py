import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from callbacks.curves import MOST_POINTS, Curves, draw, read_measured, running_mean
from callbacks.distribution_metrics import DistributionMetrics
from tests.callbacks.fakes import ColourFeatures, TinyData, TinyModule, make_trainer


def fit(folder: Path, curves: Curves, max_steps: int = 5, **more: Any) -> None:
    network = ColourFeatures()
    metrics = DistributionMetrics(2, num_videos=4, fid_network=network, fvd_network=network)
    trainer = make_trainer(folder, metrics, curves, max_steps=max_steps, log_every_n_steps=more.pop("every", 1))
    trainer.fit(TinyModule(), datamodule=TinyData(), **more)


def test_collects_what_was_logged_at_its_steps(tmp_path: Path) -> None:
    curves = Curves(2)
    fit(tmp_path, curves, max_steps=6, every=2)
    names = {"discriminator/loss", "generator/loss", "discriminator/logits_real", "discriminator/logits_fake"}
    assert curves.curves.keys() == names
    assert all(list(curve) == [2, 4, 6] for curve in curves.curves.values())
    losses = curves.curves["discriminator/loss"]
    assert losses[2] > losses[4] > losses[6] > 0
    assert curves.curves["generator/loss"][4] == pytest.approx(2 * losses[4])


def test_draws_a_picture_with_colours_in_it(tmp_path: Path) -> None:
    fit(tmp_path, Curves(2))
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)
    assert picture.shape[0] > 600 and picture.shape[1] > 1000
    for colour in ((0x1F, 0x6F, 0x8B), (0xD1, 0x49, 0x5B)):
        assert (abs(picture - colour).max(axis=2) < 12).sum() > 100
    assert not list(tmp_path.glob("*.part"))


def test_the_picture_is_drawn_anew_at_every_measurement(tmp_path: Path) -> None:
    fit(tmp_path, Curves(2), max_steps=2)
    before = (tmp_path / "curves.png").read_bytes()
    fit(tmp_path, Curves(4), max_steps=4)
    assert (tmp_path / "curves.png").read_bytes() != before


def test_measured_values_are_read_from_the_cards(tmp_path: Path) -> None:
    lines = [{"key": "fid", "step": step, "value": value} for step, value in ((4, 1.0), (2, 5.0), (4, 0.5))]
    (tmp_path / "fid.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_measured(tmp_path) == {"fid": {2: 5.0, 4: 0.5}}
    assert list(read_measured(tmp_path)["fid"]) == [2, 4]
    assert read_measured(tmp_path / "none") == {}


def test_curves_travel_with_the_checkpoint(tmp_path: Path) -> None:
    first = Curves(2)
    trainer = make_trainer(tmp_path, first, max_steps=4)
    trainer.fit(TinyModule(), datamodule=TinyData())
    trainer.save_checkpoint(tmp_path / "at4.ckpt")
    assert torch.load(tmp_path / "at4.ckpt", weights_only=True)["global_step"] == 4
    again = Curves(2)
    fit(tmp_path, again, max_steps=6, ckpt_path=tmp_path / "at4.ckpt")
    assert list(again.curves["generator/loss"]) == [1, 2, 3, 4, 5, 6]
    assert again.curves["generator/loss"][2] == first.curves["generator/loss"][2]


def test_long_curves_are_thinned_and_keep_the_newest(tmp_path: Path) -> None:
    curves = Curves(10**6)
    curves.curves = {"generator/loss": dict.fromkeys(range(-MOST_POINTS, 0), 1.0)}
    fit(tmp_path, curves, max_steps=1)
    steps = list(curves.curves["generator/loss"])
    assert len(steps) == MOST_POINTS // 2 + 1
    assert steps[-2:] == [-2, 1]


def test_a_running_mean_is_over_the_newest_fiftieth() -> None:
    values = [float(value) for value in range(100)]  # windows of three
    expected = [0.0, 0.5, *range(1, 99)]
    np.testing.assert_allclose(running_mean(values), expected)
    np.testing.assert_allclose(running_mean([2.0, 4.0]), [2.0, 4.0])


def test_nothing_to_draw_writes_nothing(tmp_path: Path) -> None:
    draw({}, tmp_path / "curves.png")
    assert list(tmp_path.iterdir()) == []


def test_off_draws_nothing(tmp_path: Path) -> None:
    curves = Curves(None)
    fit(tmp_path, curves)
    assert curves.curves == {}
    assert not (tmp_path / "curves.png").exists()
