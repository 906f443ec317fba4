"""docs/reliability.md, from what a proof has recorded and nothing else."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.reliability.courses import CHECKPOINT_EVERY, STEPS
from tests.reliability.record import Line, Record

# Those that are courses, and those whose trials are judged by themselves; what is to be true of each.
COURSES = {
    "kills, 1 process": "SIGKILL to all processes at random times",
    "kills, 2 processes": "the same with two processes (gloo)",
    "named points": "SIGKILL at a named point of the program",
    "signals": "SIGTERM, SIGUSR1, SIGINT, once and twice",
    "full disks": "full and read-only disks, quotas",
    "damaged runs": "started again with a damaged checkpoint",
}
TRIALS = {
    "damaged checkpoints": "refused, and the one before taken",
    "hostile files": "nothing of them is run, read or sent",
    "mutated configs": "taken without a side effect, or refused in one line",
    "SLURM preemptions": "preempted and requeued by a real cluster",
}

HOW = f"""\
A course is a run of {STEPS} steps that saves every {CHECKPOINT_EVERY} of them, measures, and draws, with random
numbers of data workers.  It is disturbed, started again by the same command, disturbed again, until it has finished.
Then it is compared with a run that nothing happened to: parameters, buffers, moving average, both optimizers, step,
schedules, what was logged, every metric card, and which checkpoints are there.  Bit for bit; one difference makes all
disturbances of its course count as not exact.  Times of kills are uniform from the start of the program to its usual
end, so they hit imports, loading, both players' updates, measuring, writing and the time after.  On a disk that takes
no more, the run goes on and says so, and stops when a fourth checkpoint in a row has failed, so more steps are lost.

    python -m tests.reliability --kills 100 --seed 0

does it again, and goes on where it was interrupted; `--only` chooses proofs.  It took about two hours on one core.
"""


def write_report(record: Record, path: Path) -> None:
    """Write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(report(record)), encoding="utf-8")


def report(record: Record) -> Iterable[str]:
    """Its lines."""
    yield from ("# Reliability", "", "Written by `python -m tests.reliability` from what it has recorded.", "")
    yield from table(record)
    yield from ("", *meaning(record), "", "## How", "", HOW)
    yield from by_kind(record)
    yield from failures(record)
    yield from ("## Where and when", "")
    yield from sessions(record.lines)


def table(record: Record) -> list[str]:
    """One row a proof."""
    lines = [
        "| proof | what happens | times | exact, or as it should be | worst lost work |",
        "|---|---|---|---|---|",
    ]
    for name, what in COURSES.items():
        hits, good = counted(record, name)
        lost = f"{max(line['lost'] for line in hits)} steps" if hits else ""
        lines.append(f"| {name} | {what} | {len(hits) or 'not run'} | {good if hits else ''} | {lost} |")
    for name, what in TRIALS.items():
        trials = record.trials(name)
        good = sum(line["ok"] for line in trials)
        lines.append(f"| {name} | {what} | {len(trials) or 'not run'} | {good if trials else ''} | |")
    return lines


def counted(record: Record, name: str) -> tuple[list[Line], int]:
    """The disturbances whose courses have ended, and how many of them ended exactly."""
    verdicts = record.verdicts(name)
    hits = [line for line in record.hits(name) if line["course"] in verdicts]
    return hits, sum(bool(verdicts[line["course"]]["exact"]) for line in hits)


def meaning(record: Record) -> list[str]:
    """What the counts allow to say."""
    lines = ["## What it means", ""]
    for name in ("kills, 1 process", "kills, 2 processes"):
        hits, good = counted(record, name)
        if hits:
            courses = len({line["course"] for line in hits})
            said = bound(len(hits) - good, len(hits))
            lines.append(f"- {name}: {good} of {len(hits)} exact, in {courses} courses; {said}")
    both = [counted(record, name) for name in ("kills, 1 process", "kills, 2 processes")]
    if all(hits for hits, _ in both):
        total, good = sum(len(hits) for hits, _ in both), sum(good for _, good in both)
        lines.append(f"- together: {good} of {total} exact; {bound(total - good, total)}")
    lines += [
        "",
        "The bound is Clopper and Pearson's (1934), one-sided: were the chance of failure larger, fewer failures than "
        "these would be seen less than once in twenty proofs.  Without any failure it is about 3 / n, the rule of "
        "three.  It holds for kills like these: of a small run, on such a machine; kills of one course share its end.  "
        "It says nothing of a loss of power, of network file systems, or of GPUs.",
    ]
    return lines


def bound(failures: int, times: int) -> str:
    """Upper end of Clopper and Pearson's one-sided 95 % interval, in words."""
    return f"with 95 % confidence fewer than {100 * upper_bound(failures, times):.1f} % fail"


def upper_bound(failures: int, times: int, confidence: float = 0.95) -> float:
    """The chance of failure with which so few failures would be as rare as 1 - confidence."""
    if failures >= times:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(confidence, failures + 1, times - failures))


def by_kind(record: Record) -> list[str]:
    """What it was, and what the program was doing."""
    lines = ["## Faults by kind", "", "| proof | kind | times | as it should be |", "|---|---|---|---|"]
    for name in COURSES:
        hits, _ = counted(record, name)
        verdicts = record.verdicts(name)
        lines += rows(name, [(kind_of(name, line), bool(verdicts[line["course"]]["exact"])) for line in hits])
    for name in TRIALS:
        lines += rows(name, [(line["kind"], line["ok"]) for line in record.trials(name)])
    return [*lines, ""]


def kind_of(name: str, line: Line) -> str:
    """Where a kill came; for all else, what it was."""
    if name.startswith("kills"):
        return str(line["kind"])
    return f"{line['what']}, {line['kind']}" if name in ("signals", "full disks") else str(line["what"])


def rows(name: str, found: Sequence[tuple[str, bool]]) -> list[str]:
    """A row for each kind."""
    times, good = Counter(kind for kind, _ in found), Counter(kind for kind, is_good in found if is_good)
    return [f"| {name} | {kind} | {times[kind]} | {good[kind]} |" for kind in sorted(times)]


def failures(record: Record) -> list[str]:
    """Every one."""
    lines = ["## Failures", ""]
    for name in COURSES:
        for course, verdict in record.verdicts(name).items():
            if verdict["exact"] is False:
                hits = [line for line in record.hits(name) if line["course"] == course]
                what = ", ".join(f"{line['what']} {line['kind']}" for line in hits)
                lines.append(f"- {name}, course {course} ({what}): {verdict['problem']}")
    for name in TRIALS:
        bad = [line for line in record.trials(name) if not line["ok"]]
        lines += [f"- {name}, trial {line['trial']} ({line['kind']}): {line['problem']}" for line in bad]
    return [*lines, *([] if len(lines) > 2 else ["None."]), ""]


def sessions(lines: Sequence[Line]) -> list[str]:
    """The machines, versions, seeds and times of the proof; the same with another time once."""
    times: dict[str, list[str]] = {}
    for line in lines:
        if session := line.get("session"):
            what = "commit {commit}, seed {seed}; {machine}; {packages}".format_map(session)
            times.setdefault(what, []).append(session["at"])
    return [f"- {what}; {', '.join(dict.fromkeys((at[0], at[-1])))}" for what, at in times.items()] + [""]
