"""The proofs that are courses: killed at random, killed at named points, told to stop."""

import signal
from collections.abc import Sequence
from pathlib import Path

from callbacks.stop_signals import EXIT_CODES
from tensor_files.committed import committed
from tests.reliability.courses import CHECKPOINT_EVERY, STEPS, Proof, Situation, damaged, newest_saved_step
from tests.reliability.damaged_checkpoints import KINDS
from tests.reliability.starts import Disturbance, Ended
from tests.resuming import SETTINGS, TWO_WITH_BATCH_NORM, last_logged_step

LONGER = [
    "--trainer.max_steps", str(STEPS), "--checkpoints.every_n_steps", str(CHECKPOINT_EVERY),
    "--checkpoints.keep_newest", "2", "--curves.every_n_steps", "10",
]  # fmt: skip
SCHEDULES = [
    part
    for player in ("generator", "discriminator")
    for part in (
        f"--model.{player}_scheduler", "torch.optim.lr_scheduler.ExponentialLR", f"--model.{player}_scheduler.gamma",
        "0.99",
    )
]  # fmt: skip
ONE_PROCESS = [*SETTINGS, *LONGER, *SCHEDULES, "--metrics.every_n_steps", "10"]
TWO_PROCESSES = [
    *TWO_WITH_BATCH_NORM, *LONGER, *SCHEDULES, "--metrics.every_n_steps", "10", "--metrics.num_videos", "4",
    "--metrics.first_step", "false",
]  # fmt: skip

POINTS = (
    "after the discriminator's update", "between the players", "after the generator's update", "before a checkpoint",
    "in the payload", "before the mark", "before a rename", "after a rename", "after a checkpoint", "before loading",
    "while loading", "while deleting", "half deleted", "after deleting", "while a row is written",
)  # fmt: skip
NEED_A_CHECKPOINT = ("before loading", "while loading")
OFTEN = ("before a rename", "after a rename", "while a row is written")  # reached many times


def kills(name: str, count: int, settings: Sequence[str]) -> Proof:
    """SIGKILL to all processes at a time from the start of the program to its usual end, all times alike."""

    def choose(situation: Situation) -> Disturbance:
        seconds, trains = any_time(situation)
        return Disturbance("SIGKILL", ((seconds, signal.SIGKILL),), trains)

    return Proof(name, count, settings, choose, judge_kill)


def any_time(situation: Situation) -> tuple[float, bool]:
    """A time from the start of the program to its usual end, all alike; whether it counts from the first step.

    Starting takes longer where the machine is busy, and a kill that is meant for a step should not come before it.
    """
    seconds = situation.random.uniform(0, situation.starting + situation.training)
    trains = seconds > situation.starting
    return seconds - situation.starting if trains else seconds, trains


def judge_kill(ended: Ended, disturbance: Disturbance, run: Path) -> str:
    """A kill leaves nothing half-written that counts, and costs at most the steps since a checkpoint."""
    lost = last_logged_step(run) - newest_saved_step(run)
    if ended.code != -signal.SIGKILL:
        return f"not ended by SIGKILL, {ended.last_words}"
    return damaged(run) or (f"{lost} steps lost" if lost > CHECKPOINT_EVERY else "")


def points(name: str, each: int) -> Proof:
    """SIGKILL at each of the named points."""

    def choose(situation: Situation) -> Disturbance:
        had = [line["what"] for line in situation.hits]
        point = min(POINTS, key=had.count)
        if point in NEED_A_CHECKPOINT and not situation.has_checkpoint:
            after = ("after a checkpoint", situation.random.randint(1, 4))
            return Disturbance("preparation", point=after, is_preparation=True)
        most = 1 if point in NEED_A_CHECKPOINT else 12 if point in OFTEN else 3
        return Disturbance(point, point=(point, situation.random.randint(1, most)))

    return Proof(name, each * len(POINTS), ONE_PROCESS, choose, judge_kill)


def damaged_runs(name: str, count: int) -> Proof:
    """SIGKILL, and the newest checkpoint is damaged before the run is started again."""
    kinds = [kind for kind in KINDS if not kind.startswith("swapped")]  # which would damage the one before, too

    def choose(situation: Situation) -> Disturbance:
        least = 2 if situation.has_checkpoint else 3
        return Disturbance("SIGKILL", point=("before a checkpoint", situation.random.randint(least, least + 1)))

    def spoil(run: Path, situation: Situation) -> str:
        kind = kinds[len(situation.hits) % len(kinds)]
        KINDS[kind](committed(run / "checkpoints")[-1], situation.random)
        return kind

    return Proof(name, count, ONE_PROCESS, choose, judge_kill, spoil)


def signals(name: str, count: int) -> Proof:
    """SIGTERM, SIGUSR1 and SIGINT by turns, every other time twice, to all processes or to the first."""

    def choose(situation: Situation) -> Disturbance:
        number = len(situation.hits)
        which = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)[number % 3]
        to_all = situation.random.random() < 0.5
        seconds, trains = any_time(situation)
        sent = [(seconds, which)]
        if number // 3 % 2:
            sent += [(situation.random.uniform(0.01, 1), which)]
        name = f"{which.name}{' twice' if len(sent) > 1 else ''}"
        return Disturbance(name, tuple(sent), trains, to_all)

    return Proof(name, count, ONE_PROCESS, choose, judge_signal)


def judge_signal(ended: Ended, disturbance: Disturbance, run: Path) -> str:
    """While it trains it saves between two steps and says so by its exit code; before and after, it just ends."""
    which = disturbance.signals[0][1]
    code = EXIT_CODES[which]
    problem = damaged(run)
    saved, logged = newest_saved_step(run), last_logged_step(run)
    if f"stopped by {which.name} and saved after step {saved}" in ended.output:
        # The second of two may come when training is over and the signal does again what it does anywhere.
        if ended.code not in ((code, -which) if len(disturbance.signals) > 1 else (code,)):
            problem = problem or f"stopped and saved, and yet {ended.last_words}"
        return problem or (f"{logged - saved} steps lost" if logged > saved else "")
    if ended.code == 0:
        return problem or ("" if saved == STEPS else f"exit code 0 after step {saved} of {STEPS}")
    if ended.code not in (-which, code):
        return problem or f"neither saved nor ended by {which.name}, {ended.last_words}"
    return problem or (f"{logged - saved} steps lost" if logged - saved > CHECKPOINT_EVERY else "")
