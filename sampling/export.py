"""A run's generator as a folder to publish: weights that cannot hold code, config, card."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from evaluation.trained_run import TrainedRun
from experiment.run_folder import CONFIG, PUBLISHED
from metrics.card import versions
from tensor_files.committed import commit
from tensor_files.loading import FORMAT, FORMAT_KEY
from tensor_files.whole_files import sha256_of, whole_file


def export(run: TrainedRun, folder: Path, fps: float) -> None:
    """Write what makes a run's videos, and nothing else, into a new folder.

        generator.safetensors  the weights that `run` uses, and beside it their SHA-256
        config.yaml            model and data, without the paths of this machine
        card.json              what it is, in plain values; README.md says it in words

    sample.py and evaluate.py open the folder as they open a run's.
    Raises: ValueError if the folder holds anything.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"--export {folder}: there is something already; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    weights = run.module.generator_ema.average.state_dict()
    metadata = {
        "format": "pt", "step": str(run.step), "weights": run.module.generator_ema.holds,
        f"kinogan_{FORMAT_KEY}": str(FORMAT),
    }  # fmt: skip
    commit(folder / PUBLISHED, lambda file: file.write(as_safetensors(weights, metadata)))
    card = card_of(run, folder / PUBLISHED, fps)
    config = {part: without_local_paths(run.config[part]) for part in ("model", "data")}
    config["model"].setdefault("init_args", {})["truncation"] = run.module.truncation
    for name, text in (
        (CONFIG, yaml.safe_dump(config, sort_keys=False)),
        ("card.json", json.dumps(card, indent=1) + "\n"),
        ("README.md", in_words(card)),
    ):
        with whole_file(folder / name) as file:
            file.write(text.encode())


def as_safetensors(weights: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """The content of a safetensors file; tensors that share memory are written each."""
    from safetensors.torch import save

    return save({name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}, metadata)


def card_of(run: TrainedRun, weights: Path, fps: float) -> dict[str, Any]:
    """What the weights are, where they are from, and what was measured on them while training."""
    generator = run.module.generator
    return {
        "generator": f"{type(generator).__module__}.{type(generator).__name__}",
        "num_parameters": sum(parameter.numel() for parameter in generator.parameters()),
        "video_shape": list(generator.video_shape),
        "fps": fps,
        "num_classes": generator.num_classes,
        "step": run.step,
        **run.module.sampling,
        "weights_sha256": sha256_of(weights),
        "checkpoint_sha256": run.checkpoint_sha256,
        "metrics": measured(run.folder / "metrics", run.step),
        "versions": versions(),
    }


def measured(folder: Path, step: int) -> dict[str, float]:
    """The metrics of a training step, by their keys."""
    cards = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return {card["key"]: card["value"] for card in cards if card["step"] == step}


def without_local_paths(value: Any) -> Any:
    """A part of a config in which absolute paths are cut to their last name."""
    if isinstance(value, dict):
        return {key: without_local_paths(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_local_paths(each) for each in value]
    if isinstance(value, str) and value.startswith(("/", "~")):
        return Path(value).name
    return value


def in_words(card: dict[str, Any]) -> str:
    """The card as a page."""
    channels, num_frames, height, width = card["video_shape"]
    lines = [
        f"# {card['generator'].rpartition('.')[2]}",
        "",
        f"A generator of videos: {num_frames} frames of {height}x{width} with {channels} channels at "
        f"{card['fps']:g} frames per second, {card['num_parameters']:,} parameters, {card['num_classes']} classes. "
        f"{card['weights'].capitalize()} after {card['step']} training steps.",
        "",
        *(f"- {key}: {value:.4g}" for key, value in card["metrics"].items()),
        "",
        "Made with Kinogan. In its folder:",
        "",
        "    python sample.py THIS_FOLDER --output videos",
        "    python evaluate.py --real DATA --fake THIS_FOLDER --metrics fvd2048_16f",
        "",
        f"`sha256sum --check {Path(PUBLISHED).stem}.sha256` checks the weights.",
    ]
    return "\n".join(lines) + "\n"
