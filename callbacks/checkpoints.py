"""Which states of a run are kept on disk."""

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from callbacks.every_n_steps import EveryNSteps, step_name


class Checkpoints(EveryNSteps, Checkpoint):
    """Saves the run every `every_n_steps` steps, at its last step, and whenever `best_metric` is the best so far.

        <run folder>/checkpoints/step-00001000.ckpt    the newest `keep_newest`, and the best
                                 last.ckpt, best.ckpt  links to the newest and to the best

    A run goes on from `last.ckpt`; samples are made from `best.ckpt`.  A checkpoint is whole or not there, and an old
    one is deleted only after the new one is written.

    Lightning's ModelCheckpoint would need two instances and two copies of a checkpoint, takes its folder from the
    logger, and compares a metric with steps at which it was not measured.

    Args:
        every_n_steps: training steps between two checkpoints, at least 1; None saves nothing.
        keep_newest: how many of the newest are kept; at least 1.
        best_metric: a metric that this run measures, smaller is better: its key or how that begins, as in `fvd`.
            None keeps no best.

    Callbacks that measure stand before this one, where Lightning puts every checkpoint callback.  All processes take
    part in saving; rank 0 renames, links and deletes.
    Raises: ValueError if a number is below 1; MisconfigurationException, before the first step, if `best_metric` is not
        exactly one of the metrics that are measured.
    """

    def __init__(self, every_n_steps: int | None = 1000, keep_newest: int = 2, best_metric: str | None = None) -> None:
        super().__init__(every_n_steps)
        if keep_newest < 1:
            raise ValueError(f"Checkpoints.keep_newest is {keep_newest}; it must be at least 1")
        self.keep_newest = keep_newest
        self.best_metric = best_metric
        self.best_value = float("inf")
        self.best_step: int | None = None
        self._best_key: str | None = None

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save this step, then delete what is no longer kept."""
        path = checkpoint_path(trainer)
        part = path.with_suffix(".part")
        trainer.save_checkpoint(part, weights_only=False)
        if trainer.is_global_zero:
            part.replace(path)
            link("last.ckpt", path)
            if self.best_step == trainer.global_step:
                link("best.ckpt", path)
            self._delete_old(path.parent)

    def is_due(self, trainer: Trainer) -> bool:
        """Also at a step that has measured a new best."""
        return self._found_best(trainer) or super().is_due(trainer)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.best_metric is not None and self.every_n_steps is not None:
            self._best_key = find_metric_key(self.best_metric, trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = self._found_best(trainer)
        super().on_train_end(trainer, pl_module)
        if found and trainer.is_global_zero:  # measured when this step's checkpoint was already there
            link("best.ckpt", checkpoint_path(trainer))

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"best_value": self.best_value, "best_step": self.best_step}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_value, self.best_step = state_dict["best_value"], state_dict["best_step"]

    def _found_best(self, trainer: Trainer) -> bool:
        """Take note of a new best.  A value left from an earlier step was compared then, and is not below the best."""
        value = trainer.callback_metrics.get(self._best_key or "")
        if value is None or not float(value) < self.best_value:
            return False
        self.best_value, self.best_step = float(value), trainer.global_step
        return True

    def _delete_old(self, folder: Path) -> None:
        """By time of writing: a run that went back to an earlier step has newer checkpoints of smaller steps."""
        written = sorted(folder.glob("step-*.ckpt"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in written[: -self.keep_newest]:
            if self.best_step is None or path.stem != step_name(self.best_step):
                path.unlink()


def checkpoint_path(trainer: Trainer) -> Path:
    """Where this step's checkpoint is written."""
    return Path(trainer.default_root_dir) / "checkpoints" / f"{step_name(trainer.global_step)}.ckpt"


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


def link(name: str, target: Path) -> None:
    """Make `name` in the target's folder a link to it, in one step."""
    new = target.with_name(f".{name}")
    new.unlink(missing_ok=True)
    new.symlink_to(target.name)
    new.replace(target.with_name(name))
