"""What a study trains: its models, and the budget that they share."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FAILURE = "failed.txt"  # in a model's folder: why it has no result
# A model that needs another one's checkpoint: which model, and the argument that takes it.  Each gets half the budget.
FIRST_STAGES = {"mocogan_hd": ("stylegan_image", "model.generator.image_checkpoint")}


@dataclass(frozen=True)
class Budget:
    """What all models of a study share; results of different budgets are not put into one table.

    Args:
        data: YAML of the data set.
        root: its folder; None where the YAML knows.
        minutes: of training, wall time.
        threads: of the CPU, for each model; 0 leaves it to torch.
        jobs: models that train at a time.
        precision: of training, as the trainer takes it.
        scale: "small", 16 frames of 32x32 with narrow networks, or "full", 16 frames of 64x64 as in the papers.
        num_videos: generated clips, and as many real ones, of each measurement.
        repeats: measurements, each with latents of its own.
    """

    data: str
    root: str | None
    minutes: float
    threads: int
    jobs: int
    precision: str
    scale: str
    num_videos: int
    repeats: int


def models() -> list[str]:
    """Every experiment that has a small variant and makes videos."""
    stages = {stage for stage, _ in FIRST_STAGES.values()}
    return sorted(path.stem for path in (ROOT / "conf" / "small").glob("*.yaml") if path.stem not in stages)


def arguments_for(model: str, budget: Budget, minutes: float, runs_folder: Path, run_name: str) -> list[str]:
    """The command line of train.py that trains one model within the budget."""
    seconds = round(minutes * 60)
    days, hours = divmod(seconds // 3600, 24)
    layers = ["--config", str(ROOT / "conf" / f"{model}.yaml")]
    if budget.scale == "small":
        layers += ["--config", str(ROOT / "conf" / "small" / f"{model}.yaml")]
    return [
        *layers,
        *(["--data", budget.data] if budget.data else []),
        *(["--data.root", budget.root] if budget.root else []),
        *("--trainer.max_time", f"{days:02}:{hours:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"),
        *("--trainer.precision", budget.precision),
        *("--trainer.logger", "false", "--metrics.every_n_steps", "null", "--samples.every_n_steps", "null"),
        *("--checkpoints.every_n_steps", "1000000", "--curves.every_n_steps", "1000000"),
        *("--runs_folder", str(runs_folder), "--run_name", run_name),
    ]  # fmt: skip


def finished(folder: Path, budget: Budget) -> bool:
    """Whether a model has a result.

    Raises: SystemExit if it is of another budget.
    """
    path = folder / "result.json"
    if not path.exists():
        return False
    made_with = json.loads(path.read_text())["budget"]
    if made_with != dataclasses.asdict(budget):
        raise SystemExit(f"{path} is of another budget, {made_with}; give another --output, or remove it")
    return True


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1))
    part.replace(path)
