"""What can be wrong with a run is found before its first step: by its first process, for all of them."""

import time
from pathlib import Path

import torch
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from callbacks.every_n_steps import EveryNSteps
from experiment.one_line import UserError
from experiment.run_folder import remove_if_empty


def check(
    model: LightningModule, datamodule: LightningDataModule, trainer: Trainer, run_folder: Path, resume: Path | None
) -> None:
    """Prepare the data and find what does not fit, on the first process; the others hear of it.

    Raises: UserError on the first process, SystemExit on the others, as one line is enough; when all of them have
        given up the run's folder.
    """
    have_met = meet(trainer)
    mistake = ""
    if is_first_process():
        try:
            check_fit(model, datamodule, trainer)
            if resume is not None:
                check_resume(resume, model)
        except UserError as error:
            mistake = str(error)
    if have_met:
        mistake = trainer.strategy.broadcast(mistake)
    if not mistake:
        return
    remove_if_empty(run_folder)
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


def check_resume(checkpoint: Path, model: LightningModule) -> None:
    """Look whether a run of this module can go on from a file.

    Raises: UserError.
    """
    try:
        saved = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # whatever a reader of broken files raises
        raise UserError(f"--resume {checkpoint}: cannot be read as a checkpoint") from error
    if not isinstance(saved, dict) or not {"state_dict", "loops", "optimizer_states"} <= set(saved):
        raise UserError(f"--resume {checkpoint}: is no checkpoint of a run; give a file from its checkpoints folder")
    if unlike := difference(saved["state_dict"], model.state_dict()):
        raise UserError(f"--resume {checkpoint}: is of other networks: {unlike}; give the config of that run")


def difference(there: dict[str, torch.Tensor], here: dict[str, torch.Tensor]) -> str:
    """What keeps weights there from taking the place of weights here, in words; empty if nothing does."""
    shapes_there, shapes_here = (
        {name: tuple(value.shape) for name, value in weights.items()} for weights in (there, here)
    )
    for name in sorted({*there, *here}):
        if shapes_there.get(name) != shapes_here.get(name):
            return f"{name} is {shapes_there.get(name, 'missing')} there and {shapes_here.get(name, 'missing')} here"
    return ""
