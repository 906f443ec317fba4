"""From layered YAML files and dotted overrides to objects, checked against the classes' signatures."""

import logging
import warnings
from inspect import isclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, Namespace, get_loader, set_loader, set_parsing_settings
from jsonargparse._util import import_object
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning import __version__ as lightning_version
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from callbacks.bad_files import BadFiles
from callbacks.checkpoints import Checkpoints
from callbacks.curves import Curves
from callbacks.distribution_metrics import DistributionMetrics
from callbacks.metrics_csv import MetricsCsv
from callbacks.progress import ProgressBar
from callbacks.sample_videos import SampleVideos
from callbacks.stop_signals import StopSignals
from callbacks.throughput import Throughput
from experiment.layers import ConfigLayer
from experiment.one_line import UserError, one_line
from experiment.safe_yaml import refuse_yaml_bomb
from experiment.secrets import without_secrets

TRUSTED_PACKAGES = (
    "callbacks",
    "datamodules",
    "lightning_modules",
    "losses",
    "metrics",
    "networks",
    "pytorch_lightning.callbacks",
    "pytorch_lightning.loggers",
    "pytorch_lightning.plugins",
    "pytorch_lightning.profilers",
    "pytorch_lightning.strategies",
    "torch.nn",
    "torch.optim",  # not torch: torch.load and torch.hub.load run what is in files
    "torchmetrics",
)
# Every resolver that OmegaConf brings: some import modules or read the environment; ${path.in.config} needs none.
RESOLVERS = ("coerce", "create", "decode", "deprecated", "dict.keys", "dict.values", "env", "select")

# How Kinogan trains unless a config says otherwise: counted in steps, in one endless epoch, clips chosen by itself.
TRAINER_DEFAULTS = {
    "logger": {"class_path": "callbacks.wandb_dashboard.WandbDashboard"},
    "use_distributed_sampler": False,
    "limit_val_batches": 0,
    "log_every_n_steps": 10,
    "enable_model_summary": False,
}

MODE = "omegaconf+"  # values are read as YAML, and ${paths} of the whole config resolved in the end
PARSER_SETTINGS: dict[str, Any] = {"parser_mode": MODE, "exit_on_error": False, "allow_abbrev": False}


class ExperimentCLI(LightningCLI):
    """Lightning's command line with the callbacks that every run has, each configurable under its own key.

    Whatever a config says, the trainer and the loggers write into `run_folder`; so a saved config can be run again.
    """

    def __init__(self, run_folder: Path, **settings: Any) -> None:
        self.run_folder = run_folder
        self.resolved_config = ""  # YAML
        super().__init__(LightningModule, LightningDataModule, **settings)

    def init_parser(self, **settings: Any) -> LightningArgumentParser:
        """A parser that takes configs in layers."""
        parser = self.parser_class(dump_header=[f"pytorch_lightning=={lightning_version}"], **settings)
        parser.add_argument("-c", "--config", action=ConfigLayer, help="YAML file; a later one goes over the others")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Called in this order, after a config's own callbacks; but Lightning moves the checkpoints to the end."""
        parser.add_lightning_class_args(SampleVideos, "samples")
        parser.add_lightning_class_args(DistributionMetrics, "metrics")
        parser.add_lightning_class_args(Curves, "curves")
        parser.add_lightning_class_args(Checkpoints, "checkpoints")
        parser.add_lightning_class_args(ProgressBar, "progress")
        parser.add_lightning_class_args(Throughput, "throughput")

    def before_instantiate_classes(self) -> None:
        """Keep the config as it was resolved, then set the folders.

        Raises: ValueError if it would call a function.
        """
        refuse_functions(self.config)
        self.resolved_config = self.parser.dump(self.config, skip_none=False)
        trainer = self.config.trainer
        trainer.default_root_dir = str(self.run_folder)
        for logger in trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]:
            if isinstance(logger, Namespace) and "save_dir" in logger.init_args:
                logger.init_args.save_dir = str(self.run_folder)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Add what depends on other settings: metrics.csv beside any logger, DDP as adversarial training needs it."""
        given = self.config_init["trainer"]
        if "strategy" not in given:  # "trainer:" and nothing below it has put nothing in the place of the defaults
            raise ValueError("trainer: has no values; give it some, or leave the key out")
        if given["logger"] is True:
            raise ValueError("trainer.logger is true; give a logger's class_path, or false for metrics.csv alone")
        dashboards = given["logger"] or []
        if not isinstance(dashboards, list):
            dashboards = [dashboards]
        kwargs["logger"] = [*dashboards, MetricsCsv(given["default_root_dir"])]
        if given["strategy"] == "auto" and num_devices(given) * given["num_nodes"] > 1:
            kwargs["strategy"] = "ddp_find_unused_parameters_true"  # one player at a time has gradients
        trainer = super().instantiate_trainer(**kwargs)
        # max_time's timer first, then signals: the others look whether training stops with this step.
        trainer.callbacks[:0] = [StopSignals(), BadFiles()]  # type: ignore[attr-defined]
        trainer.callbacks.sort(key=lambda callback: not isinstance(callback, Timer))  # type: ignore[attr-defined]
        environment = trainer._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment):
            environment.auto_requeue = False  # Lightning would save within its signal handler, between two updates
        return trainer


class ParsedCLI(ExperimentCLI):
    """The same up to the objects, of which it makes none."""

    def instantiate_classes(self) -> None:
        """Leave it at the config."""


def num_devices(trainer: Any) -> int:
    """How many processes a node gets, where the trainer's settings tell."""
    devices = trainer["devices"]
    if devices in ("auto", -1, "-1"):
        on_gpus = trainer["accelerator"] in ("auto", "gpu", "cuda")
        return max(torch.cuda.device_count(), 1) if on_gpus else 1
    if isinstance(devices, list):
        return len(devices)
    return int(devices) if str(devices).isdigit() else len(str(devices).split(","))


