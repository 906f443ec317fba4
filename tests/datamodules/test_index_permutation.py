import itertools
from collections import Counter

import numpy as np
import pytest

from datamodules import index_permutation
from datamodules.index_permutation import LONGEST_LIST, IndexPermutation


@pytest.fixture
def never_a_list(monkeypatch):
    """Small permutations are computed as long ones are."""
    monkeypatch.setattr(index_permutation, "LONGEST_LIST", 0)


def whole(size: int, *key: int) -> list[int]:
    return list(map(IndexPermutation(size, key), range(size)))


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 1000, 4095, 4097])
def test_every_number_stands_at_one_place(never_a_list, size):
    for key in range(3):
        assert sorted(whole(size, key)) == list(range(size))


@pytest.mark.parametrize("size", [LONGEST_LIST, LONGEST_LIST + 1])
def test_around_the_longest_list(size):
    permutation = IndexPermutation(size, (0, 0, 5))
    assert sorted(map(permutation, range(size))) == list(range(size))
    assert (permutation._list is None) is (size > LONGEST_LIST)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_every_order_of_a_few_is_equally_likely(never_a_list, size):
    num_orders = len(list(itertools.permutations(range(size))))
    counts = Counter(tuple(whole(size, 7, key)) for key in range(40 * num_orders))
    chi_square = sum((counts[order] - 40) ** 2 / 40 for order in itertools.permutations(range(size)))
    assert chi_square < num_orders + 5 * (2 * num_orders) ** 0.5  # mean + 5 standard deviations


def test_every_number_is_equally_likely_at_a_place_of_a_long_one():
    """3,000 keys, the numbers at a few places of a million in 100 bins."""
    size, num_keys = 10**6, 3000
    for place in (0, 1, 543_210, size - 1):
        bins = Counter(IndexPermutation(size, (key, 3))(place) // 10_000 for key in range(num_keys))
        chi_square = sum((bins[number] - num_keys / 100) ** 2 / (num_keys / 100) for number in range(100))
        assert 100 - 5 * 200**0.5 < chi_square < 100 + 5 * 200**0.5


def test_neighbours_of_a_long_one_are_unrelated():
    size = 10**7
    permutation = IndexPermutation(size, (1, 2, 3))
    numbers = np.array([permutation(place) for place in range(5000)]) / size
    for lag in (1, 2, 3, 100, 3163):  # 3163: the places of a row
        assert abs(np.corrcoef(numbers[:-lag], numbers[lag:])[0, 1]) < 5 / (5000 - lag) ** 0.5
    steps = np.diff(numbers)
    assert len(np.unique(np.round(steps, 6))) > 4900
    assert abs(numbers.mean() - 0.5) < 5 / (12 * 5000) ** 0.5


def test_other_keys_give_unrelated_orders():
    size = 10**6
    first, second = IndexPermutation(size, (0, 0, 0)), IndexPermutation(size, (0, 0, 1))
    assert sum(first(place) == second(place) for place in range(2000)) <= 2
    first, second = [first(place) for place in range(2000)], [second(place) for place in range(2000)]
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / 2000**0.5


def test_known_values():
    """Written down once: a change here would let resumed runs go on with other clips."""
    assert whole(8, 0, 0, 0) == np.random.default_rng([0, 0, 0]).permutation(8).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]
    permutation = IndexPermutation(10**7, (0, 0, 0))
    assert [permutation(place) for place in (0, 1, 9_999_999)] == [5862272, 4235234, 7646364]


def test_places_beyond_the_end():
    for size in (5, 10**6):
        for place in (-1, size):
            with pytest.raises(IndexError, match=f"place {place} of a permutation of {size}"):
                IndexPermutation(size, (0,))(place)
