"""Starting from a trained run: all of it, or a few of its parameters."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from torch import nn

from losses.base import BATCH_NORMS
from tensor_files.loading import load_checkpoint
from tensor_files.starting_points import are_needed

PREFIXES = ("generator.", "generator_ema.average.", "discriminator.")


class FineTuning:
    """Loads both players from a checkpoint of a run and chooses which of their parameters go on learning.

    All of them by default.  FreezeD (Mo et al. 2020, arXiv:2002.10964) freezes the discriminator's first layers:
    `discriminator_frozen: ["layers.0.*", "layers.2.*"]`.  Learning scale and shift alone (Noguchi and Harada 2019,
    arXiv:1904.01774) names the norms: `generator_trained: ["*norm*"]`.  What the generator does not learn is taken from
    its moving average, whose samples were the good ones, and frozen batch norms keep their running statistics.  A run
    that goes on from its own checkpoint does not need the file.

    Args:
        checkpoint: a file of a run's checkpoints folder; None starts from fresh weights, with the choices below.
        generator_trained: patterns (as in a shell) of parameter names; others stay as they are.
        discriminator_trained: the same for the discriminator.
        generator_frozen: patterns of parameters that stay as they are although `generator_trained` names them.
        discriminator_frozen: the same for the discriminator.
        skip_mismatched: leave parameters fresh whose names or shapes are not those of the checkpoint, such as class
            embeddings of another data set, instead of refusing.

    Raises: ValueError if the checkpoint is of other networks, or if a pattern names no parameter; FileNotFoundError.
    """

    def __init__(
        self,
        checkpoint: str | None = None,
        generator_trained: Sequence[str] = ("*",),
        discriminator_trained: Sequence[str] = ("*",),
        generator_frozen: Sequence[str] = (),
        discriminator_frozen: Sequence[str] = (),
        skip_mismatched: bool = False,
    ) -> None:
        if checkpoint is not None and are_needed() and not Path(checkpoint).is_file():
            raise FileNotFoundError(f"fine_tuning.checkpoint: there is no file {checkpoint}")
        self.checkpoint = checkpoint
        self.trained = {"generator": generator_trained, "discriminator": discriminator_trained}
        self.frozen = {"generator": generator_frozen, "discriminator": discriminator_frozen}
        self.skip_mismatched = skip_mismatched

    def apply(self, module: nn.Module) -> None:
        """Load a module that has `generator`, `discriminator` and `generator_ema`, and choose what learns."""
        if self.checkpoint is not None and are_needed():
            self.load(module)
        for player in ("generator", "discriminator"):
            self.choose(player, module.get_submodule(player))
        average = dict(module.get_submodule("generator_ema.average").named_parameters())
        for name, parameter in module.get_submodule("generator").named_parameters():
            if not parameter.requires_grad:
                parameter.data.copy_(average[name])

    def load(self, module: nn.Module) -> None:
        """Copy the weights of both players, and of the generator's average."""
        try:
            saved = load_checkpoint(str(self.checkpoint))["state_dict"]
        except ValueError as error:
            raise ValueError(f"fine_tuning.checkpoint {error}") from error
        there = {name: value for name, value in saved.items() if name.startswith(PREFIXES)}
        here = {name: value for name, value in module.state_dict().items() if name.startswith(PREFIXES)}
        fitting = {name for name in here if name in there and here[name].shape == there[name].shape}
        unlike = sorted(({*here, *there}) - fitting)
        if unlike and (not self.skip_mismatched or not fitting):
            raise ValueError(
                f"fine_tuning.checkpoint {self.checkpoint} is of other networks: {unlike[0]} differs; give the config "
                "of that run, or set fine_tuning.skip_mismatched to leave such parameters fresh"
            )
        module.load_state_dict({name: there[name] for name in fitting}, strict=False)

    def choose(self, player: str, network: nn.Module) -> None:
        """Let only the chosen parameters of a player require gradients; what did not before stays so."""
        names = [name for name, _ in network.named_parameters()]
        for pattern in [*self.trained[player], *self.frozen[player]]:
            if not matching(names, [pattern]):
                raise ValueError(
                    f"fine_tuning: no parameter of the {player} is called {pattern}; they are called {names[0]}, "
                    f"..., {names[-1]}"
                )
        learning = matching(names, self.trained[player]) - matching(names, self.frozen[player])
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name in learning)
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise ValueError(f"fine_tuning leaves the {player} nothing to learn")
        for module in network.modules():
            if isinstance(module, BATCH_NORMS) and not any(own.requires_grad for own in module.parameters()):
                module.momentum = 0.0  # its running statistics stay


def matching(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    """The names that one of the patterns describes."""
    return {name for name in names for pattern in patterns if fnmatchcase(name, pattern)}
