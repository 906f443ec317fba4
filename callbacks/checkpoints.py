"""Which states of a run are kept on disk."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from callbacks.checkpoint_files import CheckpointFiles
from callbacks.every_n_steps import EveryNSteps, is_last_step, is_log_step, step_name
from callbacks.stop_signals import received_signal
from callbacks.unwritable import goes_on_if_unwritable, reason
from tensor_files.committed import committed, delete, step_of, uncommitted
from tensor_files.loading import FORMAT, FORMAT_KEY
from tensor_files.whole_files import remove_parts


class CheckpointsFailedError(RuntimeError):
    """Checkpoints could not be written so often that training would be in vain; raised on all processes."""


class Checkpoints(EveryNSteps, Checkpoint):
    """Saves the run every `every_n_steps` steps, at its last step, and whenever `best_metric` is the best so far.

        <run folder>/checkpoints/step-00001000.ckpt    what is kept: see the arguments
                                 step-00001000.sha256  its SHA-256, written last: only then the checkpoint counts
                                 last.ckpt, best.ckpt  links to the newest and to the best

    A run goes on from the newest that is intact; samples are made from `best.ckpt`.  A checkpoint is whole or not
    there, and an old one is deleted only after the new one is written.  One that cannot be written (a full disk, a
    quota) is a line on the screen; training goes on, and stops when more than `failures_allowed` in a row have failed,
    or the last one.  A run that goes on from step s deletes the checkpoints after s, which are damaged or of a course
    that was given up; `unread-step-00002000.ckpt` is one that could not be read then, and is nobody's but the user's.

    Lightning's ModelCheckpoint would need two instances and two copies of a checkpoint, takes its folder from the
    logger, and compares a metric with steps at which it was not measured.

    Args:
        every_n_steps: training steps between two checkpoints, at least 1; None saves nothing.
        keep_newest: how many of the newest are kept; at least 1.
        keep_every_n_steps: those at multiples of it are kept, too; at least 1.  None keeps none.
        best_metric: a metric that this run measures, smaller is better: its key or how that begins, as in `fvd`.
            None keeps no best.
        failures_allowed: how many in a row may fail before training stops; at least 0.

    Callbacks that measure stand before this one, where Lightning puts every checkpoint callback.  All processes take
    part in saving; rank 0 writes, links and deletes.
    Raises: ValueError if a number is below its least; MisconfigurationException, before the first step, if
        `best_metric` is not exactly one of the metrics that are measured; CheckpointsFailedError while training.
    """

    def __init__(
        self,
        every_n_steps: int | None = 1000,
        keep_newest: int = 3,
        keep_every_n_steps: int | None = None,
        best_metric: str | None = None,
        failures_allowed: int = 3,
    ) -> None:
        super().__init__(every_n_steps)
        given = (("keep_newest", keep_newest, 1), ("keep_every_n_steps", keep_every_n_steps, 1))
        for name, number, least in (*given, ("failures_allowed", failures_allowed, 0)):
            if number is not None and number < least:
                raise ValueError(f"Checkpoints.{name} is {number}; it must be at least {least}")
        self.keep_newest = keep_newest
        self.keep_every_n_steps = keep_every_n_steps
        self.best_metric = best_metric
        self.failures_allowed = failures_allowed
        self.best_value = float("inf")
        self.best_step: int | None = None
        self._best_before: tuple[float, int | None] = self.best_value, self.best_step
        self._best_key: str | None = None
        self._files = CheckpointFiles()
        self._num_failures = 0
        self._data: str | None = None  # what it is trained on
        self._unlogged: dict[str, float] = {}

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save this step, then delete what is no longer kept."""
        path = checkpoint_path(trainer)
        self._unlogged = {}
        if is_log_step(trainer):
            # Not `logged_metrics`, which also has what earlier steps have logged.
            logged = trainer._logger_connector.metrics["log"]
            self._unlogged = {name: float(value) for name, value in logged.items() if name != "step"}
        trainer.save_checkpoint(path, weights_only=False)
        problem = trainer.strategy.broadcast(self._files.problem)
        if problem:
            self._count_failure(trainer, problem)
            return
        self._num_failures = 0
        if trainer.is_global_zero:
            with suppress(OSError):  # the checkpoint is there; a link or a deletion comes with the next one
                link("last.ckpt", path)
                if self.best_step == trainer.global_step:
                    link("best.ckpt", path)
                self._delete_old(path.parent)

    def is_due(self, trainer: Trainer) -> bool:
        """Also at a step that has measured a new best, and at one after which a signal ends training."""
        return self._found_best(trainer) or super().is_due(trainer) or received_signal(trainer) is not None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = self._files
        if self.best_metric is not None and self.every_n_steps is not None:
            self._best_key = find_metric_key(self.best_metric, trainer)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if self.every_n_steps is not None:
            problem = self.tidy(checkpoint_path(trainer).parent, trainer.global_step) if trainer.is_global_zero else ""
            if problem := trainer.strategy.broadcast(problem):
                raise CheckpointsFailedError(problem)
        # Lightning logs a step after its callbacks, so a run that was killed may have saved it and not logged it.
        for logger in trainer.loggers if self._unlogged else []:
            logger.log_metrics(self._unlogged, step=trainer.global_step)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = self._found_best(trainer)
        super().on_train_end(trainer, pl_module)
        if found and trainer.is_global_zero:  # measured when this step's checkpoint was already there
            with goes_on_if_unwritable("best.ckpt", trainer.global_step):
                link("best.ckpt", checkpoint_path(trainer))

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._data is None:
            self._data = data_fingerprint(getattr(trainer, "datamodule", None))
        checkpoint["data_fingerprint"] = self._data
        checkpoint[FORMAT_KEY] = FORMAT

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"best_value": self.best_value, "best_step": self.best_step, "unlogged": self._unlogged}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_value, self.best_step = state_dict["best_value"], state_dict["best_step"]
        self._unlogged = state_dict.get("unlogged", {})

    def tidy(self, folder: Path, step: int) -> str:
        """Leave the checkpoints of a run that has come to `step` as they would be if nobody had killed it.

        Returns: why a later one, which must not be gone on from, cannot be deleted; empty if there is none.
        """
        for path in committed(folder):
            try:
                if step_of(path) > step:
                    delete(path)
            except OSError as error:  # noqa: PERF203
                return f"step {step}: {path} is damaged or given up, and cannot be deleted ({reason(error)})"
        with goes_on_if_unwritable(str(folder), step):
            remove_parts(folder)
            for path in uncommitted(folder) if step > 0 else []:  # not where somebody may have taken all marks away
                path.unlink()
            self._delete_old(folder)
            relink(folder, self.best_step)
        return ""

    def _found_best(self, trainer: Trainer) -> bool:
        """Take note of a new best.  A value left from an earlier step was compared then, and is not below the best."""
        value = trainer.callback_metrics.get(self._best_key or "")
        if value is None or not float(value) < self.best_value:
            return False
        self._best_before = self.best_value, self.best_step
        self.best_value, self.best_step = float(value), trainer.global_step
        return True

    def _count_failure(self, trainer: Trainer, problem: str) -> None:
        self._num_failures += 1
        if self.best_step == trainer.global_step:
            self.best_value, self.best_step = self._best_before
        said = f"step {trainer.global_step}: the checkpoint cannot be written ({problem})"
        if is_last_step(trainer) or self._num_failures > self.failures_allowed:
            raise CheckpointsFailedError(f"{said}; {self._num_failures} in a row failed, so training ends")
        if trainer.is_global_zero:
            print(f"{said}; training goes on, and the one before is kept", file=sys.stderr)

    def _delete_old(self, folder: Path) -> None:
        for path in committed(folder)[: -self.keep_newest]:
            step = step_of(path)
            is_nth = self.keep_every_n_steps is not None and step % self.keep_every_n_steps == 0
            if step != self.best_step and not is_nth:
                delete(path)


