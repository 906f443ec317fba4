"""Random numbers that are a function of integers."""

import numpy as np
import torch

# The last entry of every random seed: what its numbers are for.  Each of the discriminator's calls within an update has
# augmentations of its own: AUGMENTATION, AUGMENTATION + 1, ...
LATENTS, NOISE, EVALUATION, VIEW, AUGMENTATION = range(5)


def torch_generator(seed: int, position: int, player: int, purpose: int) -> torch.Generator:
    """Random numbers on the CPU that depend on the arguments alone, alike on every machine.

    All four are always given: NumPy fills a shorter key with zeros, and (seed, 7) would be (seed, 7, 0, 0).
    """
    state = np.random.SeedSequence((seed, position, player, purpose)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)  # torch takes 63 bits
