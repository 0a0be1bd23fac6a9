"""Views of memory: the same elements as NumPy's reshape, transpose and slice give."""

from __future__ import annotations

import numpy as np
import pytest

from converters.c.views import Buffer, Factor, View, array_of, dense, joined, loops, merged

DATA = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)


@pytest.fixture
def view() -> View:
    return dense(Buffer("x", DATA.size, "constant", data=DATA), DATA.shape)


def test_reshape_of_a_transposed_tensor_moves_nothing_where_factors_fit(view: View) -> None:
    turned = view.transposed((0, 2, 3, 1))  # (2, 4, 6, 3)
    seen = turned.reshaped((2, 24, 3))
    assert seen is not None and seen.stride(1) == 1
    np.testing.assert_array_equal(array_of(seen), DATA.transpose(0, 2, 3, 1).reshape(2, 24, 3))
    split = turned.reshaped((2, 4, 2, 9))
    assert split is not None and split.stride(3) is None
    np.testing.assert_array_equal(array_of(split), DATA.transpose(0, 2, 3, 1).reshape(2, 4, 2, 9))


def test_reshape_that_would_tear_an_axis_is_none(view: View) -> None:
    assert view.transposed((0, 2, 1, 3)).reshaped((2, 3, 4, 6)) is None
    part = view.sliced(3, 1, 5)
    assert part is not None and part.reshaped((2, 3, 10, 2)) is None


def test_slices(view: View) -> None:
    part = view.sliced(3, 1, 3, 2)
    assert part is not None
    np.testing.assert_array_equal(array_of(part), DATA[..., 1:7:2])
    whole = view.reshaped((6, 24))
    assert whole is not None
    turned = view.transposed((0, 1, 3, 2)).reshaped((6, 24))  # an axis of two factors
    assert turned is not None and turned.stride(1) is None
    even, uneven = turned.sliced(1, 4, 8), turned.sliced(1, 3, 8)
    assert even is not None and uneven is None
    np.testing.assert_array_equal(array_of(even), DATA.transpose(0, 1, 3, 2).reshape(6, 24)[:, 4:12])


def test_broadcast_repeats_without_memory(view: View) -> None:
    row = view.sliced(1, 1, 1)
    assert row is not None
    wide = row.broadcast((2, 5, 4, 6))
    assert wide.stride(1) == 0
    np.testing.assert_array_equal(array_of(wide), np.broadcast_to(DATA[:, 1:2], (2, 5, 4, 6)))


def test_loops_over_views_are_as_few_as_can_be(view: View) -> None:
    other = dense(Buffer("y", DATA.size), DATA.shape)
    assert [(loop.size, loop.strides) for loop in loops([view, other])] == [(144, (1, 1))]
    channels_last = dense(Buffer("z", DATA.size), DATA.shape, (0, 2, 3, 1))
    found = loops([view, channels_last])
    assert [(loop.size, loop.strides) for loop in found] == [(2, (72, 72)), (3, (24, 1)), (24, (1, 3))]


def test_loops_split_an_axis_where_one_view_has_two_factors() -> None:
    torn = View(Buffer("x", 99), 0, ((Factor(2, 50), Factor(6, 1)),))
    plain = dense(Buffer("y", 12), (12,))
    assert [(loop.size, loop.strides) for loop in loops([torn, plain])] == [(2, (50, 6)), (6, (1, 1))]
    with pytest.raises(ValueError, match="dimensions made of"):
        loops(
            [
                torn,
                View(Buffer("z", 99), 0, ((Factor(4, 20), Factor(3, 1)),)),
                View(Buffer("w", 9), 0, ((Factor(5, 2), Factor(7, 1)),)),
            ]
        )


def test_merged_factors() -> None:
    assert merged([Factor(1, 9), Factor(2, 12), Factor(3, 4), Factor(4, 1)]) == (Factor(24, 1),)
    assert joined([]) == []
