"""Courses: one run that is disturbed and started again until it has finished, then compared with an undisturbed one."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from callbacks.stop_signals import EXIT_CODES
from tensor_files.committed import committed, damage, step_of
from tests.reliability.record import Line, Record, program_version
from tests.reliability.starts import NOTHING, TRAINS, Disturbance, Ended, start
from tests.resuming import differences, last_logged_step

STEPS = 20
CHECKPOINT_EVERY = 3
MOST_OF_A_COURSE = 5  # disturbances; then it is let finish, so that there are many comparisons on a slow machine, too
SIGNALS = tuple(each.name for each in EXIT_CODES)  # after which a run saves, too
Usual = tuple[float, float]


@dataclass(frozen=True)
class Situation:
    """What a disturbance is chosen by.

    Args:
        random: of this start alone.
        starting: seconds until an undisturbed run trains.
        training: seconds from then to its end.
        hits: what has happened so far.
        has_checkpoint: whether the course has one.
    """

    random: Random
    starting: float
    training: float
    hits: list[Line]
    has_checkpoint: bool


@dataclass(frozen=True)
class Proof:
    """A kind of disturbance, so many times.

    Args:
        name: in the record and in the report.
        count: disturbances that have to find their start alive.
        settings: of the run.
        choose: the next disturbance.
        judge: what was wrong with how a disturbed start ended, in a line; empty if nothing.
        spoil: what else is done to the run's folder then; says what.
    """

    name: str
    count: int
    settings: Sequence[str]
    choose: Callable[[Situation], Disturbance]
    judge: Callable[[Ended, Disturbance, Path], str]
    spoil: Callable[[Path, Situation], str] | None = None


def prove(proof: Proof, record: Record, folder: Path, videos: Path, seed: int) -> None:
    """Disturb courses until there are so many disturbances and every course is compared."""
    folder.mkdir(parents=True, exist_ok=True)
    whole, usual = undisturbed(proof, record, folder, videos)
    began, already = time.monotonic(), len(record.hits(proof.name))
    while True:
        hits, course = record.hits(proof.name), len(record.verdicts(proof.name))
        if len(hits) >= proof.count and all(line["course"] < course for line in hits):
            return
        run = folder / f"course-{course:04d}"
        go_on(proof, record, run, whole, videos, usual, seed)
        done = len(record.hits(proof.name))
        if done > len(hits):
            tell(proof, record, time.monotonic() - began, already)


def go_on(proof: Proof, record: Record, run: Path, whole: Path, videos: Path, usual: Usual, seed: int) -> None:
    """Start a course once, or once more."""
    hits = record.hits(proof.name)
    course = len(record.verdicts(proof.name))
    number = sum("start" in line for line in record.of(proof.name))
    random = Random(f"{seed} {proof.name} {number}")
    situation = Situation(random, *usual, hits, bool(committed(run / "checkpoints")))
    is_over = len(hits) >= proof.count or newest_saved_step(run) == STEPS  # there is nothing left to disturb
    is_over = is_over or sum(line["course"] == course for line in hits) >= MOST_OF_A_COURSE
    disturbance = NOTHING if is_over else proof.choose(situation)
    workers = str(random.choice((0, 0, 1, 2)))
    ended = start(run, videos, proof.settings, disturbance, ("--data.num_workers", workers))
    kind, what = where(ended, run), disturbance.name
    problem = proof.judge(ended, disturbance, run) if ended.was_hit else ""
    if ended.was_hit and not problem and proof.spoil is not None:
        what = proof.spoil(run, situation)
    saved, logged = newest_saved_step(run), last_logged_step(run)
    record.add(
        proof=proof.name, course=course, start=number, seed=seed, what=what, hit=ended.was_hit,
        is_preparation=disturbance.is_preparation, kind=kind, code=ended.code, lost=max(logged - saved, 0),
        saved=saved, workers=workers, seconds=round(ended.seconds, 2), problem=problem,
    )  # fmt: skip
    if ended.left:
        problem = problem or f"{ended.left} of its processes did not end"
    if not problem and not ended.was_hit and ended.code != 0:
        problem = f"a start that nothing happened to failed, {ended.last_words}"
    if problem or ended.code == 0:
        finish(proof.name, record, run, whole, course, problem)


def finish(name: str, record: Record, run: Path, whole: Path, course: int, problem: str) -> None:
    """Compare a course; keep its folder if it is not as it should be."""
    try:
        lines = [line for line in record.of(name) if line["course"] == course]
        stops = {line["saved"] for line in lines if str(line.get("what")).startswith(SIGNALS)}
        unlike = differences(run, whole, stops)
    except (OSError, ValueError, KeyError, IndexError, AssertionError) as error:
        unlike = [f"{type(error).__name__}: {error}"]
    if problem or unlike:
        problem = problem or f"not as undisturbed: {', '.join(unlike)}"
        print(f"FAILED, kept in {run.with_name(f'failed-{run.name}')}: {problem}", flush=True)
        run.rename(run.with_name(f"failed-{run.name}"))
    else:
        shutil.rmtree(run)
    record.add(proof=name, course=course, exact=not problem, problem=problem)


def undisturbed(proof: Proof, record: Record, folder: Path, videos: Path) -> tuple[Path, Usual]:
    """The run that nothing happens to, and the seconds that it takes to start and to train.

    Proofs of the same settings share it; it is made again for another version of the program.

    Raises: RuntimeError if it fails.
    """
    made_of = {"version": program_version(), "settings": list(proof.settings)}
    give_up_unless(made_of, proof.name, record, folder)
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    whole, note = folder.with_name(f"whole-{digest}"), folder.with_name(f"whole-{digest}.json")
    if note.exists():
        return whole, json.loads(note.read_text())
    shutil.rmtree(whole, ignore_errors=True)
    print(f"{proof.name}: the run that nothing happens to", flush=True)
    ended = start(whole, videos, proof.settings)
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run failed, {ended.last_words}")
    usual = ended.trains_after, ended.seconds - ended.trains_after
    note.write_text(json.dumps(usual))
    return whole, usual


def give_up_unless(made_of: dict[str, Any], name: str, record: Record, folder: Path) -> None:
    """Give up an unfinished course of another version of the program, which cannot be compared."""
    note, course = folder / "made_of.json", len(record.verdicts(name))
    unfinished = folder / f"course-{course:04d}"
    if unfinished.exists() and (not note.exists() or json.loads(note.read_text()) != made_of):
        shutil.rmtree(unfinished)
        record.add(proof=name, course=course, exact=None, problem="given up, the program was changed")
    note.write_text(json.dumps(made_of))


def newest_saved_step(run: Path) -> int:
    """Where the next start goes on; 0 from the beginning."""
    return max((step_of(path) for path in committed(run / "checkpoints") if not damage(path)), default=0)


def damaged(run: Path) -> str:
    """The first checkpoint that counts and is not as it was written, in words."""
    return next((f"{path.name} {damage(path)}" for path in committed(run / "checkpoints") if damage(path)), "")


def where(ended: Ended, run: Path) -> str:
    """What a start was doing when it ended, as far as its folder tells."""
    if not ended.was_hit:
        return "came too late" if ended.code == 0 else "failed by itself"
    folder = run / "checkpoints"
    payloads = set(folder.glob("step-*.ckpt")) if folder.is_dir() else set()
    if (folder.is_dir() and list(folder.glob(".*.part"))) or payloads - set(committed(folder)):
        return "while a checkpoint was written"
    if TRAINS not in ended.output:
        return "while starting"
    return "after the last step" if newest_saved_step(run) == STEPS else "while training"


def tell(proof: Proof, record: Record, seconds: float, already: int) -> None:
    """A line on how far the proof is."""
    hits = record.hits(proof.name)
    ends = [verdict["exact"] for verdict in record.verdicts(proof.name).values() if verdict["exact"] is not None]
    left = seconds / (len(hits) - already) * (proof.count - len(hits)) / 60
    newest = hits[-1]
    print(
        f"{proof.name}: {len(hits)} of {proof.count}, {newest['what']} {newest['kind']}, {newest['lost']} steps lost; "
        f"{sum(ends)} of {len(ends)} courses exact; about {left:.0f} min left",
        flush=True,
    )
