"""Remove the noise from a microphone, live.

What the input device records is enhanced and played on the output device. A terminal shows meters. To give
other programs a microphone without noise, play on a virtual device and let them record from it: docs/live.md
tells how on Linux, macOS and Windows.

keys: b turns the enhancing off and on, at the same delay; + and - change the attenuation limit; q ends.

examples:
  speechzoo live --list-devices
  speechzoo live --input "USB microphone" --output "virtual cable" --monitor
  speechzoo live --record clean.wav --seconds 60
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.arrays import Array
from zoo.cli._arguments import above_zero, positive, print_table, writable
from zoo.cli._enhancer import add_enhancer_arguments, add_limit, open_enhancer
from zoo.cli._keys import Keys, single_keys
from zoo.cli._model import tell_what_runs, warn_of_weights
from zoo.cli._signals import Gently
from zoo.errors import AudioError, SpeechZooError
from zoo.live.devices import Device, Told, find_device, list_devices, open_line, open_monitor, start
from zoo.live.line import Line
from zoo.live.meter import Meter
from zoo.live.ring import Ring
from zoo.signal.audio import AudioWriter, new_format

GROUP = "run models"

_LOOKS = 10  # a second, at keys, meters, and what is to be recorded
_DEFAULT = ""  # the system's default device
_STEP, _HIGHEST = 3.0, 30.0  # dB that a key changes the limit by, and above which there is none
_LATE = 2.0  # seconds without any sound from a device, after which it counts as gone
_FIRST = 10.0  # seconds until its first sound: sound servers and wireless devices wake up slowly


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--list-devices", action="store_true", help="list the sound devices and end")
    add("--input", metavar="DEVICE", help="number, name, or part of one (default: the system's)")
    add("--output", metavar="DEVICE", help="likewise; the default only if nothing else is to be done")
    add(
        "--monitor", metavar="DEVICE", nargs="?", const=_DEFAULT,
        help="hear the result on another device too (default: the system's)",
    )  # fmt: skip
    add("--record", type=writable, metavar="FILE", help="keep the result, from its first sample on")
    add("--force", action="store_true", help="replace a file that exists")
    add("--seconds", type=above_zero, metavar="S", help="end after so long")
    add("--rate", type=positive, metavar="HZ", help="of the devices (default: the input's own)")
    add("--block", type=above_zero, default=10, metavar="MS", help="of the devices (default 10)")
    add(
        "--buffer", type=above_zero, default=60, metavar="MS",
        help="by which computing may be late: more delay, fewer underruns (default 60)",
    )  # fmt: skip
    add_limit(parser)
    add_enhancer_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.list_devices:
        devices = list_devices()
        if not devices:
            raise AudioError("there are no sound devices; plug one in, or start the sound server")
        print_table(devices, ("number", "in", "out", "Hz"))
        return 0
    ends = _find_ends(args)
    enhancer = tell_what_runs(open_enhancer(args))
    warn_of_weights(enhancer.session)
    rate = ends.input.sample_rate
    block, spare = max(1, round(rate * args.block / 1000)), round(rate * args.buffer / 1000)
    others = (ends.monitor is not None) + (args.record is not None)
    line, told = Line(enhancer.stream(rate), block, spare, others), Told()
    with ExitStack() as stack:
        gently = stack.enter_context(Gently())
        record = None
        if args.record is not None:
            writer = AudioWriter(args.record, new_format(args.record, rate), force=args.force)
            record = _Recorder(line.rings[-1], stack.enter_context(writer))
        streams = [open_line(line, ends.input, ends.output, block, spare, told)]
        if ends.monitor is not None:
            streams.append(open_monitor(line.rings[0], ends.monitor, block, spare))
        for stream in streams:
            stack.callback(stream.close)
        print(_route(ends, enhancer.name), file=sys.stderr, flush=True)
        # What is raised inside would take the recording away.
        failure = _work(line, streams, told, record, _Watch(line, gently, args.seconds))
        if failure is not None and not line.heard:
            raise failure
    _sum_up(line, told, ends, args.record)
    if failure is not None:
        raise failure
    return 128 + gently.asked if gently.asked else 0


@dataclass(frozen=True)
class _Ends:
    """The devices at both ends of the line, and a second one to hear it."""

    input: Device
    output: Device | None
    monitor: Device | None


def _find_ends(args: argparse.Namespace) -> _Ends:
    """The devices that the options name, all at one rate.

    Raises:
        AudioError: there is one that is not there, or does not run at that rate.
    """
    heard = find_device(args.input, "input", args.rate)
    rate = heard.sample_rate
    monitor = None if args.monitor is None else find_device(args.monitor or None, "output", rate)
    if args.output is None and (monitor is not None or args.record is not None):
        return _Ends(heard, monitor, None)  # at the input's clock: better than one of its own
    return _Ends(heard, find_device(args.output, "output", rate), monitor)


def _route(ends: _Ends, model: str) -> str:
    """From where through what to where."""
    names = " and ".join(end.name for end in (ends.output, ends.monitor) if end is not None)
    played = f" -> {names}" if names else ""
    return f"{ends.input.name} -> {model}{played}, at {ends.input.sample_rate} Hz"


def _delay(line: Line, told: Told) -> str:
    """How late the output is, and why."""
    model = line.stream.latency.milliseconds["total"]
    buffered = 1000 * line.latency / line.stream.sample_rate - model
    devices = 1000 * told.delay
    return (
        f"delay {model + buffered + devices:.0f} ms: {model:.1f} of the model, {buffered:.1f} of --block and "
        f"--buffer, {devices:.1f} of the devices, as they tell"
    )


class _Recorder:
    """Writes to a file what comes in a ring."""

    def __init__(self, ring: Ring, writer: AudioWriter) -> None:
        self._ring, self._writer = ring, writer
        self._part: Array = np.zeros(1 << 14, np.float32)

    def write(self) -> None:
        while count := self._ring.read(self._part):
            self.end(self._part[:count])

    def end(self, rest: Array) -> None:
        self._writer.write(rest[None])


class _Watch:
    """Decides when to end, and follows the keys.

    Args:
        line: at work.
        gently: knows whether the user asked to end.
        seconds: after which it is enough, or None.
    """

    def __init__(self, line: Line, gently: Gently, seconds: float | None) -> None:
        self._line, self._gently, self._seconds = line, gently, seconds
        self._chosen = line.stream.attenuation_limit
        self._heard, self._when = 0, time.monotonic()

    def is_over(self, keys: Keys) -> bool:
        """Whether the user wants no more.

        Raises:
            AudioError: nothing comes from the input device any more.
        """
        heard, now = self._line.heard, time.monotonic()
        if heard != self._heard:
            self._heard, self._when = heard, now
        elif now - self._when > (patience := _LATE if heard else _FIRST):
            raise AudioError(f"the input device gave nothing for {patience:.0f} s; is it unplugged?")
        while key := keys.pressed():
            if key in ("q", "\x03", "\x04"):
                return True
            self._follow(key)
        enough = self._seconds is not None and heard >= self._seconds * self._line.stream.sample_rate
        return enough or bool(self._gently.asked)

    @property
    def note(self) -> str:
        """What is to be told of the keys' doing."""
        if self.bypassed:
            return "bypassed"
        return "" if self._chosen is None else f"limit {self._chosen:.0f} dB"

    @property
    def bypassed(self) -> bool:
        return self._line.stream.attenuation_limit == 0 and self._chosen != 0

    def _follow(self, key: str) -> None:
        limit = self._chosen
        if key == "b":
            self._line.stream.attenuation_limit = limit if self.bypassed else 0
            return
        if key == "-":
            limit = _HIGHEST if limit is None else max(0.0, limit - _STEP)
        elif key in "+=":
            limit = None if limit is None or limit + _STEP > _HIGHEST else limit + _STEP
        self._chosen = self._line.stream.attenuation_limit = limit


