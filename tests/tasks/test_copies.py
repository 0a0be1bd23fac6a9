"""What is opened goes to other processes by what it was made from, or says how to get it there."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.data import ROOT
from zoo.arrays import Array
from zoo.tasks.enhancement.enhancer import Enhancer

Exported = Callable[..., Path]
Folder = Callable[[str], Path]
ELSEWHERE = """
import pickle, sys
import numpy as np
enhancer, noisy = pickle.load(open(sys.argv[1], "rb"))
np.save(sys.argv[2], enhancer(noisy))
"""


def test_an_enhancer_is_opened_again(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech_16k: Array
) -> None:
    """In another process and another folder too, though its path was relative."""
    path, noisy = exported("fastenhancer_t"), speech_16k[20000:24000]
    monkeypatch.chdir(path.parent)
    for source in ("gtcrn", path.name, Path(path.name)):
        enhancer = Enhancer(source, threads=2)
        expected = enhancer(noisy)
        (tmp_path / "x.pickle").write_bytes(pickle.dumps((enhancer, noisy)))
        command = [sys.executable, "-c", ELSEWHERE, tmp_path / "x.pickle", tmp_path / "y.npy"]
        subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
        for twin in (copy.copy(enhancer), copy.deepcopy(enhancer)):
            assert twin is not enhancer and twin.session is enhancer.session
            np.testing.assert_array_equal(twin(noisy), expected)


def test_a_network_or_session_does_not() -> None:
    sources = [Enhancer("gtcrn").session]
    if find_spec("torch"):
        sources.append(zoo.create_model("fastenhancer_t", "speechzoo"))
    for source in sources:
        enhancer = Enhancer(source)
        with pytest.raises(
            TypeError, match=r"from a network or session, .*; make it from a model's name or an"
        ):
            pickle.dumps(enhancer)
        assert copy.copy(enhancer).session is enhancer.session


def test_streams_say_how_to_pass_them() -> None:
    batcher = zoo.StreamBatcher("gtcrn")
    twin = pickle.loads(pickle.dumps(batcher))
    assert len(twin) == 0 and twin.session is not batcher.session
    assert copy.copy(batcher).session is batcher.session and copy.deepcopy(batcher)._lock is not batcher._lock
    for stream in (zoo.Enhancer("gtcrn").stream(), batcher.join()):
        for call in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(
                TypeError, match=r"tream cannot be pickled or copied: pass the .* where it is used"
            ):
                call(stream)
    for call in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="has 1 streams, which cannot be pickled or copied"):
            call(batcher)


def test_a_synthesizer_and_an_embedder(
    speaker_graph: Folder, speaker_folder: Folder, speech_16k: Array
) -> None:
    synthesizer = zoo.Synthesizer()
    twin = pickle.loads(pickle.dumps(synthesizer))
    np.testing.assert_array_equal(twin("Hello.").mel, synthesizer("Hello.").mel)
    assert copy.copy(synthesizer).session is synthesizer.session
    path = speaker_graph("resnet18")
    embedder = zoo.Embedder(path, mean=np.ones(zoo.Embedder(path).embedding), window=20)
    twin = pickle.loads(pickle.dumps(embedder))
    assert twin.mean_subtracted and twin._window == embedder._window
    np.testing.assert_array_equal(twin(speech_16k[:32000]), embedder(speech_16k[:32000]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_after_load_works(speech_16k: Array) -> None:
    """Of an enhancer, a stream in the middle and a batcher, each with one thread."""
    enhancer, batcher, noisy = Enhancer("gtcrn"), zoo.StreamBatcher("gtcrn"), speech_16k[20000:28000]
    stream, batched = enhancer.stream(), batcher.join()
    stream.push(noisy[:4000])
    batcher.push({batched: noisy[:4000]})
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def work() -> list[Array]:
        return [enhancer(noisy), stream.push(noisy[4000:]), batcher.push({batched: noisy[4000:]})[batched]]

    child = context.Process(target=lambda: queue.put(work()))
    child.start()
    got = queue.get()
    child.join(60)
    assert child.exitcode == 0
    for one, other in zip(got, work(), strict=True):
        np.testing.assert_array_equal(one, other)


FORK = """
import os, sys
import numpy as np
import zoo

enhancer, noise = zoo.Enhancer(threads=2), np.random.default_rng(0).standard_normal(8000) / 10
expected = enhancer(noise, 16000)
child = os.fork()
if child == 0:
    sys.exit(0 if np.array_equal(enhancer(noise, 16000), expected) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_of_an_enhancer_with_threads_ends() -> None:
    """Although it has none of the threads that the enhancer waits for when it is closed."""
    words = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
