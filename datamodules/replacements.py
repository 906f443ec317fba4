"""Which clip stands in for one whose file is bad: a pure function of what chooses clips and of the position."""

from collections.abc import Callable, Iterator

import numpy as np

from datamodules.clip_sampling import ClipChoice

_REPLACEMENT = 6  # the second entry of every random seed, see `clip_sampling` and `sampling_rules`
_FAR, _NUM_FAR = 1 << 40, 1 << 20  # positions to which no run comes; not more, as each epoch has to be shuffled
_MOST_DRAWN = 1000


def choices_at(
    position: int, choose: Callable[[int], ClipChoice], label_of: Callable[[int], int]
) -> Iterator[ClipChoice]:
    """The clip at a position, then those that replace it, one after the other, each of another video.

    A replacement is a clip of the same stream that stands at a position, drawn from `position`, where no run arrives.
    So it comes by the same rule, with a stride, a start and a flip of its own, and depends on nothing that has happened
    before.  It is of the same class where that has other videos, as a thousand draws tell, then of any.

    Args:
        position: 0 or above.
        choose: which clip stands at a position.
        label_of: the class of a video.
    """
    first = choose(position)
    yield first
    tried = {first.video}
    for must_be_alike in (True, False):
        rng = np.random.default_rng([int(must_be_alike), _REPLACEMENT, position])
        for _ in range(_MOST_DRAWN):
            choice = choose(_FAR + int(rng.integers(_NUM_FAR)))
            if choice.video in tried or (must_be_alike and label_of(choice.video) != label_of(first.video)):
                continue
            tried.add(choice.video)
            yield choice
