"""Streams go on: nothing too large comes in, and a network that gives no finite values begins anew."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from zoo.arrays import Array
from zoo.cli import main
from zoo.errors import AudioError
from zoo.signal.samples import LARGEST
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.session import Session
from zoo.tasks.enhancement.stream import Stream

Exported = Callable[..., Path]


@pytest.mark.parametrize("name", ["gtcrn", "fastenhancer_t", "lisennet"])
@pytest.mark.parametrize("form", ["wav2wav", "spec2spec"])
def test_the_largest_samples_leave_no_trace(exported: Exported, name: str, form: str) -> None:
    """Noise and impulses of the largest magnitude that is taken, then speech: finite, and no reset."""
    stream = Stream(open_session(exported(name, form)))
    rng = np.random.default_rng(0)
    loud = LARGEST * np.sign(rng.normal(size=16000)).astype(np.float32)
    loud[::7] = 0
    quiet = 0.1 * rng.normal(size=16000).astype(np.float32)
    for block in (loud, quiet, np.full(16000, LARGEST), quiet, np.full(16000, 1e-41)):
        assert np.isfinite(stream.push(block)).all()
    assert stream.resets == 0
    for value in (1e20, -1e29, 1e7):
        block = quiet.copy()
        block[5] = value
        with pytest.raises(AudioError, match=rf"sample 80005 is {value:.7g}".replace("+", r"\+")):
            stream.push(block)
    assert np.isfinite(stream.push(quiet)).all() and stream.resets == 0


def poison(state: dict[str, Array], row: int) -> None:
    name = next(name for name in state if name not in ("stft.past", "istft.overlap"))
    state[name][row] = np.nan


def test_a_state_that_is_not_finite_begins_anew(exported: Exported, speech_16k: Array) -> None:
    session = open_session(exported("fastenhancer_t"))
    stream, fresh = Stream(session), Stream(session)
    first, second = speech_16k[20000:28000], speech_16k[28000:40000]
    assert len(stream.push(first))
    poison(stream._loop.state, 0)  # type: ignore[union-attr, arg-type]
    got = np.concatenate([stream.push(second), stream.flush()])
    assert stream.resets == 1 and np.isfinite(got).all()
    whole = len(first) // session.block_length * session.block_length
    again = np.concatenate([fresh.push(speech_16k[20000 + whole : 40000]), fresh.flush()])
    assert len(got) > len(second)
    np.testing.assert_allclose(got[-10000:], again[-10000:], atol=1e-6)
    stream.reset()
    assert stream.resets == 0


@pytest.mark.parametrize("form", ["wav2wav", "spec2spec"])
def test_neighbours_in_a_batcher_do_not_notice(exported: Exported, form: str, speech_16k: Array) -> None:
    path = exported("fastenhancer_t", form, streams="streams", hops="hops")
    waves = [speech_16k[i * 9000 :][:16000] for i in range(3)]

    def traffic(broken: bool) -> tuple[list[Array], list[int]]:
        batcher = zoo.StreamBatcher(path)
        streams = [batcher.join() for _ in waves]
        parts = [batcher.push({s: wave[:8000] for s, wave in zip(streams, waves, strict=True)})]
        if broken:
            poison(batcher._state, 1)
        parts.append(batcher.push({s: wave[8000:] for s, wave in zip(streams, waves, strict=True)}))
        parts.append(batcher.flush(streams))
        return [np.concatenate([p[s] for p in parts]) for s in streams], [s.resets for s in streams]

    (expected, none), (computed, resets) = traffic(False), traffic(True)
    assert none == [0, 0, 0] and resets == [0, 1, 0]
    for stream in (0, 2):
        assert np.array_equal(expected[stream], computed[stream])
    assert np.isfinite(computed[1]).all() and len(computed[1]) == len(expected[1])
    assert not np.array_equal(expected[1], computed[1])


def breaking(session: Session, calls: range) -> Session:
    """The session, whose output is NaN in these calls."""
    run, count = session.run, iter(range(10**9))

    def broken(hops: Array, state: dict[str, Array]) -> tuple[Array, object]:
        output, after = run(hops, state)
        return output * np.float32(np.nan) if next(count) in calls else output, after

    session.run = broken  # type: ignore[method-assign, assignment]
    return session


def test_a_network_that_never_gives_finite_output_is_an_error(exported: Exported, speech_16k: Array) -> None:
    path = exported("fastenhancer_t", streams="streams", hops="hops")
    with pytest.raises(AudioError, match="its output is not finite from sample 0 on; its weights"):
        Stream(breaking(open_session(path), range(0, 99))).push(speech_16k[:8000])
    batcher = zoo.StreamBatcher(breaking(open_session(path), range(0, 99)))
    with pytest.raises(AudioError, match=r"stream 0: .* its output is not finite from sample 0"):
        batcher.push({batcher.join(): speech_16k[:8000], batcher.join(): speech_16k[:8000]})


def test_resets_are_told(
    exported: Exported,
    tmp_path: Path,
    speech_16k: Array,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = exported("fastenhancer_t")
    with pytest.warns(RuntimeWarning, match="resets of the network: 1 "):
        zoo.Enhancer(breaking(open_session(path), range(1)))(speech_16k[:9000])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.Enhancer(path)(speech_16k[:9000])
    soundfile.write(tmp_path / "a.wav", speech_16k[:9000], 16000)
    enhancer = zoo.Enhancer(breaking(open_session(path), range(1)))
    monkeypatch.setattr("zoo.cli.enhance.open_enhancer", lambda args: enhancer)
    assert main(["enhance", str(tmp_path / "a.wav")]) == 0
    assert "a.enhanced.wav: resets of the network: 1 " in capsys.readouterr().err
    soundfile.write(tmp_path / "b.wav", np.r_[np.zeros(8000), 1e30], 16000, "FLOAT")
    assert main(["enhance", str(tmp_path / "b.wav")]) == 1
    assert "the sample at 0.500 s is 1e+30; samples in [-1, 1] are expected" in capsys.readouterr().err
    assert not (tmp_path / "b.enhanced.wav").exists()
