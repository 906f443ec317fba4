import itertools
import math
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiment.one_line import UserError
from slurm.sweep_file import as_argument, draw, grid, random_trials, read_sweep

GRID: dict[str, Any] = {
    "program": "train.py",
    "method": "grid",
    "command": ["${env}", "python", "${program}", "--config", "a.yaml", "${args}"],
    "parameters": {"model.lr": {"values": [0.1, 0.2]}, "betas": {"value": [0.0, 0.9]}, "seed": {"values": [0, 1, 2]}},
}


def write(folder: Path, **changed: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({**GRID, **changed}, sort_keys=False))
    return path


def test_a_trial_is_a_command_line(tmp_path: Path) -> None:
    sweep = read_sweep(write(tmp_path))
    trials = list(grid(sweep.parameters))
    assert [(each["model.lr"], each["seed"]) for each in trials] == [*itertools.product((0.1, 0.2), (0, 1, 2))]
    assert sweep.arguments(trials[4]) == ["--config", "a.yaml", "--model.lr=0.2", "--betas=[0.0, 0.9]", "--seed=1"]


def test_without_a_command_there_are_the_parameters_alone(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(yaml.safe_dump({key: GRID[key] for key in GRID if key != "command"}))
    sweep = read_sweep(path)
    assert sweep.arguments({"seed": 1}) == ["--seed=1"]


def test_values_are_as_the_parser_of_train_reads_them() -> None:
    for value in (1, 1.5e-5, True, None, [0.0, 0.9], {"a": 1}):
        assert yaml.safe_load(as_argument(value)) == value or math.isclose(float(as_argument(value)), value)  # type: ignore[arg-type]
    assert as_argument("losses.hinge.Hinge") == "losses.hinge.Hinge"
    assert as_argument("1e-4") == "1e-4"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"program": "other.py"}, "program is other.py; it must be train.py"),
        ({"method": "hyperband"}, "method is hyperband; it must be grid, random or bayes"),
        ({"run_cap": 0}, "run_cap is 0; it must be a whole number above 0"),
        ({"parameters": None}, "is no sweep file; it needs method, program and parameters"),
        ({"parameters": {"lr": 3}}, "parameters.lr is no mapping; it takes value, values, or min and max"),
        ({"parameters": {"lr": {"values": []}}}, "parameters.lr has no values"),
        ({"parameters": {"lr": {"min": 1}}}, "parameters.lr needs max"),
        ({"parameters": {"lr": {"min": 2, "max": 1}}}, "parameters.lr has min 2 and max 1; min must be below max"),
        ({"parameters": {"lr": {"min": "1e-4", "max": 1}}}, "parameters.lr has min 1e-4 and max 1, which are no numb"),
        (
            {"parameters": {"lr": {"distribution": "log_uniform_values", "min": 0, "max": 1}}},
            "parameters.lr has min 0 and max 1; min must be below max, and above 0",
        ),
        (
            {"parameters": {"lr": {"distribution": "q_beta"}}},
            "parameters.lr has distribution q_beta; here it may",
        ),
        ({"parameters": {"model": {"parameters": {"lr": {"value": 1}}}}}, "parameters.model is nested; give its param"),
        ({"parameters": {"a": {"values": [1, 2], "probabilities": [1]}}}, "parameters.a has probabilities that are n"),
        ({"parameters": {"a": {"values": [1, 2], "probabilities": 1}}}, "parameters.a has probabilities that are not"),
        ({"parameters": {"a": {"values": [1], "probabilities": ["1"]}}}, "parameters.a has probabilities that are n"),
        ({"parameters": {"a": {"values": [1, 2], "probabilities": [2, -1]}}}, "parameters.a has probabilities that"),
        ({"parameters": {"a": {"min": 0.0, "max": math.inf}}}, "parameters.a has min 0.0 and max inf, which are no n"),
        (
            {"parameters": {"a": {"distribution": "int_uniform", "min": 0, "max": 1.5}}},
            "parameters.a has min 0 and max 1.5, which are no whole numbers",
        ),
        ({"run_capp": 3}, "has 'run_capp'; did you mean 'run_cap'?"),
        ({"parameters": {"a": {"vals": [1]}}}, "parameters.a has 'vals'; did you mean 'values'?"),
        ({"run_cap": True}, "run_cap is True; it must be a whole number above 0"),
        ({"command": ["python", "${program}"]}, "command must be a list with ${program} and, after it, ${args}"),
        ({"command": ["${program}", "${args}", "${envvar:X}"]}, "command may have ${args} and no other macro"),
        ({"command": ["${args}", "${program}"]}, "command may have ${args} and no other macro"),
    ],
)
def test_a_file_that_is_not_right_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    path = write(tmp_path, **changed)
    with pytest.raises(UserError) as refused:
        read_sweep(path)
    assert str(refused.value).startswith(f"{path}: ") and said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"a: [", b"a: !!timestamp x", b"- 1", b"", b"\xff\xfe\x00", b"!!python/name:os.system"]
)
def test_what_is_no_sweep_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"^[^\n]+sweep.yaml: [^\n]+$"):
        read_sweep(path)


def test_a_grid_needs_values() -> None:
    with pytest.raises(UserError, match=r"parameters.lr: a grid needs its values; give values, or method: random"):
        list(grid({"lr": {"min": 0.1, "max": 0.2}}))


def test_random_trials_do_not_depend_on_how_many_are_taken() -> None:
    parameters = {"lr": {"min": 0.0, "max": 1.0}, "n": {"min": 1, "max": 9}}
    first, again = (list(itertools.islice(random_trials(parameters, 3), count)) for count in (5, 9))
    assert first == again[:5]
    assert len({each["lr"] for each in again}) == 9
    assert first != list(itertools.islice(random_trials(parameters, 4), 5))


@pytest.mark.parametrize(
    ("described", "mean", "least", "most"),
    [
        ({"min": 1, "max": 5}, 3.0, 1, 5),
        ({"min": 0.0, "max": 4.0}, 2.0, 0.0, 4.0),
        ({"distribution": "uniform", "min": 0, "max": 4}, 2.0, 0, 4),
        ({"distribution": "log_uniform_values", "min": 1.0, "max": math.e}, math.e - 1, 1.0, math.e),
        ({"values": [0, 10], "probabilities": [0.9, 0.1]}, 1.0, 0, 10),
        ({"values": [0, 10]}, 5.0, 0, 10),
        ({"value": 7}, 7.0, 7, 7),
    ],
)
def test_draws_have_the_distribution(described: dict[str, Any], mean: float, least: float, most: float) -> None:
    source = random.Random(0)
    drawn = [draw(described, source) for _ in range(20_000)]
    assert least <= min(drawn) and max(drawn) <= most
    deviation = (sum((each - mean) ** 2 for each in drawn) / len(drawn)) ** 0.5
    assert abs(sum(drawn) / len(drawn) - mean) <= 4 * deviation / len(drawn) ** 0.5
