"""The command line of train.py: what belongs to it alone, and a run built from the rest."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from experiment.checks import Plan, Start, check, is_first_process
from experiment.going_on import forget_after, has_checkpoints
from experiment.one_line import UserError
from experiment.parsing import ExperimentCLI, ParsedCLI, forbid_code, parse_and_instantiate, quieten
from experiment.rolling_back import num_skipped_batches
from experiment.run_folder import CONFIG, is_saved_config, make_run_folder, remove_if_empty, take_run_folder
from experiment.run_lock import lock_run_folder, unlock
from experiment.safe_yaml import check_config_file, refuse_bombs
from experiment.secrets import refuse_secrets, refuse_secrets_in
from experiment.start_elsewhere import check_is_checkpoint, check_started_from, note_start
from tensor_files.starting_points import weights_come_later
from tensor_files.whole_files import remove_parts, whole_file

OPTIONS_HELP = """options that stand on the command line only, never in a config:
  --runs_folder FOLDER      where runs put their folders (default: runs)
  --run_name NAME           the run's folder below it (default: the name of the first config, or of the
                            run that saved it)
  --run_folder FOLDER       the run's own folder: begin there, or go on if the run has been there
  --resume CHECKPOINT       start from a checkpoint of the same config in a new folder, and go on there when
                            it is started again (default: auto, from the newest intact one of the run's own folder)
  --rollbacks N             how often a loss that is not finite may send the run back to its newest checkpoint,
                            from where it leaves out the batches that led there (default: 0, it stops);
                            several processes end with exit code 75, and go back when they are started again
  --allow_package PACKAGE   let the config name classes of this package; may be repeated
"""


@dataclass
class Experiment:
    """What a command line describes, built and checked.

    Args:
        resume: the checkpoint that it goes on from.
        is_finished: whether the folder has all that is wanted already.
        lock: of the run's folder, on the first process.
        rollbacks: see `experiment.rolling_back`.
    """

    model: LightningModule
    datamodule: LightningDataModule
    trainer: Trainer
    run_folder: Path
    resume: Path | None
    is_finished: bool = False
    lock: int | None = None
    rollbacks: int = 0

    def close(self) -> None:
        """Let another run have the folder."""
        if self.lock is not None:
            unlock(self.lock)


def build(arguments: list[str]) -> Experiment:
    """Parse, build and check; the first process also prepares the data.

    A run that has been in its folder goes on there: what was logged after its checkpoint is dropped.
    Raises: UserError, before anything is logged and with a new folder removed again.
    """
    options, rest, configs = take_apart(arguments)
    is_named = options.run_folder is not None
    if is_named:
        run_folder = take_run_folder(options.run_folder)
    else:
        run_folder = make_run_folder(options.runs_folder, options.run_name or config_name(configs))
    lock = None
    try:
        lock = lock_run_folder(run_folder) if is_first_process() else None
        cli, start = prepare(rest, run_folder, options.resume, is_named)
    except BaseException:
        if lock is not None:
            unlock(lock)
        remove_if_empty(run_folder, is_named=is_named)
        raise
    parts = cli.model, cli.datamodule, cli.trainer
    return Experiment(*parts, run_folder, start.checkpoint, start.is_finished, lock, options.rollbacks)


def check_arguments(arguments: list[str]) -> None:
    """See that names and kinds of values are those that a run takes; nothing is built, nor looked for on the disk but
    configs.

    Raises: UserError.
    """
    _, rest, _ = take_apart(arguments)
    parse_and_instantiate(rest, Path("runs"), cli=ParsedCLI)


def take_apart(arguments: list[str]) -> tuple[argparse.Namespace, list[str], list[Path]]:
    """What belongs to the command line alone, the rest, and the configs that it names, which can be read.

    Raises: UserError.
    """
    quieten()
    refuse_secrets(arguments)
    options, rest = parse_own_options(arguments)
    forbid_code(options.allow_package)
    refuse_bombs(rest)
    configs = config_files(rest)
    for path in configs:
        check_config_file(path)
    return options, rest, configs


def prepare(rest: list[str], run_folder: Path, resume: Path | None, is_named: bool) -> tuple[ExperimentCLI, Start]:
    """Make the objects of a run, check them, and have its folder say what it is.

    Raises: UserError.
    """
    goes_on = has_checkpoints(run_folder)
    if resume is not None and goes_on:
        check_started_from(run_folder, resume)
    elif resume is not None:
        check_is_checkpoint(resume)
    with weights_come_later(goes_on or resume is not None):
        cli = parse_and_instantiate(rest, run_folder, OPTIONS_HELP)
    refuse_secrets_in(cli.resolved_config)
    start_from = None if goes_on else resume
    start = check(cli.model, cli.datamodule, cli.trainer, Plan(run_folder, cli.resolved_config, start_from, is_named))
    if hasattr(cli.datamodule, "num_skipped_batches"):
        cli.datamodule.num_skipped_batches = num_skipped_batches(run_folder, start.step)
    if not start.is_finished:
        begin_folder(cli, start, run_folder, start_from)
    elif torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return cli, start


def begin_folder(cli: ExperimentCLI, start: Start, run_folder: Path, start_from: Path | None) -> None:
    """Make the folder say what the run is and which checkpoint of another run it starts from, if it starts from one
    now; and nothing of what will come again.

    Raises: UserError if it cannot be written.
    """
    if is_first_process():
        try:
            remove_parts(run_folder)
            forget_after(run_folder, start.step)
            with whole_file(run_folder / CONFIG) as file:
                file.write(cli.resolved_config.encode())
            if start_from is not None:
                note_start(run_folder, start_from)
        except OSError as error:
            raise UserError(f"{run_folder}: cannot be written, {error.strerror}") from error
    for logger in cli.trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and start.checkpoint is not None:
            logger._kwargs["purge_step"] = start.step + 1
        logger.log_hyperparams(yaml.safe_load(cli.resolved_config))


def parse_own_options(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Take out what belongs to the command line alone; the rest goes to the config's parser."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--runs_folder", type=Path, default=Path("runs"))
    parser.add_argument("--run_name")
    parser.add_argument("--run_folder", type=Path)
    parser.add_argument("--resume", default="auto")
    parser.add_argument("--rollbacks", type=int, default=0)
    parser.add_argument("--allow_package", action="append", default=[])
    try:
        options, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    options.resume = None if options.resume == "auto" else Path(options.resume)
    return options, rest


def config_files(arguments: list[str]) -> list[Path]:
    """The files that `--config` names, in their order."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", type=Path, action="append", default=[])
    try:
        return list(parser.parse_known_args(arguments)[0].config)
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error


def config_name(configs: list[Path]) -> str:
    """Name of the first config file, without its suffix; of a config that a run has saved, the name of that run."""
    if not configs:
        return "unnamed"
    return configs[0].absolute().parent.parent.name if is_saved_config(configs[0]) else configs[0].stem
