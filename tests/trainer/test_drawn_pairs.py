"""Pairs that are drawn out of some items, against all that there are."""

import tracemalloc
from collections import Counter
from itertools import combinations, permutations, product

import numpy as np
import pytest

from tf_metammf.trainer.labelling.drawn_pairs import distinct_pairs


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 8])
def test_all_pairs_of_few_items_are_drawn_once_where_all_are_wanted(count):
    items = np.arange(count) * 3 + 5
    every = {tuple(pair) for pair in combinations(items.tolist(), 2)}
    for wanted in (len(every), len(every) + 10):
        drawn = distinct_pairs(items, wanted, np.random.default_rng(count))
        assert len(drawn) == len(every)
        assert {(min(pair), max(pair)) for pair in drawn.tolist()} == every
    assert len(distinct_pairs(items[:1], 5, np.random.default_rng(0))) == 0
    assert len(distinct_pairs(items[:0], 5, np.random.default_rng(0))) == 0


@pytest.mark.parametrize(("count", "wanted"), [(4, 1), (4, 2), (5, 2), (6, 1)])
def test_every_set_of_pairs_is_equally_likely(count, wanted):
    """Over all that a generator could draw, of which NumPy draws each as often."""
    every = [*combinations(range(count), 2)]

    class Enumerated:
        """Draws numbers and orders that are given."""

        def __init__(self, numbers, swaps):
            self.numbers, self.swaps = numbers, swaps

        def choice(self, population, size, *, replace):
            assert (population, size, replace) == (len(every), wanted, False)
            return np.array(self.numbers)

        def random(self, size):
            return np.where(self.swaps, 0.25, 0.75)

    found = Counter(
        tuple(map(tuple, distinct_pairs(np.arange(count), wanted, Enumerated(numbers, swaps)).tolist()))
        for numbers in permutations(range(len(every)), wanted)
        for swaps in product([False, True], repeat=wanted)
    )
    both_orders = [*every, *(pair[::-1] for pair in every)]
    expected = [
        drawn for drawn in product(both_orders, repeat=wanted) if len({frozenset(pair) for pair in drawn}) == wanted
    ]
    assert found == Counter(expected)


def test_pairs_of_a_million_items_take_no_memory_but_for_what_is_drawn():
    items = np.arange(10**6)
    tracemalloc.start()
    drawn = distinct_pairs(items, 1000, np.random.default_rng(0))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20
    assert len({frozenset(pair) for pair in drawn.tolist()}) == 1000
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert drawn.max() > 900_000
