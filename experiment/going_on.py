"""A run goes on in its folder: from which checkpoint, whether it is the same run, and without any point twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import LightningDataModule, Trainer
from pytorch_lightning.callbacks import Timer

from callbacks.checkpoints import Checkpoints, data_fingerprint
from callbacks.distribution_metrics import drop_cards_after
from callbacks.metrics_csv import drop_rows_after, read_rows
from experiment.one_line import UserError
from experiment.run_folder import CHECKPOINTS, CONFIG
from experiment.safe_yaml import read_yaml
from tensor_files.committed import UNREADABLE, committed, newest_intact, set_aside

# What makes an experiment; of these, what may differ from one part of a run to the next.
PARTS = ("seed_everything", "model", "data")
MAY_DIFFER = tuple(
    f"data.init_args.{name}" for name in ("root", "num_workers", "keep_decoded", "max_bad_share", "deadline_seconds")
)


def has_checkpoints(run_folder: Path) -> bool:
    """Whether a run has been saved there, intact or not; a look at names only."""
    return bool(committed(run_folder / CHECKPOINTS))


def find_checkpoint(run_folder: Path) -> tuple[Path | None, dict[Path, str]]:
    """The newest intact checkpoint of a run, None if it has saved none, and what is wrong with each newer one.

    Raises: UserError if all are damaged: nobody wants a run of days to begin anew without being asked.
    """
    path, problems = newest_intact(run_folder / CHECKPOINTS)
    if path is None and problems:
        newest, problem = next(iter(problems.items()))
        unreadable = any(each.startswith(UNREADABLE) for each in problems.values())
        hint = "try again when they can be read" if unreadable else f"move {CHECKPOINTS} away to begin anew"
        raise UserError(f"{run_folder}: no checkpoint is intact ({newest} {problem}); {hint}")
    return path, problems


def go_back_to_intact(run_folder: Path) -> tuple[Path | None, list[str]]:
    """`find_checkpoint` for who goes on from there, with a line for each problem.

    A newer one that is damaged goes when training begins; one that cannot be read, as after an error of the network, is
    renamed and stays.
    Raises: UserError, also if it cannot be renamed.
    """
    path, problems = find_checkpoint(run_folder)
    lines = []
    for newer, problem in problems.items():
        said = f"{newer} {problem}"
        if problem.startswith(UNREADABLE):
            try:
                said += f", and is kept as {set_aside(newer).name}"
            except OSError as error:
                raise UserError(f"{said}, nor renamed ({error.strerror}); try again when it can be read") from error
        lines.append(f"{said}; going on from the one before")
    return path, lines


def check_same_run(run_folder: Path, resolved_config: str) -> None:
    """See that a folder, if it is in use, is of the experiment that is to go on there.

    Raises: UserError that names the first key that differs.
    """
    path = run_folder / CONFIG
    if not path.is_file():
        if has_checkpoints(run_folder):
            raise UserError(f"{run_folder}: has checkpoints and no {CONFIG}; give another --run_folder")
        return
    try:
        kept = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read; bring it back, or give another --run_folder") from error
    if not isinstance(kept, dict):
        raise UserError(f"{path}: is no config; bring it back, or give another --run_folder")
    there, here = (
        {key: value for part in PARTS for key, value in leaves(part, content.get(part))}
        for content in (kept, yaml.safe_load(resolved_config))
    )
    for key in sorted({*there, *here}):
        if there.get(key) != here.get(key) and not key.startswith(MAY_DIFFER):
            raise UserError(
                f"{run_folder}: its run has {key} {there.get(key)}, this one {here.get(key)}; give another "
                "--run_folder, and --resume CHECKPOINT to start from what it has learned"
            )


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each value of a config with its dotted name."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(f"{name}.{key}", each)
    else:
        yield name, value


def check_same_data(path: Path, saved: dict[str, Any], datamodule: LightningDataModule) -> None:
    """See that the videos are those that the run was trained on so far: positions of its stream mean clips of them.

    Raises: UserError.
    """
    there, here = saved.get("data_fingerprint"), data_fingerprint(datamodule)
    if there and here and there != here:
        raise UserError(
            f"{path}: its run was trained on other videos than there are now; bring those back, or give another "
            "--run_folder, and --resume CHECKPOINT to start from what it has learned"
        )


def is_finished(saved: dict[str, Any], trainer: Trainer) -> bool:
    """Whether a checkpoint is of the last step that this trainer would make."""
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
    for timer in timers:
        elapsed = saved["callbacks"].get(timer.state_key, {}).get("time_elapsed", {}).get("train", 0)
        if timer._duration is not None and elapsed >= timer._duration:
            return True
    return 0 < trainer.max_steps <= saved["global_step"]


def complete(run_folder: Path, step: int, saved: dict[str, Any], trainer: Trainer) -> None:
    """What a finished run may lack if it was killed right after its last checkpoint: order among them, the last row.

    Raises: UserError if a checkpoint is in the way.
    """
    state = saved["callbacks"].get("Checkpoints", {})
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Checkpoints) and state:
            callback.load_state_dict(state)
            if problem := callback.tidy(run_folder / CHECKPOINTS, step):
                raise UserError(problem)
    unlogged = state.get("unlogged", {})
    logged = {name for row in read_rows(run_folder / "metrics.csv") if row["step"] == str(step) for name in row}
    if not set(unlogged) <= logged:
        for logger in trainer.loggers:
            logger.log_metrics(unlogged, step=step)
            logger.finalize("success")


def forget_after(run_folder: Path, step: int) -> None:
    """Drop what was logged after a step: it will be logged again."""
    drop_rows_after(run_folder / "metrics.csv", step)
    drop_cards_after(run_folder / "metrics", step)
