"""Train one experiment, such as python train.py --config conf/wgan_gp.yaml --data conf/data/video_folder.yaml."""

import sys

from pytorch_lightning.utilities.exceptions import MisconfigurationException

from experiment.command_line import build
from experiment.one_line import UserError
from experiment.summary import describe, summarise
from lightning_modules.video_gan import NonFiniteLossError


def main(arguments: list[str]) -> int:
    """Exit code: 0 when trained, 1 when training had to stop, 2 for a mistake that the user can put right."""
    try:
        experiment = build(arguments)
        trainer = experiment.trainer
        if trainer.is_global_zero:
            print(describe(experiment), flush=True)
        trainer.fit(experiment.model, experiment.datamodule, ckpt_path=experiment.resume, weights_only=True)
    except (UserError, MisconfigurationException) as mistake:
        print(f"train.py: {mistake}", file=sys.stderr)
        return 2
    except NonFiniteLossError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    if trainer.is_global_zero:
        print(summarise(experiment))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
