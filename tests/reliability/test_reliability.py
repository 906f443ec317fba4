"""The proof that runs survive, in short; and that it can fail."""

import json
import os
import signal
import subprocess
import time
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from random import Random

import pytest
import torch

from tensor_files.committed import commit, committed, delete
from tensor_files.loading import load_checkpoint
from tests.killing import POINTS as PLACES
from tests.reliability.__main__ import main
from tests.reliability.courses import Proof, finish, prove
from tests.reliability.damaged_checkpoints import KINDS, damage_once
from tests.reliability.disturbing import POINTS, kills
from tests.reliability.hostile_files import SECRET, Touch, Watch, would_run
from tests.reliability.record import Record
from tests.reliability.report import counted, upper_bound
from tests.reliability.starts import NOTHING, Disturbance, end_group, members, start
from tests.resuming import differences


def saved_run(folder: Path, value: float, step: int = 6) -> Path:
    """The least that is compared of a run."""
    content = {
        "state_dict": {}, "optimizer_states": [], "lr_schedulers": [], "loops": {},
        "global_step": step, "noted_terms": {}, "data_fingerprint": "", "callbacks": {"Checkpoints": {}, "Curves": {}},
    }  # fmt: skip
    for number in (2, 4, step):
        content["state_dict"] = {"weight": torch.full((3,), value + number)}
        commit(folder / "checkpoints" / f"step-{number:08d}.ckpt", partial(torch.save, content))
    (folder / "metrics.csv").write_text(f"step,loss,speed/clips_per_second\n{step},{value},{time.monotonic()}\n")
    return folder


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        ("weight", "state_dict"),
        ("row", "logged rows"),
        ("card", "metric cards"),
        ("bit", "step-00000006.ckpt is damaged: its SHA-256 is not that of step-00000006.sha256"),
        ("left", "checkpoints/.step-00000008.ckpt.1.part"),
        ("missing", "checkpoints/step-00000002.ckpt, checkpoints/step-00000002.sha256"),
        ("nothing", ""),
    ],
)
def test_a_course_that_was_tampered_with_is_not_exact(tmp_path: Path, tampered: str, said: str) -> None:
    record, whole = Record(tmp_path / "results.jsonl"), saved_run(tmp_path / "whole", 1.0)
    run = saved_run(tmp_path / "course-0000", 1.0 + 1e-6 if tampered == "weight" else 1.0)
    checkpoint = committed(run / "checkpoints")[-1]
    if tampered in ("weight", "row"):
        (run / "metrics.csv").write_text(f"step,loss\n6,{'1.0' if tampered == 'weight' else '1.5'}\n")
    elif tampered == "card":
        (run / "metrics").mkdir()
        (run / "metrics" / "fvd.jsonl").write_text("{}\n")
    elif tampered == "bit":
        KINDS["one bit"](checkpoint, Random(0))
    elif tampered == "left":
        (run / "checkpoints" / ".step-00000008.ckpt.1.part").touch()
    elif tampered == "missing":
        for path in (run / "checkpoints").glob("step-00000002.*"):
            path.unlink()
    record.add(proof="kills, 1 process", course=0, start=0, hit=True, is_preparation=False, what="SIGKILL",
               kind="while training", lost=1)  # fmt: skip
    finish("kills, 1 process", record, run, whole, 0, "")
    verdict = Record(record.path).verdicts("kills, 1 process")[0]
    assert verdict["exact"] == (tampered == "nothing")
    assert said in verdict["problem"]
    report = tmp_path / "report.md"
    code = main(["--only", "--output", str(tmp_path), "--report", str(report)])
    assert code == (0 if tampered == "nothing" else 1)
    good = "1 | 1 | 1 steps" if tampered == "nothing" else "1 | 0 | 1 steps"
    assert f"| kills, 1 process | SIGKILL to all processes at random times | {good} |" in report.read_text()
    assert said in report.read_text()


def test_what_a_stop_saved_besides_is_as_it_should_be(tmp_path: Path) -> None:
    whole, run = saved_run(tmp_path / "whole", 1.0), saved_run(tmp_path / "run", 1.0)
    delete(run / "checkpoints" / "step-00000002.ckpt")
    commit(run / "checkpoints" / "step-00000005.ckpt", partial(torch.save, {}))
    assert differences(run, whole, [5]) == []
    assert differences(run, whole, [1, 5]) == []
    others = [f"checkpoints/step-0000000{step}.{suffix}" for step in (2, 5) for suffix in ("ckpt", "sha256")]
    assert differences(run, whole) == others
    assert differences(run, whole, [1]) == others


def test_a_course_is_finished_whose_last_kill_came_before_the_run_had_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(proof: Proof, record: Record, *_: object) -> None:
        start = len(record.lines)
        record.add(proof=proof.name, course=0, start=start, hit=start == 0, is_preparation=False, what="SIGKILL",
                   kind="while starting", lost=0)  # fmt: skip
        if start == 1:
            record.add(proof=proof.name, course=0, exact=True, problem="")

    monkeypatch.setattr("tests.reliability.courses.undisturbed", lambda *_: (tmp_path, (1.0, 1.0)))
    monkeypatch.setattr("tests.reliability.courses.go_on", go_on)
    record, proof = Record(tmp_path / "results.jsonl"), kills("kills, 1 process", 1, ())
    prove(proof, record, tmp_path / "kills", tmp_path, 0)
    assert counted(record, "kills, 1 process")[1] == 1


