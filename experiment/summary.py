"""What a person reads before and after training."""

from torch import nn

from experiment.command_line import Experiment


def describe(experiment: Experiment) -> str:
    """What is trained on what, with how many parameters, and where the results go."""
    model, trainer = experiment.model, experiment.trainer
    parts = ", ".join(
        f"{type(part).__name__} ({num_parameters(part) / 1e6:.1f} M)"
        for part in model.children()
        if any(parameter.requires_grad for parameter in part.parameters())
    )
    objective = type(getattr(model, "objective", None)).__name__
    device = f"{trainer.world_size} x {type(trainer.accelerator).__name__.removesuffix('Accelerator').lower()}"
    return (
        f"{type(model).__name__}: {parts}, {objective}\n"
        f"data: {experiment.datamodule}\n"
        f"on {device}, {trainer.precision}; results in {experiment.run_folder}"
    )


def num_parameters(network: nn.Module) -> int:
    """Trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
