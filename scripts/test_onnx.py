"""Run an ONNX file on real audio and time it: python -m scripts.test_onnx --help"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.errors import SpeechZooError
from zoo.runtime.onnx import OnnxGraph
from zoo.signal.audio import AudioReader, AudioWriter, output_format
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.public_graph import open_foreign_session
from zoo.tasks.enhancement.session import Session, State

EXAMPLE = Path(__file__).parent.parent / "examples" / "noisy.wav"
WINDOWS = {"hann": "hann", "hann-sqrt": "sqrt_hann", "sqrt_hann": "sqrt_hann", "sine": "sine"}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.test_onnx", description=__doc__.split(":")[0])
    parser.add_argument("--onnx-path", type=Path, required=True)
    parser.add_argument("--audio-path", type=Path, default=EXAMPLE, help="default: examples/noisy.wav")
    parser.add_argument("--save-output", type=Path, help="write the enhanced audio (first channel) here")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default 1)")
    parser.add_argument(
        "--runs", type=int, default=1000, help="timed runs of an offline graph (default 1000)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    foreign = parser.add_argument_group("for files without a speechzoo manifest")
    foreign.add_argument("--sample-rate", type=int, default=16000, help="in Hz (default 16000)")
    foreign.add_argument("--hop-size", type=int, help="in samples (default half the window)")
    foreign.add_argument("--win-type", choices=tuple(WINDOWS), default="hann", help="default hann")
    arguments = parser.parse_args(argv)
    if arguments.runs < 1:
        parser.error("--runs: at least 1 is needed")
    try:
        session = TimedSession(_open(arguments))
        with AudioReader(arguments.audio_path) as reader:
            noisy = np.concatenate(list(reader.blocks(1 << 16)), axis=1)[0]
        rate = reader.format.sample_rate
        with tqdm(total=1.0, bar_format="{l_bar}{bar}", disable=not sys.stderr.isatty()) as bar:
            enhanced = Enhancer(session)(noisy, rate, lambda part: bar.update(part - bar.n))
        if not session.streaming:
            session.repeat(noisy[None], arguments.runs)
        figures = session.figures(len(noisy) / rate)
        if arguments.save_output:
            target = output_format(reader, arguments.save_output, channels=1)
            with AudioWriter(arguments.save_output, target, force=True) as writer:
                writer.write(enhanced[None])
    except SpeechZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:<40}{value:.5g}" for name, value in figures.items()))
    return 0


class TimedSession:
    """A session that keeps the time of every block, or of every whole recording if it takes only those."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seconds: list[float] = []
        self.name, self.backend = session.name, session.backend
        self.front_end, self.latency = session.front_end, session.latency
        self.block_length, self.streaming = session.block_length, session.streaming

    def initial_state(self) -> State:
        return self._session.initial_state()

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        """(1, K x block_length) -> (1, K x block_length), each block timed."""
        enhanced = []
        for start in range(0, hops.shape[1], self.block_length):
            before = time.perf_counter()
            wave, state = self._session.run(hops[:, start : start + self.block_length], state)
            self._seconds.append(time.perf_counter() - before)
            enhanced.append(wave)
        return np.concatenate(enhanced, axis=1), state

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), timed."""
        before = time.perf_counter()
        wave = self._session.whole(waveform)
        self._seconds.append(time.perf_counter() - before)
        return wave

    def repeat(self, waveform: Array, runs: int) -> None:
        """Time the whole recording (1, N) again and again."""
        self._seconds.clear()
        for _ in tqdm(range(runs), disable=not sys.stderr.isatty(), unit="run"):
            self.whole(waveform)

    def figures(self, duration: float) -> dict[str, float]:
        """What was measured.

        Args:
            duration: of the recording in seconds.
        """
        rate = self.front_end.sample_rate
        audio = self.block_length / rate if self.streaming else duration
        factors = np.array(self._seconds) / audio
        milliseconds, unit = (audio, "block") if self.streaming else (1.0, "second of audio")
        figures: dict[str, float] = {}
        for name, value in (
            ("mean", factors.mean()),
            ("median", np.median(factors)),
            ("99th percentile", np.percentile(factors, 99)),
            ("minimum", factors.min()),
            ("maximum", factors.max()),
        ):
            figures[f"real-time factor, {name}"] = float(value)
            figures[f"ms a {unit}, {name}"] = float(1e3 * value * milliseconds)
        if self.streaming:
            figures["ms of audio in a block"] = 1e3 * audio
            figures["latency in ms"] = Enhancer(self).latency().milliseconds["total"]
        return figures


def _open(arguments: argparse.Namespace) -> Session:
    if OnnxGraph(arguments.onnx_path).manifest is not None:
        return open_session(arguments.onnx_path, threads=arguments.threads)
    return open_foreign_session(
        arguments.onnx_path,
        sample_rate=arguments.sample_rate,
        hop_length=arguments.hop_size,
        window=WINDOWS[arguments.win_type],
        threads=arguments.threads,
    )


if __name__ == "__main__":
    sys.exit(main())
