"""What callers give for samples: what is taken, and that the advice in every refusal works."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from zoo.errors import AudioError
from zoo.signal.samples import LARGEST, SUSPECT, check_samples, rows_of


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.float16])
def test_the_advice_for_another_type_is_right(dtype: type) -> None:
    """Done as it says, silence is 0 and the extremes are next to -1 and 1."""
    extremes = np.array([-1.0, 0, 1])
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        middle = 0 if limits.min < 0 else 1 << limits.bits - 1
        extremes = np.array([limits.min, middle, limits.max])
    block = extremes.astype(dtype)
    with pytest.raises(AudioError, match=f"got {block.dtype}; pass") as caught:
        check_samples(block)
    advice = re.search("pass (.*) instead", str(caught.value))
    assert advice
    converted = check_samples(eval(advice[1]))[0]
    np.testing.assert_allclose(converted, [-1, 0, 1], atol=0.01)
    assert converted[1] == 0


@pytest.mark.parametrize("block", [[0, 1, -3], [True, False], ["a"], [1j], [object()]])
def test_the_advice_says_nothing_of_a_scale_that_is_not_known(block: list[object]) -> None:
    with pytest.raises(AudioError, match=r"pass .*np\.asarray\(block, np\.float32\)") as caught:
        check_samples(block)  # type: ignore[arg-type]
    assert "9223372036854775808" not in str(caught.value)


@pytest.mark.parametrize("shape", [(60, 2), (3, 2), (16000, 64), (60, 1)])
def test_channels_that_come_last(shape: tuple[int, int]) -> None:
    with pytest.raises(AudioError, match=r"if its channels come last, pass waveform\.T"):
        rows_of(np.zeros(shape))
    assert rows_of(np.zeros(shape).T).shape == shape[::-1]


def test_samples_far_beyond_full_scale() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_samples(np.array([SUSPECT, -SUSPECT, 1e-44]))
    with pytest.warns(UserWarning, match="if these are integers turned into floats, divide them by"):
        check_samples(np.array([0, -20000.0]))
    for value in (1.01 * LARGEST, -1e20, 1e29, 1e300, np.inf, np.nan):
        with pytest.raises(AudioError, match=rf"sample 8 is {re.escape(f'{value:.7g}')}; "):
            check_samples(np.array([0, value]), 7)
