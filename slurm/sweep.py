"""Submit the trials of a sweep file to SLURM as one array, without any server.

python -m slurm.sweep conf/sweeps/grid.yaml --dry_run
"""

import argparse
import itertools
import os
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from typing_extensions import override

from experiment.one_line import UserError
from experiment.secrets import refuse_secrets
from slurm.sweep_file import Sweep, grid, random_trials, read_sweep

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "slurm" / "array.sh"
LISTS = ROOT / "runs" / "sweeps"


class Parser(argparse.ArgumentParser):
    """Tells of a mistake as the rest of the program does."""

    @override
    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def main(arguments: list[str]) -> int:
    """Exit code: 0 when submitted, 2 for a mistake that the user can put right."""
    try:
        options = parse(arguments)
        lines = [shlex.join(each) for each in trials(options)]
        if options.dry_run:
            for line in lines:
                print(f"train.py {line}")
            return 0
        print(submit(options, lines))
    except UserError as mistake:
        print(f"sweep.py: {mistake}", file=sys.stderr)
        return 2
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Options, and as `sbatch` what is for SLURM.

    Raises: UserError.
    """
    parser = Parser(
        prog="sweep.py",
        description="Submit the grid or random trials of a W&B sweep file as one SLURM array.",
        epilog="What follows -- is for sbatch, such as -- --partition=gpu --time=8:00:00",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, help="as for wandb sweep")
    parser.add_argument("--num_trials", type=int, help="the first so many (default: run_cap of the file)")
    parser.add_argument("--seed", type=int, default=0, help="of random trials (default: 0)")
    parser.add_argument("--at_once", type=int, help="how many may run at the same time (default: as SLURM decides)")
    parser.add_argument("--script", type=Path, default=SCRIPT, help="the batch script (default: slurm/array.sh)")
    parser.add_argument("--dry_run", action="store_true", help="print the commands, submit nothing")
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options, unknown = parser.parse_known_args(arguments[:split])
    if unknown:
        raise UserError(f"{unknown[0]} is not an option; what is for sbatch follows --")
    for name in ("num_trials", "at_once"):
        number = getattr(options, name)
        if number is not None and number < 1:
            raise UserError(f"--{name} is {number}; it must be at least 1")
    options.sbatch = arguments[split + 1 :]
    return options


def trials(options: argparse.Namespace) -> list[list[str]]:
    """The arguments of train.py for each trial.

    Raises: UserError.
    """
    sweep = read_sweep(options.file)
    try:
        chosen = [sweep.arguments(trial) for trial in choose(sweep, options.num_trials, options.seed)]
        for each in chosen:
            refuse_secrets(each)
        refuse_line_breaks(chosen)
        check_trials(chosen)
    except UserError as error:
        raise UserError(f"{options.file}: {error}") from error
    return chosen


def refuse_line_breaks(chosen: list[list[str]]) -> None:
    """A trial is one line of the list that the array's tasks read.

    Raises: UserError.
    """
    if broken := [each for each in itertools.chain(*chosen) if len(each.splitlines()) > 1]:
        raise UserError(f"{broken[0]!r} has a line break in it; a trial is one line of the array's list")


def check_trials(chosen: list[list[str]]) -> None:
    """Have train.py's parser look at each argument once, in the first trial that has it.

    Raises: UserError.
    """
    from experiment.command_line import check_arguments  # takes seconds, which --help need not

    known: set[str] = set()
    here = Path.cwd()
    os.chdir(ROOT)  # where the array's tasks are started
    try:
        for each in chosen:
            if not known.issuperset(each):
                check_arguments(each)
                known.update(each)
    finally:
        os.chdir(here)


def choose(sweep: Sweep, num_trials: int | None, seed: int) -> list[dict[str, Any]]:
    """The trials of a sweep, as many as are wanted.

    Raises: UserError where they depend on results, or have no end.
    """
    num_trials = num_trials or sweep.run_cap
    if sweep.method == "bayes":
        raise UserError("bayes chooses by results, which takes W&B's server: wandb sweep, then slurm/agents.sh")
    if sweep.early_terminate:
        raise UserError("early_terminate goes by results, which takes W&B's server: wandb sweep, or leave it out")
    if sweep.method == "grid":
        return list(itertools.islice(grid(sweep.parameters), num_trials))
    if num_trials is None:
        raise UserError("random trials have no end; give --num_trials, or run_cap in the file")
    return list(itertools.islice(random_trials(sweep.parameters, seed), num_trials))


def submit(options: argparse.Namespace, lines: list[str]) -> str:
    """Write the list that the array's tasks read, and hand it to sbatch; what sbatch says.

    A list has a name of its own: a task that waits, or comes back, reads it again.
    Raises: UserError.
    """
    tasks = f"0-{len(lines) - 1}" + (f"%{options.at_once}" if options.at_once else "")
    path = LISTS / f"{options.file.stem}-{datetime.now():%Y-%m-%d_%H-%M-%S-%f}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        script = str(options.script.absolute())
        command = ["sbatch", f"--array={tasks}", *options.sbatch, script, str(path)]
        submitted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        path.unlink(missing_ok=True)
        raise UserError("there is no sbatch here; log in to the cluster, or add --dry_run") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be written, {error.strerror}") from error
    if submitted.returncode != 0:
        path.unlink()
        raise UserError(" ".join(submitted.stderr.split()))
    return f"{submitted.stdout.strip()}: {len(lines)} trials, listed in {path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
