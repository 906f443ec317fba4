"""Train one experiment, such as python train.py --config conf/wgan_gp.yaml --data conf/data/video_folder.yaml."""

import os
import signal
import sys

from pytorch_lightning.utilities.exceptions import MisconfigurationException

from callbacks.checkpoints import CheckpointsFailedError
from callbacks.stop_signals import EXIT_CODES, received_signal
from datamodules.data_ledger import TooManyBadFilesError
from experiment.command_line import Experiment, build
from experiment.one_line import UserError
from experiment.roll_call import name_silent
from experiment.rolling_back import roll_back
from experiment.run_folder import is_started_by_lightning
from experiment.summary import describe, stopped, summarise
from lightning_modules.divergence import DivergedError

START_AGAIN = EXIT_CODES[signal.SIGUSR1]


def main(arguments: list[str]) -> int:
    """Exit code: 0 when trained, 1 when training had to stop, 2 for a mistake that the user can put right.

    After a signal 143 (SIGTERM), 130 (SIGINT) or 75 (SIGUSR1): saved, and the same command goes on in the same folder.
    Several processes end with 75, too, when they are to go back to a checkpoint; a single one goes back by itself.
    """
    try:
        experiment = build(arguments)
        try:
            code = train(experiment)
        finally:
            experiment.close()
        if code is not None:
            return code
        if experiment.trainer.world_size > 1:
            return 0 if is_started_by_lightning(os.environ) else START_AGAIN
        run_folder = str(experiment.run_folder)
        del experiment  # two models may be one too many for a GPU
        return main([*arguments, "--run_folder", run_folder])
    except (UserError, MisconfigurationException, TooManyBadFilesError) as mistake:
        print(f"train.py: {mistake}", file=sys.stderr)
        return 2
    except (DivergedError, CheckpointsFailedError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def train(experiment: Experiment) -> int | None:
    """Train until the end, or until a signal; the exit code.  None if the run is to go on from an earlier step."""
    trainer = experiment.trainer
    if experiment.is_finished:
        if trainer.is_global_zero:
            print(f"this run is finished\n{summarise(experiment)}")
        return 0
    if trainer.is_global_zero:
        print(describe(experiment), flush=True)
    try:
        trainer.fit(experiment.model, experiment.datamodule, ckpt_path=experiment.resume, weights_only=True)
    except DivergedError as error:
        is_first = trainer.is_global_zero
        done = roll_back(experiment.run_folder, error.step, str(error), experiment.rollbacks) if is_first else ""
        # All wait for the first one: whoever has started them may end it as soon as one of the others has ended.
        done = trainer.strategy.broadcast(done)
        if not done:
            raise
        if is_first:
            print(f"train.py: {error}; {done}", file=sys.stderr)
        return None
    except SystemExit as end:  # Lightning's, with 1, after a Ctrl-C while it was getting ready
        if isinstance(end.__context__, KeyboardInterrupt):
            raise end.__context__ from None
        raise
    except Exception:
        name_silent(trainer)
        raise
    received = received_signal(trainer)
    if trainer.is_global_zero:
        print(summarise(experiment) if received is None else stopped(experiment, received))
    if trainer.world_size > 1:
        trainer.strategy.barrier()  # rank 0 ends last; a scheduler may not wait for it when the others have ended
    # Lightning kills all processes when one that it has started ends with another code than 0.
    return 0 if received is None or is_started_by_lightning(os.environ) else EXIT_CODES[received]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
