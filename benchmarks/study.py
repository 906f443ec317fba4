"""Train every model of conf/ on one data set with one budget, measure them alike, and write docs/results.md.

    python -m benchmarks.study run --data conf/data/weizmann_actions.yaml --root path/to/weizmann_actions
    python -m benchmarks.study report

A model is conf/NAME.yaml with conf/small/NAME.yaml on top (--scale full leaves the latter away).  Each becomes a folder
of --output with its run, its strip of samples and its result.json; a model that has one is not trained again, so an
interrupted study goes on where it was.  On a cluster each array task takes one model, and `report` joins them:

    sbatch --array=0-20 --wrap 'python -m benchmarks.study one --index $SLURM_ARRAY_TASK_ID --scale full ...'
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# A model that needs another one's checkpoint: which model, and the argument that takes it.  They share the budget.
FIRST_STAGES = {"mocogan_hd": ("stylegan_image", "model.generator.image_checkpoint")}


@dataclass(frozen=True)
class Budget:
    """What all models of a study share; results of different budgets are not put into one table.

    Args:
        data: YAML of the data set.
        root: its folder; None where the YAML knows.
        minutes: of training.
        threads: of the CPU, for each model; 0 leaves it to torch.
        scale: "small", 16 frames of 32x32 with narrow networks, or "full", 16 frames of 64x64 as in the papers.
        num_videos: generated clips, and as many real ones, of each measurement.
        repeats: measurements, each with latents of its own.
    """

    data: str
    root: str | None
    minutes: float
    threads: int
    scale: str
    num_videos: int
    repeats: int


def models() -> list[str]:
    """Every experiment that has a small variant and makes videos."""
    stages = {stage for stage, _ in FIRST_STAGES.values()}
    return sorted(path.stem for path in (ROOT / "conf" / "small").glob("*.yaml") if path.stem not in stages)


def arguments_for(model: str, budget: Budget, minutes: float, output: Path) -> list[str]:
    """The command line of train.py that trains one model within the budget."""
    seconds = round(minutes * 60)
    layers = ["--config", f"conf/{model}.yaml"]
    if budget.scale == "small":
        layers += ["--config", f"conf/small/{model}.yaml"]
    return [
        *layers,
        *(["--data", budget.data] if budget.data else []),
        *(["--data.root", budget.root] if budget.root else []),
        *("--trainer.max_time", f"00:{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"),
        *("--trainer.logger", "false", "--metrics.every_n_steps", "null", "--samples.every_n_steps", "1000000"),
        *("--checkpoints.every_n_steps", "1000000", "--curves.every_n_steps", "1000000"),
        *("--runs_folder", str(output / model), "--run_name", "run"),
    ]  # fmt: skip


def train_one(model: str, budget: Budget, output: Path) -> dict[str, Any]:
    """Train and measure one model; write its result.json last, so that it stands for a finished model."""
    from benchmarks.study_measurement import fit, measure

    minutes, more = budget.minutes, []
    if model in FIRST_STAGES:
        stage, argument = FIRST_STAGES[model]
        minutes /= 2
        first, _ = fit(arguments_for(stage, budget, minutes, output))
        more = [f"--{argument}", str(first.run_folder / "checkpoints" / "last.ckpt")]
    experiment, trained = fit([*arguments_for(model, budget, minutes, output), *more], untrained=budget.num_videos)
    result = {
        "model": model,
        "budget": dataclasses.asdict(budget),
        **trained,
        **measure(experiment, budget.num_videos, budget.repeats, output, output / model / "samples.png"),
    }
    temporary = output / model / "result.json.part"
    temporary.write_text(json.dumps(result, indent=1))
    temporary.replace(output / model / "result.json")
    return result


def run(names: list[str], budget: Budget, output: Path, jobs: int) -> int:
    """Train the models that have no result yet, `jobs` at a time, each in its own process; how many failed."""
    waiting = [name for name in names if not finished(output / name, budget)]
    print(f"{len(names) - len(waiting)} of {len(names)} models are done; {len(waiting)} to go", flush=True)
    start, failed, done = time.monotonic(), 0, 0
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(in_own_process, name, budget, output): name for name in waiting}
        for future in as_completed(futures):
            done += 1
            name, code = futures[future], future.result()
            failed += code != 0
            left = (time.monotonic() - start) / done * (len(waiting) - done) / 60
            outcome = line_of(output / name) if code == 0 else f"FAILED, see {output / name / 'log.txt'}"
            print(f"[{done}/{len(waiting)}] {name}: {outcome}; about {left:.0f} min left", flush=True)
    return failed


def in_own_process(model: str, budget: Budget, output: Path) -> int:
    """Run `one` for a model, its output into log.txt; the exit code."""
    (output / model).mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if budget.threads:
        environment |= {"OMP_NUM_THREADS": str(budget.threads)}
    command = [sys.executable, "-m", "benchmarks.study", "one", "--models", model, "--output", str(output)]
    for field, value in dataclasses.asdict(budget).items():
        command += [f"--{field}", str(value)] if value is not None else []
    with (output / model / "log.txt").open("w") as log:
        return subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False).returncode


def finished(folder: Path, budget: Budget) -> bool:
    """Whether a model has a result; one of another budget is an error."""
    path = folder / "result.json"
    if not path.exists():
        return False
    made_with = json.loads(path.read_text())["budget"]
    if made_with != dataclasses.asdict(budget):
        raise SystemExit(f"{path} is of another budget, {made_with}; give another --output, or remove it")
    return True


def line_of(folder: Path) -> str:
    """A result in a line."""
    result = json.loads((folder / "result.json").read_text())
    values = ", ".join(f"{key} {sum(m['values']) / len(m['values']):.4g}" for key, m in result["metrics"].items())
    return f"{result['steps']} steps, {values}"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["run", "one", "report"])
    parser.add_argument("--output", type=Path, default=Path("runs/study"), help="folder of results (runs/study)")
    parser.add_argument("--models", nargs="+", choices=models(), metavar="NAME", help="default: all of conf/small")
    parser.add_argument("--index", type=int, help="of the one model that a SLURM array task takes")
    parser.add_argument("--data", default="", help="YAML of the data set; the acting figures if not given")
    parser.add_argument("--root", help="folder of the data set")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each model (10)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU for each model, 0 for all (1)")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time (1)")
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--num_videos", type=int, default=256, help="of each measurement (256)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements with latents of their own (3)")
    parser.add_argument("--document", type=Path, default=Path("docs/results.md"), help="what `report` writes")
    return parser.parse_args()


def main() -> int:
    """Exit code: how many models failed."""
    given = parsed()
    budget = Budget(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Budget)})
    names = given.models or models()
    if given.command == "run":
        return run(names, budget, given.output, given.jobs)
    if given.command == "one":
        name = names[given.index or 0]
        (given.output / name).mkdir(parents=True, exist_ok=True)
        train_one(name, budget, given.output)
        print(f"{name}: {line_of(given.output / name)}")
        return 0
    from benchmarks.study_report import write_report

    print(write_report(given.output, given.document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