def _work(
    line: Line, streams: list[Any], told: Told, record: _Recorder | None, watch: _Watch
) -> SpeechZooError | None:
    """Run until it is over; gives the error that ended it, if one did. What was recorded is all written."""
    failure: SpeechZooError | None = None
    gc.collect()
    gc.freeze()  # what is there stays: a collection while sound runs takes as little time as it can
    line.start()
    with single_keys() as keys:
        show = _display(line, told, keys)
        try:
            for stream in streams:
                start(stream)
            while line.failure is None and not watch.is_over(keys):
                time.sleep(1 / _LOOKS)
                for stream in streams:
                    if not stream.active:  # PortAudio gives up where it had to wait for too long
                        told.restarts += 1
                        stream.abort()
                        start(stream)
                show(watch.note)
                if record is not None:
                    record.write()
        except SpeechZooError as error:
            failure = error
        finally:
            for stream in streams:
                stream.abort()
    rest = line.stop()
    if record is not None:
        record.write()
        record.end(rest)
    if line.failure is not None and not isinstance(line.failure, SpeechZooError):
        raise line.failure
    return failure or line.failure


def _display(line: Line, told: Told, keys: Keys) -> Callable[[str], None]:
    """What shows a line's levels on a terminal, or elsewhere its delay and that something was missing."""
    meter, underruns, looks = Meter(line), 0, 0
    if keys.there:
        print("b: bypass, + and -: limit, q: end", file=sys.stderr)

    def show(note: str) -> None:
        nonlocal underruns, looks
        looks += 1
        if looks == _LOOKS and told.delay:
            print(_delay(line, told), file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{meter.text(note)}\x1b[K")
            sys.stderr.flush()
        elif line.underruns > underruns and looks % _LOOKS == 0:
            underruns = line.underruns
            print(f"underruns: {underruns}", file=sys.stderr, flush=True)

    return show


def _sum_up(line: Line, told: Told, ends: _Ends, record: str | None) -> None:
    """Say how late the output was, what was missing, and what is kept."""
    rate = line.stream.sample_rate
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if ends.output is not None:
        print(_delay(line, told), file=sys.stderr)
    seconds, missing = line.heard / rate, 1000 * line.missing / rate
    text = f"{seconds:.1f} s; underruns: {line.underruns} ({missing:.0f} ms were silence)"
    if line.underruns or told.underflows:
        text += "; a larger --buffer makes them fewer"
    for count, what in (
        (told.overflows, "times the device lost input"),
        (told.underflows, "times the device had nothing to play"),
        (told.restarts, "times a device stopped and was started again"),
        (line.lost, "samples of input were lost"),
        (line.unread, "samples could not be written in time"),
        (line.stream.resets, "resets of the network (it gave no finite values)"),
    ):
        text += f"; {count} {what}" if count else ""
    print(text, file=sys.stderr)
    if record is not None:
        print(f"{record}: {seconds:.1f} s, which are kept", file=sys.stderr)
