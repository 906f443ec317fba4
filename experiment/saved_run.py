"""What a run was made of, built again from the config that it saved: no trainer, no loggers, no new folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from experiment.one_line import UserError, one_line
from experiment.parsing import PARSER_SETTINGS, forbid_code, refuse_functions
from experiment.run_folder import CHECKPOINTS, CONFIG, PUBLISHED
from experiment.safe_yaml import read_yaml
from tensor_files.starting_points import weights_come_later


def is_run_folder(path: str | Path) -> bool:
    """Whether a folder is of a run of train.py, or of a published generator: it has a config, and weights."""
    folder = Path(path)
    return (folder / CONFIG).is_file() and ((folder / CHECKPOINTS).is_dir() or (folder / PUBLISHED).is_file())


def read_config(run_folder: Path) -> dict[str, Any]:
    """The config that a run has saved.

    Raises: UserError, for the caller to say of which folder, if it has none.
    """
    path = run_folder / CONFIG
    if not run_folder.is_dir():
        raise UserError("there is no such run folder")
    try:
        config = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"is no folder of a run; there is no {CONFIG} that can be read") from error
    if not isinstance(config, dict) or not {"model", "data"} <= set(config):
        raise UserError(f"{CONFIG} is not the config of a run; it has no model and data")
    return config


def build_model(config: dict[str, Any], allow_packages: Sequence[str] = ()) -> LightningModule:
    """The module of a saved config, with fresh weights.

    The files that it started from are not read: the run's own checkpoint comes after it.
    Raises: UserError.
    """
    with torch.random.fork_rng(devices=[]), weights_come_later():
        return _instantiated("model", LightningModule, config["model"], allow_packages)


def build_datamodule(
    config: dict[str, Any], root: str | None = None, allow_packages: Sequence[str] = ()
) -> LightningDataModule:
    """The data module of a saved config, not yet prepared; `root` is where its videos lie now.

    Raises: UserError.
    """
    data = dict(config["data"])
    if root is not None:
        data["init_args"] = {**data.get("init_args", {}), "root": root}
    return _instantiated("data", LightningDataModule, data, allow_packages)


def _instantiated(key: str, base: type, content: dict[str, Any], allow_packages: Sequence[str]) -> Any:
    """The object that a part of a config describes; a mistake becomes one line."""
    forbid_code(list(allow_packages))
    parser = LightningArgumentParser(**PARSER_SETTINGS)
    parser.add_lightning_class_args(base, key, subclass_mode=True)
    try:
        parsed = parser.parse_object({key: content})
        refuse_functions(parsed)
        return parser.instantiate_classes(parsed)[key]
    except (ArgumentError, MisconfigurationException, ValueError, OSError) as error:
        raise UserError(f"{CONFIG}: {one_line(str(error), parser)}") from error
