"""Configs that are changed at random do nothing but what a config may do, and are refused in one line."""

from pathlib import Path
from random import Random

import pytest

from tests.reliability.mutants import NAME, SETTINGS, Attempt, ConfigWatch, prove_mutated
from tests.reliability.mutated_configs import KINDS, mutant
from tests.reliability.record import Record
from tests.resuming import make_videos


def problems(folder: Path, times: int, seed: int) -> list[str]:
    """What is wrong with so many trials."""
    record = Record(folder / "results.jsonl")
    prove_mutated(record, folder, make_videos(folder / "videos"), times, seed)
    trials = record.trials(NAME)
    assert len(trials) == times
    assert any(not trial["said"] for trial in trials), "no config was taken"
    assert sum(trial["said"].startswith("train.py: ") for trial in trials) > times // 3
    return [f"{trial['trial']}, {trial['kind']}: {trial['problem']}" for trial in trials if not trial["ok"]]


def test_two_hundred_mutants(tmp_path: Path) -> None:
    assert problems(tmp_path, 200, seed=1) == []


@pytest.mark.slow
def test_two_thousand_mutants(tmp_path: Path) -> None:
    assert problems(tmp_path, 2000, seed=0) == []


def test_a_mutant_is_a_function_of_its_seed(tmp_path: Path) -> None:
    for number, kind in enumerate(KINDS):
        twice = []
        for _ in range(2):
            arguments = mutant(Random(number), kind, tmp_path, list(SETTINGS))
            changed = tmp_path / "mutated.yaml"
            twice.append((arguments, changed.read_bytes() if changed.exists() else b""))
        assert twice[0] == twice[1]


def test_what_a_trial_does_is_seen(tmp_path: Path) -> None:
    watch = ConfigWatch(tmp_path / "own")
    (tmp_path / "own" / "runs").mkdir(parents=True)
    assert watch.trial(lambda: __import__("antigravity_of_nobody"))[0] == "import of antigravity_of_nobody"
    outside = tmp_path / "outside"
    assert watch.trial(lambda: outside.write_text("x"))[0] == f"open of {outside}"
    assert watch.trial(lambda: outside.rename(tmp_path / "moved"))[0] == f"os.rename of {tmp_path / 'moved'}"
    assert watch.trial(lambda: (tmp_path / "own" / "file").write_text("x"))[0] == ""


@pytest.mark.parametrize(
    ("ends", "problem"),
    [
        (lambda _: 0, ""),
        (lambda _: 1, "it ended with 1"),
        (lambda _: 2, "it did not say one line, but 0 of 0 characters"),
        (lambda _: {}["key"], "it ended with a traceback, KeyError: 'key'"),
    ],
)
def test_how_a_trial_ends_is_judged(ends: object, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reliability.mutants.train", ends)
    attempt = Attempt([])
    attempt()
    assert attempt.problem == problem