def forbid_code(more_packages: list[str]) -> None:
    """A config names classes of trusted packages, and paths within itself; it cannot run or fetch anything else."""
    set_parsing_settings(
        import_path_denylist=["*"],
        import_path_allowlist=[*TRUSTED_PACKAGES, *more_packages],
        config_read_mode_urls_enabled=False,
        config_read_mode_fsspec_enabled=False,  # Lightning turns it on: a class path that is a URL would be fetched
    )
    for name in RESOLVERS:
        OmegaConf.clear_resolver(f"oc.{name}")
    read_yaml = get_loader("yaml")
    unreadable = (yaml.YAMLError, AttributeError)  # AttributeError: !!timestamp of something else
    set_loader(MODE, lambda text: read_yaml(refuse_yaml_bomb(text)), exceptions=unreadable)


def refuse_functions(value: Any) -> None:
    """See that a config makes objects of classes only: where a key takes a callable, functions could do anything.

    Raises: ValueError that names the first that is none.
    """
    content = vars(value) if isinstance(value, Namespace) else value
    if isinstance(content, dict):
        path = content.get("class_path")
        if isinstance(path, str) and not isclass(import_object(path)):
            raise ValueError(f"{path} is no class; a config names classes alone")
    elif not isinstance(content, list | tuple):
        return
    for each in content.values() if isinstance(content, dict) else content:
        refuse_functions(each)


def parse_and_instantiate(
    arguments: list[str], run_folder: Path, more_help: str = "", cli: type[ExperimentCLI] = ExperimentCLI
) -> ExperimentCLI:
    """Parse the config into objects, with ParsedCLI into none; a mistake becomes one line."""
    parsers: list[LightningArgumentParser] = []

    def make_parser(**settings: Any) -> LightningArgumentParser:
        parsers.append(LightningArgumentParser(**settings))
        return parsers[0]

    try:
        return cli(
            run_folder,
            save_config_callback=None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_class=make_parser,
            parser_kwargs={**PARSER_SETTINGS, "prog": "train.py", "epilog": more_help},
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=arguments,
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )
    except (ArgumentError, MisconfigurationException, OmegaConfBaseException, ValueError, OSError) as error:
        raise UserError(without_secrets(one_line(str(error), parsers[0]))) from error
    except RecursionError as error:
        raise UserError("the config refers to itself") from error


def quieten() -> None:
    """Leave the screen to what a person needs: no tips, no remarks on what this project does on purpose."""
    for talker in (
        "pytorch_lightning.utilities.rank_zero",
        "lightning_fabric.utilities.seed",
        "lightning_fabric.utilities.distributed",
    ):
        logging.getLogger(talker).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # PyTorch's own
        ".*litlogger.*",
        ".*args parameter is intended to run from within Python.*",
        ".*srun. command is available.*",
        ".*does not have many workers.*",
        ".*module.s. in eval mode at the start of training.*",  # the generator's moving average
        ".*weights_only. was not set.*",
        "\\s*Unable to serialize instance.*",  # jsonargparse's, of a value that it refuses in the next line
        r".*lr_scheduler.step\(\). before .optimizer.step\(\).*",  # the generator waits for discriminator_steps
    ):
        warnings.filterwarnings("ignore", message=message)
