"""Twenty training steps of every model on fixed data give the losses they gave before: what refactors must keep.

A player that is not updated in a step has no loss there.

After a change that is meant to change them:

    KINOGAN_WRITE_GOLDEN=1 python -m pytest tests/contracts/test_golden_steps.py
"""

import csv
import json
import os
import statistics
from pathlib import Path

import pytest
import torch

from experiment.command_line import build
from tests.contracts.first_stage import first_stage, untrained_image_checkpoint

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "steps"
MODELS = [path.stem for path in sorted((ROOT / "conf" / "small").glob("*.yaml"))]
LOSSES = ("discriminator/loss", "generator/loss")
NUM_STEPS = 20
# Rounding differs between machines and grows from step to step; a change of the algorithm is larger from the start.
# A share of the value or, near zero, of the curve's usual size.
TOLERANCES = [0.002 * 1.2**step for step in range(NUM_STEPS)]

Curve = list[float | None]


@pytest.fixture(scope="module")
def image_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_image_checkpoint(tmp_path_factory.mktemp("images"), configs_of("stylegan_image"))


def configs_of(model: str) -> list[str]:
    return ["--config", str(ROOT / f"conf/{model}.yaml"), "--config", str(ROOT / f"conf/small/{model}.yaml")]


def train(model: str, folder: Path, image_checkpoint: Path) -> dict[str, Curve]:
    """Both losses of every step; None where none was logged, as the player was not updated."""
    experiment = build(
        [*configs_of(model), "--allow_package", "tests", "--data", "tests.contracts.moving_squares.MovingSquares",
         "--data.batch_size", "4", "--trainer.max_steps", str(NUM_STEPS), "--trainer.log_every_n_steps", "1",
         "--trainer.accelerator", "cpu", "--trainer.precision", "32-true", "--trainer.logger", "false",
         "--metrics.every_n_steps", "null", "--samples.every_n_steps", "null", "--curves.every_n_steps", "null",
         "--checkpoints.every_n_steps", "null", "--runs_folder", str(folder), "--progress.refresh_seconds", "1000",
         *first_stage(model, image_checkpoint)]
    )  # fmt: skip
    experiment.trainer.fit(experiment.model, experiment.datamodule)
    with (experiment.run_folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["step"]]
    return {loss: curve_of(loss, rows) for loss in LOSSES}


def curve_of(loss: str, rows: list[dict[str, str]]) -> Curve:
    """The loss at steps 1 to 20."""
    values = {int(row["step"]): float(row[loss]) for row in rows if row.get(loss)}
    assert all(1 <= step <= NUM_STEPS for step in values)
    return [values.get(step) for step in range(1, NUM_STEPS + 1)]


def disagreements(curve: Curve, golden: Curve) -> list[int]:
    """The steps, from 1, at which a curve is not as it was."""
    usual = statistics.median([abs(value) for value in golden if value])
    return [
        step
        for step, (value, was, tolerance) in enumerate(zip(curve, golden, TOLERANCES, strict=True), start=1)
        if value != (None if was is None else pytest.approx(was, rel=tolerance, abs=tolerance * usual))
    ]


@pytest.mark.parametrize("model", MODELS)
def test_twenty_steps(model: str, tmp_path: Path, image_checkpoint: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        losses = train(model, tmp_path, image_checkpoint)
    finally:
        torch.set_num_threads(threads)
    path = GOLDEN / f"{model}.json"
    if os.environ.get("KINOGAN_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            json.dumps({name: [value and float(f"{value:.7g}") for value in values] for name, values in losses.items()})
        )
    expected = json.loads(path.read_text())
    for name in LOSSES:
        assert any(value is not None for value in losses[name])
        wrong = disagreements(losses[name], expected[name])
        assert wrong == [], (name, losses[name], expected[name])


@pytest.mark.parametrize("model", MODELS)
def test_no_loss_may_vanish(model: str) -> None:
    for name, golden in json.loads((GOLDEN / f"{model}.json").read_text()).items():
        vanished = [None if value is None else 0.0 for value in golden]
        assert disagreements(vanished, golden) == [step for step, value in enumerate(golden, start=1) if value], name


def test_a_curve_agrees_with_itself_and_not_with_one_that_is_missing_or_off() -> None:
    golden: Curve = [None, 2.0, 0.0, *[1.0] * (NUM_STEPS - 3)]
    assert disagreements(golden, golden) == []
    assert disagreements([0.0, None, 0.0001, *golden[3:]], golden) == [1, 2]
    assert disagreements([None, 2.004, 0.004, *golden[3:-1], 1.05], golden) == [3]
    assert disagreements([*golden[:-1], 1.07], golden) == [NUM_STEPS]


def test_steps_without_a_row_or_a_value_have_no_loss() -> None:
    rows = [{"step": "1", "loss": "", "other": "7"}, {"step": "2", "loss": "0.5"}, {"step": "2", "other": "8"}]
    assert curve_of("loss", rows) == [None, 0.5, *[None] * (NUM_STEPS - 2)]
