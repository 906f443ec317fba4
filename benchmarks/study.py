"""Train every model of conf/ on one data set with one budget, measure them alike, and write docs/results.md.

    python -m benchmarks.study run --data conf/data/weizmann_actions.yaml --root path/to/weizmann_actions
    python -m benchmarks.study report

A model is conf/NAME.yaml with conf/small/NAME.yaml on top (--scale full leaves the latter away).  Each becomes a folder
of --output with its run, its strip of samples and its result.json; a model that has one is not trained again, so an
interrupted study goes on where it was.  The data must hold videos out, which the copies are told by.

On a cluster each array task takes one of the models that `list` prints, by its index, and `report` joins them:

    sbatch --array=0-$(( $(python -m benchmarks.study list | wc -l) - 1 )) \\
        --wrap 'python -m benchmarks.study one --index $SLURM_ARRAY_TASK_ID --scale full ...'
"""

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.study_plan import FAILURE, ROOT, Budget, finished, models

POLL_SECONDS = 0.2


def run(names: list[str], budget: Budget, output: Path) -> int:
    """Train the models that have no result yet, `budget.jobs` at a time, each in its own process; how many failed.

    Whatever ends this early (Ctrl-C, say) ends the processes too.
    """
    waiting = [name for name in names if not finished(output / name, budget)]
    num_all, start, done, failed = len(waiting), time.monotonic(), 0, 0
    print(f"{len(names) - num_all} of {len(names)} models are done; {num_all} to go", flush=True)
    running: dict[str, subprocess.Popen] = {}
    try:
        while waiting or running:
            while waiting and len(running) < budget.jobs:
                name = waiting.pop(0)
                running[name] = in_own_process(name, budget, output)
            for name in [name for name, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                done += 1
                failed += not finished(output / name, budget)
                left = (time.monotonic() - start) / done * (num_all - done) / 60
                told = outcome(output / name, code)
                print(f"[{done}/{num_all}] {name}: {told}; about {left:.0f} min left", flush=True)
            time.sleep(POLL_SECONDS)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
    return failed


def in_own_process(model: str, budget: Budget, output: Path) -> subprocess.Popen:
    """Start `one` for a model, its output into log.txt."""
    (output / model).mkdir(parents=True, exist_ok=True)
    (output / model / FAILURE).unlink(missing_ok=True)
    environment = dict(os.environ)
    if budget.threads:
        environment |= {"OMP_NUM_THREADS": str(budget.threads)}
    command = [sys.executable, "-m", "benchmarks.study", "one", "--models", model, "--output", str(output)]
    for field, value in dataclasses.asdict(budget).items():
        command += [f"--{field}", str(value)] if value is not None else []
    with (output / model / "log.txt").open("w") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def outcome(folder: Path, code: int) -> str:
    """How a process ended, in a line; one that could not say why it has no result (out of memory) is noted here."""
    if (folder / "result.json").exists():
        return line_of(folder)
    if not (folder / FAILURE).exists():
        note_failure(folder, f"ended with exit code {code}")
    return f"FAILED, {(folder / FAILURE).read_text()}; see {folder / 'log.txt'}"


def one(name: str, budget: Budget, output: Path) -> int:
    """Train one model in this process unless it has a result; the exit code.  Why it failed goes into a file."""
    folder = output / name
    if finished(folder, budget):
        print(f"{name} is done: {line_of(folder)}")
        return 0
    from benchmarks.study_training import train_one
    from experiment.one_line import UserError

    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILURE).unlink(missing_ok=True)
    try:
        train_one(name, budget, output)
    except UserError as mistake:
        note_failure(folder, str(mistake))
        print(f"study: {mistake}", file=sys.stderr)
        return 2
    except Exception as error:
        note_failure(folder, f"{type(error).__name__}: {error}".partition("\n")[0])
        raise
    print(f"{name}: {line_of(folder)}")
    return 0


def note_failure(folder: Path, reason: str) -> None:
    """Into a file; a run that could not be built has taken its empty folders away."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILURE).write_text(reason)


def line_of(folder: Path) -> str:
    """A result in a line."""
    result = json.loads((folder / "result.json").read_text())
    values = ", ".join(f"{key} {sum(m['values']) / len(m['values']):.4g}" for key, m in result["metrics"].items())
    return f"{result['steps']} steps, {values}"


def the_one(index: int | None, names: list[str] | None) -> str:
    """The model that `one` trains.

    Raises: SystemExit, with a line, if the command line does not name one.
    """
    if index is None:
        if names is None or len(names) != 1:
            raise SystemExit("study: `one` takes --models NAME, or --index NUMBER as `list` prints it")
        return names[0]
    names = names or models()
    if not 0 <= index < len(names):
        raise SystemExit(f"study: --index is {index}; of {len(names)} models it is 0 to {len(names) - 1}")
    return names[index]


def positive(text: str) -> int:
    """A number that is at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["list", "run", "one", "report"])
    parser.add_argument("--output", type=Path, default=Path("runs/study"), help="folder of results (runs/study)")
    parser.add_argument("--models", nargs="+", choices=models(), metavar="NAME", help="default: all that `list` prints")
    parser.add_argument("--index", type=int, help="of the one model that a SLURM array task takes")
    parser.add_argument("--data", default="", help="YAML of the data set; the acting figures if not given")
    parser.add_argument("--root", help="folder of the data set")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each model (10)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU for each model, 0 for all (1)")
    parser.add_argument("--jobs", type=positive, default=1, help="models at a time (1)")
    parser.add_argument("--precision", default="32-true", help="of training, as the trainer takes it (32-true)")
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--num_videos", type=positive, default=256, help="of each measurement (256)")
    parser.add_argument("--repeats", type=positive, default=3, help="measurements with latents of their own (3)")
    parser.add_argument("--document", type=Path, default=Path("docs/results.md"), help="what `report` writes")
    parser.add_argument("--mixed", action="store_true", help="let `report` join results of different commits")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Exit code: 0, or how many models failed; 2 for a mistake that the user can put right."""
    given = parsed(arguments)
    names = given.models or models()
    if given.command == "list":
        print("\n".join(f"{index} {name}" for index, name in enumerate(names)))
        return 0
    if given.command == "report":
        from benchmarks.study_report import write_report

        print(write_report(given.output, given.document, names, given.mixed))
        return 0
    budget = Budget(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Budget)})
    if given.command == "one":
        return one(the_one(given.index, given.models), budget, given.output)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that the processes end with this one
    try:
        return run(names, budget, given.output)
    except KeyboardInterrupt:
        print("study: interrupted; the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
