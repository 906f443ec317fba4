"""A sweep file as Weights & Biases defines it, and the trials of a grid or random search over it."""

import itertools
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from experiment.one_line import UserError, nearest
from experiment.safe_yaml import read_yaml

DISTRIBUTIONS = ("constant", "categorical", "int_uniform", "uniform", "log_uniform_values")
# What W&B knows in a sweep file, and in a parameter's description.
KEYS = (
    "program", "method", "metric", "parameters", "command", "run_cap", "early_terminate", "name", "description",
    "project", "entity", "controller", "settings", "job", "image_uri",
)  # fmt: skip
KEYS_OF_PARAMETER = ("value", "values", "min", "max", "distribution", "probabilities", "mu", "sigma", "q", "parameters")
ARGUMENTS = "${args}"
PROGRAM = "${program}"

Parameters = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Args:
        method: grid, random or bayes.
        fixed: arguments of train.py that all trials have, with `${args}` where those of the trial stand.
        parameters: argument of train.py to its W&B description: `value`, `values`, or `min` and `max`.
        run_cap: most trials; None sets none.
        early_terminate: whether trials end by how others do.
    """

    method: str
    fixed: tuple[str, ...]
    parameters: Parameters
    run_cap: int | None = None
    early_terminate: bool = False

    def arguments(self, trial: dict[str, Any]) -> list[str]:
        """Those of train.py for one trial, as `wandb agent` would give them."""
        own = [f"--{name}={as_argument(value)}" for name, value in trial.items()]
        return [each for fixed in self.fixed for each in (own if fixed == ARGUMENTS else [fixed])]


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises: UserError, one line that names the file and the key.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read, {getattr(error, 'strerror', 'it is no text')}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is no YAML, {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise UserError(f"{path}: is no sweep file; it needs method, program and parameters")
    if unknown := [key for key in content if key not in KEYS]:
        raise UserError(f"{path}: has {unknown[0]!r}{nearest(str(unknown[0]), KEYS)}")
    if Path(str(content.get("program"))).name != "train.py":
        raise UserError(f"{path}: program is {content.get('program')}; it must be train.py")
    if content.get("method") not in ("grid", "random", "bayes"):
        raise UserError(f"{path}: method is {content.get('method')}; it must be grid, random or bayes")
    run_cap = content.get("run_cap")
    if run_cap is not None and not (isinstance(run_cap, int) and run_cap > 0 and run_cap is not True):
        raise UserError(f"{path}: run_cap is {run_cap}; it must be a whole number above 0")
    for name, described in content["parameters"].items():
        if problem := _problem(described):
            raise UserError(f"{path}: parameters.{name} {problem}")
    fixed = _fixed_arguments(path, content.get("command", [PROGRAM, ARGUMENTS]))
    return Sweep(content["method"], fixed, content["parameters"], run_cap, bool(content.get("early_terminate")))


def _fixed_arguments(path: Path, command: Any) -> tuple[str, ...]:
    if not isinstance(command, list) or command.count(PROGRAM) != 1 or command.count(ARGUMENTS) != 1:
        raise UserError(f"{path}: command must be a list with {PROGRAM} and, after it, {ARGUMENTS} once each")
    fixed = tuple(str(each) for each in command[command.index(PROGRAM) + 1 :])
    if ARGUMENTS not in fixed or any("${" in each for each in fixed if each != ARGUMENTS):
        raise UserError(f"{path}: after {PROGRAM}, command may have {ARGUMENTS} and no other macro")
    return fixed


def _problem(described: Any) -> str:
    """What a parameter's description lacks; empty if nothing."""
    if not isinstance(described, dict):
        return "is no mapping; it takes value, values, or min and max"
    if unknown := [key for key in described if key not in KEYS_OF_PARAMETER]:
        return f"has {unknown[0]!r}{nearest(str(unknown[0]), KEYS_OF_PARAMETER)}"
    if "parameters" in described:
        return "is nested; give its parameters dotted names, as on train.py's command line"
    distribution = distribution_of(described)
    if distribution not in DISTRIBUTIONS:
        return f"has distribution {distribution}; here it may be {', '.join(DISTRIBUTIONS)}"
    needed = {"constant": ("value",), "categorical": ("values",)}.get(distribution, ("min", "max"))
    for key in needed:
        if key not in described:
            return f"needs {key}"
    if distribution == "categorical":
        return _problem_of_values(described)
    if distribution == "constant":
        return ""
    low, high = described["min"], described["max"]
    kinds = (int,) if distribution == "int_uniform" else (int, float)
    if any(isinstance(each, bool) or not isinstance(each, kinds) or not math.isfinite(each) for each in (low, high)):
        kind = "whole numbers" if kinds == (int,) else "numbers"
        return f"has min {low} and max {high}, which are no {kind} (1.0e-4 is one, 1e-4 is text to YAML)"
    if not low < high or (distribution == "log_uniform_values" and low <= 0):
        return f"has min {low} and max {high}; min must be below max" + (", and above 0" if low <= 0 else "")
    return ""


def _problem_of_values(described: dict[str, Any]) -> str:
    values, odds = described["values"], described.get("probabilities")
    if not isinstance(values, list) or not values:
        return "has no values"
    if odds is not None and not _are_probabilities(odds, len(values)):
        return "has probabilities that are not one for each value with a sum of 1"
    return ""


def _are_probabilities(odds: Any, count: int) -> bool:
    if not isinstance(odds, list) or len(odds) != count:
        return False
    return all(isinstance(each, int | float) and each >= 0 for each in odds) and math.isclose(sum(odds), 1)


def distribution_of(described: dict[str, Any]) -> str:
    """The name of how values are drawn; W&B derives it from the other keys if it is not given."""
    if "distribution" in described:
        return str(described["distribution"])
    if "value" in described or "values" in described:
        return "constant" if "value" in described else "categorical"
    whole = isinstance(described.get("min"), int) and isinstance(described.get("max"), int)
    return "int_uniform" if whole else "uniform"


def grid(parameters: Parameters) -> Iterator[dict[str, Any]]:
    """All combinations, the last parameter running fastest.

    Raises: UserError that names a parameter without `value` or `values`.
    """
    choices = []
    for name, described in parameters.items():
        if distribution_of(described) not in ("constant", "categorical"):
            raise UserError(f"parameters.{name}: a grid needs its values; give values, or method: random")
        choices.append(described["values"] if "values" in described else [described["value"]])
    for values in itertools.product(*choices):
        yield dict(zip(parameters, values, strict=True))


def random_trials(parameters: Parameters, seed: int) -> Iterator[dict[str, Any]]:
    """Without end; trial number n is the same however many are taken."""
    for number in itertools.count():
        yield {name: draw(each, random.Random(f"{seed} {number} {name}")) for name, each in parameters.items()}


def draw(described: dict[str, Any], source: random.Random) -> Any:
    """A value of one parameter."""
    distribution = distribution_of(described)
    if distribution == "constant":
        return described["value"]
    if distribution == "categorical":
        return source.choices(described["values"], described.get("probabilities"))[0]
    low, high = described["min"], described["max"]
    if distribution == "int_uniform":
        return source.randint(low, high)
    if distribution == "uniform":
        return source.uniform(low, high)
    return min(max(math.exp(source.uniform(math.log(low), math.log(high))), low), high)


def as_argument(value: Any) -> str:
    """A value in the way in which train.py's parser reads YAML."""
    return value if isinstance(value, str) else json.dumps(value)
