"""Random numbers that are a function of integers."""

import numpy as np
import torch

# The last entry of every random seed: what its numbers are for.  Each of the discriminator's calls within an update has
# augmentations of its own: AUGMENTATION, AUGMENTATION + 1, ...
LATENTS, NOISE, EVALUATION, VIEW, AUGMENTATION = range(5)
NO_PLAYER = 2  # after the discriminator's 0 and the generator's 1


def seed_own_draws(seed: int, step: int, rank: int) -> None:
    """Make what networks draw themselves (dropout) a function of the arguments, so that a run goes on exactly."""
    torch.manual_seed(torch_generator(seed, step, NO_PLAYER, rank).initial_seed())


def torch_generator(seed: int, position: int, player: int, purpose: int) -> torch.Generator:
    """Random numbers on the CPU that depend on the arguments alone, alike on every machine.

    All four are always given: NumPy fills a shorter key with zeros, and (seed, 7) would be (seed, 7, 0, 0).
    """
    state = np.random.SeedSequence((seed, position, player, purpose)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)  # torch takes 63 bits
