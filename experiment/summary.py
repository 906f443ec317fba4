"""What a person reads before and after training."""

from pathlib import Path
from signal import Signals

from torch import nn

from callbacks.curves import read_measured
from experiment.command_line import Experiment
from experiment.run_folder import CHECKPOINTS
from tensor_files.committed import committed, step_of


def describe(experiment: Experiment) -> str:
    """What is trained on what, with how many parameters, and where the results go."""
    model, trainer = experiment.model, experiment.trainer
    players = [
        f"{type(network).__name__} ({num_trained(network) / 1e6:.1f} M parameters)"
        for network in model.children()
        if num_trained(network)
    ]
    objective = type(getattr(model, "objective", model)).__name__
    device = f"{trainer.world_size} x {trainer.strategy.root_device.type}"
    goes_on = f"going on from {shown(experiment.resume)}\n" if experiment.resume else ""
    return (
        f"{goes_on}training {' and '.join(players)} with {objective}, {trainer.precision} on {device}\n"
        f"on {summary_of(experiment.datamodule)}\n"
        f"results in {shown(experiment.run_folder)}"
    )


def stopped(experiment: Experiment, signal: Signals) -> str:
    """What to do after a signal."""
    return (
        f"stopped by {signal.name} and saved after step {experiment.trainer.global_step}; the same command with "
        f"--run_folder {shown(experiment.run_folder)} goes on"
    )


def summarise(experiment: Experiment) -> str:
    """Where everything lies, and how each metric went."""
    folder = experiment.run_folder
    saved = committed(folder / CHECKPOINTS)
    num_steps = step_of(saved[-1]) if experiment.is_finished and saved else experiment.trainer.global_step
    lines = [f"trained {num_steps} steps; results in {shown(folder)}"]
    for text, pattern in (
        ("sample videos", "samples/*.mp4"),
        ("metrics", "metrics"),
        ("curves", "curves.png"),
        ("checkpoints", "checkpoints/last.ckpt"),
        ("W&B run", "wandb/*run-*"),
    ):
        found = sorted(folder.glob(pattern))
        if found:
            lines.append(f"  {text:14} {shown(found[-1])}")
    for key, curve in sorted(read_measured(folder / "metrics").items()):
        (first_step, first), *_, (last_step, last) = [*curve.items(), *curve.items()]
        lines.append(f"  {key:30} {first:.4g} at step {first_step} -> {last:.4g} at step {last_step}")
    return "\n".join(lines)


def summary_of(datamodule: object) -> str:
    """The data's own line, where it has one."""
    summary = getattr(datamodule, "summary", None)
    return summary() if callable(summary) else type(datamodule).__name__


def num_trained(network: nn.Module) -> int:
    """How many numbers of a network are trained."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def shown(path: Path) -> Path:
    """The path as short as it can be written from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
