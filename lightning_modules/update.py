"""What one update of a player is made from, and in how many parts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from losses.base import Draw, Opinion, identity
from networks.base import Discriminator, Generator, Judgement, Latents, Synthesis, View

Augment = Callable[[Tensor, int, slice], Tensor]  # clips, number of the call, which clips of this process's batch


@dataclass(frozen=True)
class Update:
    """This process's share of one update: real clips with their labels, and all that was drawn for them.

    Args:
        player: "discriminator" or "generator".
        step: the training step, from 0.
        number: how many updates this player has had before.
        clips: real clips (B, C, T, H, W).
        labels: (B,).
        latents: for B videos.
        view: what the discriminator sees of each clip, real and fake.
        noise: what the objective asked for.
        rows: where these clips stand in this process's batch.
    """

    player: str
    step: int
    number: int
    clips: Tensor
    labels: Tensor
    latents: Latents
    view: View
    noise: dict[str, Tensor]
    rows: slice

    def parts(self, num_parts: int) -> Iterator["Update"]:
        """Equal parts of it, in order.

        Raises: ValueError if it cannot be divided.
        """
        size, rest = divmod(len(self.clips), num_parts)
        if rest:
            raise ValueError(f"{len(self.clips)} clips cannot be divided into {num_parts} equal parts")
        for first in range(0, len(self.clips), size):
            rows = slice(first, first + size)
            yield Update(
                self.player,
                self.step,
                self.number,
                self.clips[rows],
                self.labels[rows],
                sliced(self.latents, rows),
                sliced(self.view, rows),
                sliced(self.noise, rows),
                rows,
            )

    def fake_seen_by(self, discriminator: Discriminator, generator: Generator) -> Synthesis:
        """What the discriminator sees of the generator's videos, float32; a generator that can, makes no more."""
        if self.view and self.view.keys() == generator.renders:
            return Synthesis(generator.render(self.latents, self.labels, self.view).float(), {})
        videos, intermediates = generator.synthesize(self.latents, self.labels)
        return Synthesis(discriminator.look(videos.float(), self.view), intermediates)

    def draw(
        self, intermediates: dict[str, Tensor], mean_over_processes: Callable[[Tensor], Tensor] = identity
    ) -> Draw:
        """What the objective gets to know of it."""
        return Draw(self.step, self.noise, self.latents, intermediates, self.number, mean_over_processes)


class Judge:
    """The discriminator as an objective calls it: with this update's view, and every call's clips augmented anew."""

    def __init__(self, discriminator: Discriminator, update: Update, augment: Augment | None) -> None:
        self.discriminator = discriminator
        self.update = update
        self.augment = augment
        self.num_calls = 0

    def __call__(self, seen: Tensor, labels: Tensor | None) -> Judgement | Opinion:
        """Judge clips, (B, ...) as the discriminator sees them."""
        if self.augment is not None:
            seen = self.augment(seen, self.num_calls, self.update.rows)
            self.num_calls += 1
        return self.discriminator(seen, labels, self.update.view)


def sliced(drawn: dict[str, Tensor], rows: slice) -> dict[str, Tensor]:
    """Some rows of each tensor."""
    return {name: values[rows] for name, values in drawn.items()}


def summed(means: dict[str, Tensor], more: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Running means over parts: each part adds its share."""
    return {name: means.get(name, torch.zeros_like(value)) + share * value for name, value in more.items()}
