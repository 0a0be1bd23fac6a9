"""Sound devices, by sounddevice, which stands on PortAudio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import AudioError, MissingExtraError
from zoo.extras import extra
from zoo.live.line import Line
from zoo.live.ring import Ring

if TYPE_CHECKING:
    import sounddevice

Way = Literal["input", "output"]
_HELD = 0.12  # seconds in a device's own buffers
PORTAUDIO = (
    "sounddevice needs the library PortAudio: `apt-get install libportaudio2` on Debian and Ubuntu, "
    "`dnf install portaudio` on Fedora, `brew install portaudio` on macOS; on Windows reinstall sounddevice, "
    "which brings it"
)


def load_sounddevice() -> Any:
    """The module.

    Raises:
        MissingExtraError: it, or PortAudio, is not there, and where to get it.
    """
    try:
        with extra("live", "live audio"):
            import sounddevice
    except OSError as error:  # its way of saying that PortAudio is missing
        raise MissingExtraError(f"{PORTAUDIO} ({error})") from error
    return sounddevice


@dataclass(frozen=True)
class Device:
    """A sound device as it is used.

    Attributes:
        index: in PortAudio's list.
        name: what it is called.
        channels: that it is opened with; one, where it can.
        sample_rate: its own, in Hz.
    """

    index: int
    name: str
    channels: int
    sample_rate: int


def list_devices() -> list[dict[str, str]]:
    """All devices, as records of text: number, name, kind of system, channels in and out, rate."""
    sd = load_sounddevice()
    hosts = [host["name"] for host in sd.query_hostapis()]
    defaults = list(sd.default.device)
    return [
        {
            "number": str(index),
            "name": device["name"],
            "system": hosts[device["hostapi"]],
            "in": str(device["max_input_channels"]),
            "out": str(device["max_output_channels"]),
            "Hz": f"{device['default_samplerate']:.0f}",
            "default": "/".join(way for way, i in zip(("in", "out"), defaults, strict=True) if i == index),
        }
        for index, device in enumerate(sd.query_devices())
    ]


def find_device(name: str | None, way: Way, sample_rate: int | None = None) -> Device:
    """The device of a number, a name, or a part of one; without a name the system's default.

    Args:
        name: of the device; of several that fit, one of the default kind of system counts.
        way: what it is for.
        sample_rate: at which it has to run; by default its own.

    Raises:
        AudioError: there is none, or it does not run at that rate.
    """
    sd = load_sounddevice()
    channels = f"max_{way}_channels"
    usable = {i: device for i, device in enumerate(sd.query_devices()) if device[channels] > 0}
    if not usable:
        raise AudioError(f"there is no {way} device; plug one in, or start the sound server")
    index = _index(sd, name, way, {i: device["name"] for i, device in usable.items()})
    device = usable[index]
    rate = sample_rate or round(device["default_samplerate"])
    check = getattr(sd, f"check_{way}_settings")
    failure = None
    for count in (1, device[channels]):
        try:
            check(device=index, channels=count, samplerate=rate, dtype="float32")
        except sd.PortAudioError as error:
            failure = failure or error
        else:
            return Device(index, device["name"], count, rate)
    raise AudioError(
        f"the {way} device {device['name']} does not run at {rate} Hz ({_reason(failure)}); it may be in use "
        f"by another program, or need another --rate"
    )


def _index(sd: Any, name: str | None, way: Way, usable: dict[int, str]) -> int:
    """The number of the device that a name stands for."""
    if name is None:
        index = int(sd.default.device[way])
        if index in usable:
            return index
        raise AudioError(f"there is no default {way} device; name one: {_told(usable)}")
    if name.isdigit() and int(name) in usable:
        return int(name)
    words = name.lower()
    found = [i for i, other in usable.items() if other.lower() == words] or [
        i for i, other in usable.items() if words in other.lower()
    ]
    if len(found) > 1:
        default = sd.query_hostapis(sd.default.hostapi)["devices"]
        found = [i for i in found if i in default] or found
    if len(found) == 1:
        return found[0]
    if not found:
        raise AudioError(f"there is no {way} device {name!r}; there are {_told(usable)}")
    several = _told({i: usable[i] for i in found})
    raise AudioError(f"{name!r} fits several {way} devices: {several}; pass a number")


def _told(devices: dict[int, str]) -> str:
    return ", ".join(f"{index}: {name}" for index, name in devices.items())


def _reason(error: object) -> str:
    """What PortAudio says, in a line."""
    return str(getattr(error, "args", ("",))[0]).splitlines()[0]


class Told:
    """What PortAudio tells while a stream runs.

    Attributes:
        overflows, underflows: how often it lost input, or had nothing to play.
        restarts: how often it stopped and was started again.
        delay: seconds from the microphone to the line and from there to the loudspeaker, as of the last call;
            0 where it does not know.
    """

    def __init__(self) -> None:
        self.overflows = self.underflows = self.restarts = 0
        self.delay = 0.0

    def note(self, status: sounddevice.CallbackFlags) -> None:
        if status.input_overflow:
            self.overflows += 1
        if status.output_underflow:
            self.underflows += 1


def open_line(line: Line, input: Device, output: Device | None, block: int, spare: int, told: Told) -> Any:
    """A PortAudio stream, not started, that feeds a line and plays what it gives.

    Args:
        line: at the rate of the devices.
        input, output: the devices; without the second nothing is played.
        block: samples of a call.
        spare: samples by which computing may be late, which the devices are to stand too.
        told: where it is kept what PortAudio tells.

    Raises:
        AudioError: they cannot be opened together.
    """
    sd = load_sounddevice()

    def heard(given: Any, frames: int, time: Any, status: sounddevice.CallbackFlags) -> None:
        if status:
            told.note(status)
        line.feed(given[:, 0])

    def both(given: Any, played: Any, frames: int, time: Any, status: sounddevice.CallbackFlags) -> None:
        heard(given, frames, time, status)
        told.delay = time.outputBufferDacTime - time.inputBufferAdcTime
        first = played[:, 0]
        line.give(first)
        for channel in range(1, played.shape[1]):
            played[:, channel] = first

    rate = input.sample_rate
    common = {"samplerate": rate, "blocksize": block, "dtype": "float32", "latency": _held(spare, rate)}
    if output is None:
        return _opened(
            lambda: sd.InputStream(device=input.index, channels=input.channels, callback=heard, **common)
        )
    devices, channels = (input.index, output.index), (input.channels, output.channels)
    return _opened(lambda: sd.Stream(device=devices, channels=channels, callback=both, **common))


def open_monitor(ring: Ring, device: Device, block: int, spare: int) -> Any:
    """A PortAudio stream, not started, that plays what comes in a ring, as soon as it comes.

    Its clock is not the line's: what comes too fast is left out, what is missing is silence.

    Raises:
        AudioError: it cannot be opened.
    """
    sd = load_sounddevice()
    most = 2 * (block + spare)

    def play(played: Any, frames: int, time: Any, status: sounddevice.CallbackFlags) -> None:
        if len(ring) > most + frames:
            ring.skip(len(ring) - most)
        first = played[:, 0]
        first[ring.read(first) :] = 0
        for channel in range(1, played.shape[1]):
            played[:, channel] = first

    return _opened(
        lambda: sd.OutputStream(
            device=device.index, channels=device.channels, samplerate=device.sample_rate, blocksize=block,
            dtype="float32", latency=_held(spare, device.sample_rate), callback=play,
        )
    )  # fmt: skip


def _held(spare: int, rate: int) -> float:
    """Seconds that a device is asked to hold: six times what is spare, up to 120 ms.

    With little PortAudio gives up on PulseAudio's devices, and begins anew; hardware does with less.
    """
    seconds = spare / rate
    return max(seconds, min(6 * seconds, _HELD))


def start(stream: Any) -> None:
    """Start a PortAudio stream.

    Raises:
        AudioError: the device does not start.
    """
    sd = load_sounddevice()
    try:
        stream.start()
    except sd.PortAudioError as error:
        raise AudioError(
            f"the sound device does not start ({_reason(error)}); is it in use by another program?"
        ) from error


def _opened(open_stream: Callable[[], Any]) -> Any:
    sd = load_sounddevice()
    try:
        return open_stream()
    except (sd.PortAudioError, ValueError) as error:
        raise AudioError(
            f"the sound devices cannot be opened together ({_reason(error)}); see --list-devices, and pass "
            f"two of the same system"
        ) from error
