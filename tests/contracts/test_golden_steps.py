"""Twenty training steps of every model on fixed data give the losses they gave before: what refactors must keep.

After a change that is meant to change them:

    KINOGAN_WRITE_GOLDEN=1 python -m pytest tests/contracts/test_golden_steps.py
"""

import csv
import json
import os
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
TOLERANCES = [0.002 * 1.2**step for step in range(NUM_STEPS)]


@pytest.fixture(scope="module")
def image_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_image_checkpoint(tmp_path_factory.mktemp("images"), configs_of("stylegan_image"))


def configs_of(model: str) -> list[str]:
    return ["--config", str(ROOT / f"conf/{model}.yaml"), "--config", str(ROOT / f"conf/small/{model}.yaml")]


def train(model: str, folder: Path, image_checkpoint: Path) -> dict[str, list[float | None]]:
    """Both losses of every step; None where a player was not updated."""
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
    return {loss: [float(row[loss]) if row.get(loss) else None for row in rows] for loss in LOSSES}


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
        assert len(losses[name]) == NUM_STEPS
        for step, (value, golden) in enumerate(zip(losses[name], expected[name], strict=True)):
            if golden is None:
                assert value is None, (name, step)
            else:
                assert value == pytest.approx(golden, rel=TOLERANCES[step], abs=TOLERANCES[step]), (name, step)