def test_a_run_that_is_not_there_is_not_exact(tmp_path: Path) -> None:
    record, whole = Record(tmp_path / "results.jsonl"), saved_run(tmp_path / "whole", 1.0)
    (tmp_path / "course-0000" / "checkpoints").mkdir(parents=True)
    finish("signals", record, tmp_path / "course-0000", whole, 0, "")
    assert record.verdicts("signals")[0]["exact"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_damage(tmp_path: Path, kind: str) -> None:
    source = saved_run(tmp_path / "whole", 1.0) / "checkpoints"
    contents = {path.name: load_checkpoint(path) for path in committed(source)}
    before = {path: path.read_bytes() for path in source.iterdir()}
    for seed in range(3):
        assert damage_once(source, tmp_path / "run", contents, kind, Random(seed)) == ""
        after = {path: path.read_bytes() for path in (tmp_path / "run" / "checkpoints").iterdir() if path.is_file()}
        assert {path.name: content for path, content in before.items()} != {
            path.name: content for path, content in after.items()
        }


def test_a_damaged_checkpoint_that_is_used_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved_run(tmp_path / "whole", 1.0) / "checkpoints"
    contents = {path.name: load_checkpoint(path) for path in committed(source)}
    monkeypatch.setattr("tensor_files.committed.damage", lambda path: "")
    assert damage_once(source, tmp_path / "run", contents, "one bit", Random(0)).endswith("would be used")


def test_every_named_point_is_in_the_program() -> None:
    assert set(POINTS) <= set(PLACES)
    for module, path, _, _ in PLACES.values():
        assert callable(attrgetter(path)(import_module(module))), path


def test_what_hostile_files_do_is_seen(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "runs").mkdir()
    torch.save(Touch(watch.marker), tmp_path / "evil.pt")
    assert would_run(tmp_path / "evil.pt", watch)
    assert "os.system" in watch.trial(lambda: os.system("true"))[0]
    assert watch.trial(lambda: print(SECRET))[0] == "the secret was told"
    assert watch.trial(lambda: (tmp_path / "runs" / "log").write_text(SECRET))[0] == "the secret was told"
    (tmp_path / "runs" / "log").unlink()
    assert watch.trial(lambda: print("nothing"))[0] == ""


def test_an_interrupted_record_goes_on(tmp_path: Path) -> None:
    record = Record(tmp_path / "results.jsonl")
    record.add(proof="signals", course=0, start=0, hit=True, is_preparation=False)
    record.add(proof="signals", course=0, start=1, hit=False, is_preparation=False)
    record.add(proof="signals", course=0, start=2, hit=True, is_preparation=True)
    with record.path.open("a") as file:
        file.write('{"proof": "sig')
    again = Record(record.path)
    assert (again.lines, len(again.hits("signals"))) == (record.lines, 1)
    again.add(proof="signals", course=0, exact=None, problem="given up, the program was changed")
    assert [json.loads(line) for line in record.path.read_text().splitlines()] == again.lines
    assert Record(record.path).hits("signals") == []


def test_what_the_counts_mean() -> None:
    assert upper_bound(0, 100) == pytest.approx(0.0295, abs=1e-4)
    assert upper_bound(0, 200) == pytest.approx(0.0149, abs=1e-4)
    assert upper_bound(1, 100) == pytest.approx(0.0466, abs=1e-4)
    assert upper_bound(3, 3) == 1


def test_a_start_that_fails_is_seen_and_leaves_no_process(tmp_path: Path) -> None:
    ended = start(tmp_path / "run", tmp_path / "no videos", [], NOTHING)
    assert (ended.code, ended.was_hit, ended.left) == (2, False, 0)
    assert "exit code 2: train.py: " in ended.last_words
    killed = start(tmp_path / "run", tmp_path, [], Disturbance("SIGKILL", ((0.2, signal.SIGKILL),)))
    assert (killed.code, killed.was_hit) == (-9, True)


def test_processes_that_do_not_end_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reliability.starts.LAST_BREATH", 0.2)
    process = subprocess.Popen(["sh", "-c", "sleep 100 & exit 0"], start_new_session=True)
    process.wait()
    assert len(members(process.pid)) == 1
    assert end_group(process) == 1
    assert members(process.pid) == []


@pytest.mark.slow
def test_a_short_selection(tmp_path: Path) -> None:
    """Everything that needs one process, a few times each; the full counts are those of docs/reliability.md."""
    report = tmp_path / "report.md"
    few = (
        "--kills",
        "3",
        "--signals",
        "2",
        "--damaged",
        "42",
        "--damaged_runs",
        "1",
        "--disks",
        "1",
        "--hostile",
        "40",
    )
    chosen = ("damaged", "hostile", "disks", "kills", "signals", "damaged-runs")
    code = main([*few, "--only", *chosen, "--output", str(tmp_path / "output"), "--report", str(report)])
    text = report.read_text()
    assert code == 0, text
    assert "| kills, 1 process | SIGKILL to all processes at random times | 3 | 3 |" in text
    assert "| damaged checkpoints | refused, and the one before taken | 42 | 42 | |" in text
    assert "| hostile files | nothing of them is run, read or sent | 40 | 40 | |" in text
    assert "## Failures\n\nNone." in text
