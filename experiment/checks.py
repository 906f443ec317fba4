"""What can be wrong with a run is found before its first step: by its first process, for all of them."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from callbacks.every_n_steps import EveryNSteps
from experiment.going_on import (
    check_same_data,
    check_same_run,
    complete,
    find_checkpoint,
    go_back_to_intact,
    is_finished,
)
from experiment.one_line import UserError
from experiment.run_folder import remove_if_empty
from experiment.same_training import training_difference
from tensor_files.committed import step_of
from tensor_files.loading import load_checkpoint


@dataclass(frozen=True)
class Plan:
    """What is wanted of a run.

    Args:
        run_folder: where it writes, and where it goes on if it has been there.
        resolved_config: YAML.
        resume: a checkpoint to start from in a new folder.
        is_named: whether the user has named the folder.
    """

    run_folder: Path
    resolved_config: str
    resume: Path | None = None
    is_named: bool = False


@dataclass(frozen=True)
class Start:
    """Where a run begins: with its first step, or from a checkpoint; `step` counts those that its folder knows."""

    checkpoint: Path | None
    step: int = 0
    is_finished: bool = False


def check(model: LightningModule, datamodule: LightningDataModule, trainer: Trainer, plan: Plan) -> Start:
    """Prepare the data, find what does not fit and where to begin, on the first process; the others hear of it.

    Raises: UserError on the first process, SystemExit on the others, as one line is enough; when all of them have
        given up the run's folder.
    """
    have_met = meet(trainer)
    mistake, start = "", Start(None)
    if is_first_process():
        try:
            check_fit(model, datamodule, trainer)
            start = find_start(model, datamodule, trainer, plan)
        except UserError as error:
            mistake = str(error)
    elif not have_met:  # started by Lightning from a first process that has checked all this
        found = find_checkpoint(plan.run_folder)[0]
        start = Start(plan.resume) if found is None else Start(found, step_of(found))
    if have_met:
        mistake, start = trainer.strategy.broadcast((mistake, start))
    if not mistake:
        return start
    remove_if_empty(plan.run_folder, is_named=plan.is_named)
    if have_met:
        trainer.strategy.barrier()  # a scheduler may end all processes as soon as one has ended
        torch.distributed.destroy_process_group()
    if is_first_process():
        raise UserError(mistake)
    time.sleep(1)  # the first one says why
    raise SystemExit(2)


def meet(trainer: Trainer) -> bool:
    """Connect the processes of a scheduler (SLURM, torchrun) now, which fit would do later; whether there are any.

    Otherwise there is one process, or Lightning starts the others in fit, when all is checked.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if trainer.world_size == 1 or environment is None or isinstance(environment, LightningEnvironment):
        return False
    trainer.strategy.setup_environment()
    return True


def is_first_process() -> bool:
    """Whether this process is rank 0, as far as the environment tells before the processes have met."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def check_fit(model: LightningModule, datamodule: LightningDataModule, trainer: Trainer) -> None:
    """Have data, module and our callbacks look at each other, as `fit` will have them do again.

    Raises: UserError.
    """
    trainer.datamodule, datamodule.trainer, model.trainer = datamodule, trainer, trainer  # type: ignore[attr-defined]
    try:
        datamodule.prepare_data()
        datamodule.setup("fit")
        datamodule.train_dataloader()
    except (ValueError, OSError, MisconfigurationException) as error:
        raise UserError(f"data: {error}") from error
    try:
        model.setup("fit")
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EveryNSteps):
                callback.setup(trainer, model, "fit")
    except MisconfigurationException as error:
        raise UserError(str(error)) from error


def find_start(model: LightningModule, datamodule: LightningDataModule, trainer: Trainer, plan: Plan) -> Start:
    """Where the run begins.

    Raises: UserError.
    """
    if plan.resume is not None:
        saved = check_checkpoint(plan.resume, "--resume ", model)
        check_same_training(plan.resume, saved, model)
        if is_finished(saved, trainer):
            raise UserError(f"--resume {plan.resume}: has trained as long as is wanted; set a larger trainer.max_steps")
        return Start(plan.resume)
    check_same_run(plan.run_folder, plan.resolved_config)
    refuse_planted(plan.run_folder)
    path, problems = go_back_to_intact(plan.run_folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    if path is None:
        return Start(None)
    saved = check_checkpoint(path, "", model)
    check_same_data(path, saved, datamodule)
    step, finished = int(saved["global_step"]), is_finished(saved, trainer)
    if finished:
        complete(plan.run_folder, step, saved, trainer)
    return Start(path, step, finished)


def refuse_planted(run_folder: Path) -> None:
    """See that no file is there from which Lightning would start on SLURM without a word, in place of the first step.

    Raises: UserError.
    """
    if planted := sorted(run_folder.glob("*hpc_ckpt_*")):
        raise UserError(f"{planted[0]}: is none of this run's files, and Lightning would start from it; move it away")


def check_checkpoint(path: Path, said: str, model: LightningModule) -> dict[str, Any]:
    """Look whether a run of this module can go on from a file; its content.

    Raises: UserError that begins with what the user said.
    """
    try:
        saved = load_checkpoint(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{said}{error}") from error
    if not can_be_gone_on_from(saved):
        raise UserError(f"{said}{path}: is no checkpoint of a run; give a file from its checkpoints folder")
    if unlike := difference(saved["state_dict"], model.state_dict()):
        raise UserError(f"{said}{path}: is of other networks: {unlike}; give the config of that run")
    return saved


def can_be_gone_on_from(saved: dict[str, Any]) -> bool:
    """Whether a checkpoint has what training needs besides weights; a stranger's may have anything in its place."""
    kinds = {"loops": dict, "optimizer_states": list, "global_step": int, "callbacks": dict}
    return all(isinstance(saved.get(name), kind) for name, kind in kinds.items()) and "fit_loop" in saved["loops"]


def check_same_training(path: Path, saved: dict[str, Any], model: LightningModule) -> None:
    """See that a checkpoint of another run brings no learning rates along in place of those that are wanted here.

    Raises: UserError.
    """
    try:
        unlike = training_difference(saved, model)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"--resume {path}: is no checkpoint of a run; its optimizers cannot be read") from error
    if unlike:
        raise UserError(
            f"--resume {path}: {unlike}, and would stay so; give what its run had, or take its weights alone with "
            "model.fine_tuning"
        )


def difference(there: dict[str, torch.Tensor], here: dict[str, torch.Tensor]) -> str:
    """What keeps weights there from taking the place of weights here, in words; empty if nothing does."""
    shapes_there, shapes_here = (
        {name: tuple(value.shape) for name, value in weights.items()} for weights in (there, here)
    )
    for name in sorted({*there, *here}):
        if shapes_there.get(name) != shapes_here.get(name):
            return f"{name} is {shapes_there.get(name, 'missing')} there and {shapes_here.get(name, 'missing')} here"
    return ""
