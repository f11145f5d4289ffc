import numpy as np
import pytest
from numpy.typing import ArrayLike

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.pairs import ranking_pairs


def test_pairs_are_sorted_by_user_each_once_and_cut_into_equal_blocks() -> None:
    positives = ([7, 2, 7, 5, 7, 2], [1, 4, 0, 3, 1, 0])
    pairs = ranking_pairs(positives, [], users=9, items=5, maximum_block_rows=2)
    np.testing.assert_array_equal(pairs.users, [2, 5, 7])
    np.testing.assert_array_equal(pairs.positives.rows, [0, 0, 1, 2, 2])
    np.testing.assert_array_equal(pairs.positives.items, [0, 4, 3, 0, 1])
    np.testing.assert_array_equal(pairs.positives.offsets, [0, 3, 5])
    assert (pairs.block_rows, pairs.blocks) == (2, 2)


def test_blocks_are_evened_out() -> None:
    positives = (np.arange(10), np.zeros(10, np.int64))
    assert ranking_pairs(positives, [], users=10, items=1, maximum_block_rows=9).block_rows == 5


def test_masked_pairs_of_users_without_positives_are_dropped() -> None:
    masked = [([1, 2, 2], [0, 1, 1]), ([0, 2], [4, 3])]
    pairs = ranking_pairs(([2], [0]), masked, users=3, items=5, maximum_block_rows=4)
    np.testing.assert_array_equal(pairs.masked.rows, [0, 0])
    np.testing.assert_array_equal(pairs.masked.items, [1, 3])


def test_a_masked_positive_is_no_positive_and_is_counted() -> None:
    pairs = ranking_pairs(([0, 0, 1], [1, 2, 1]), [([0, 1], [1, 1])], users=2, items=3, maximum_block_rows=4)
    np.testing.assert_array_equal(pairs.users, [0])
    np.testing.assert_array_equal(pairs.positives.items, [2])
    assert pairs.masked_positives == 2


@pytest.mark.parametrize(
    ("positives", "masked", "message"),
    [
        (([0, 3], [0, 0]), ([], []), "positives: user id 3 is out of range, expected 0 to 2"),
        (([0, 1], [0, -1]), ([], []), "positives: item id -1 is out of range, expected 0 to 4"),
        (([0], [0]), ([1], [5]), "masked pairs: item id 5 is out of range"),
        (([0, 1], [0]), ([], []), "positives: found 2 arrays of shapes [(2,), (1,)]"),
        (([[0, 1]], [[0, 1]]), ([], []), "expected two flat ones of equal length"),
        (([0], [0], [0]), ([], []), "positives: found 3 arrays"),
        (([0.0], [0]), ([], []), "positives: user ids are float64, expected integers"),
        (([], []), ([], []), "full ranking: has 0 positives"),
        (([0], [1]), ([0], [1]), "full ranking: has 1 positives, which are all masked"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(
    positives: tuple[ArrayLike, ArrayLike], masked: tuple[ArrayLike, ArrayLike], message: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        ranking_pairs(positives, [masked], users=3, items=5, maximum_block_rows=4)
    assert message in str(refusal.value)