def checkpoint_path(trainer: Trainer) -> Path:
    """Where this step's checkpoint is written."""
    return Path(trainer.default_root_dir) / "checkpoints" / f"{step_name(trainer.global_step)}.ckpt"


def data_fingerprint(datamodule: object) -> str:
    """Hash over the content of what is trained on; empty where the data cannot tell."""
    fingerprint = getattr(datamodule, "fingerprint", None)
    return str(fingerprint("train")) if callable(fingerprint) else ""


def find_metric_key(wanted: str, trainer: Trainer) -> str:
    """The one key among those that the trainer's callbacks measure (`metric_keys`) that is or begins with `wanted`."""
    measured = [key for callback in trainer.callbacks for key in getattr(callback, "metric_keys", ())]  # type: ignore[attr-defined]
    found = [key for key in measured if key == wanted] or [key for key in measured if key.startswith(wanted)]
    if len(found) != 1:
        raise MisconfigurationException(
            f"Checkpoints.best_metric is {wanted!r}; this run measures {', '.join(measured) or 'no metric'}. "
            "Name one of them, or null"
        )
    return found[0]


def relink(folder: Path, best_step: int | None) -> None:
    """Have the links name what is there: a run may have been killed between a checkpoint and its links."""
    kept = {step_of(path): path for path in committed(folder)}
    for name, step in (("last.ckpt", max(kept, default=None)), ("best.ckpt", best_step)):
        if step in kept:
            link(name, kept[step])
        else:
            (folder / name).unlink(missing_ok=True)


def link(name: str, target: Path) -> None:
    """Make `name` in the target's folder a link to it, in one step; one that is right is left alone."""
    name_path = target.with_name(name)
    if name_path.is_symlink() and name_path.readlink() == Path(target.name):
        return
    new = target.with_name(f".{name}")
    new.unlink(missing_ok=True)
    new.symlink_to(target.name)
    new.replace(name_path)
