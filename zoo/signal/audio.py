"""Audio files and pipes, in and out, block by block: libsndfile does the work."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import soundfile
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import AudioError, AudioWarning
from zoo.signal.cut_short import SLACK, promised_frames
from zoo.signal.piped import Layout, PipedSamples, read_wav_header, spool
from zoo.signal.resample import Resampler
from zoo.signal.samples import LARGEST, refusal

PIPE = "-"  # in place of a path: standard input or output

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_ALIASES = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV"}
_UNREADABLE = {".m4a", ".aac", ".mp4", ".wma", ".amr", ".3gp", ".webm", ".ape", ".mka"}  # by libsndfile
_TAGS = ("title", "artist", "album", "date", "genre", "tracknumber", "comment", "copyright", "license")
_ABANDONED = 3600  # seconds after which no one writes a temporary file any more
_NEVER_EMPTY = {"FLAC", "MP3", "OPUS"}  # formats or encodings whose header comes with the first samples
_ESTIMATED = {"MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "OPUS", "VORBIS"}  # in length, at times
_RATES = {  # in Hz, of encodings that have rates of their own; others are converted to the next
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
_WAV_LIMIT = 2**32 - 2**16  # bytes: the header counts with 32 bits


@dataclass(frozen=True)
class AudioFormat:
    """How samples are stored, in libsndfile's words.

    Attributes:
        sample_rate: in Hz.
        channels: of a frame.
        format: the container: ``WAV``, ``FLAC``, ``OGG``, ``MP3``, ``RAW``, ...
        subtype: the encoding: ``PCM_16``, ``FLOAT``, ``VORBIS``, ...
    """

    sample_rate: int
    channels: int
    format: str
    subtype: str


def suffixes() -> set[str]:
    """The file name endings, with their dot and in lower case, that are taken for audio."""
    formats = {name.lower() for name in soundfile.available_formats()} - {"raw"}
    return {f".{name}" for name in formats | set(_ALIASES)}


def find_audio(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """The audio files of a folder by their endings, sorted, hidden ones left out.

    Raises:
        AudioError: the folder cannot be read.
    """
    return _find(folder, recursive, suffixes())


def find_unreadable(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """The files of a folder that hold audio by their endings, but not for libsndfile; as ``find_audio``."""
    return _find(folder, recursive, _UNREADABLE)


def is_pipe(target: str | os.PathLike[str]) -> bool:
    """Whether that is "-", or a pipe with a name."""
    try:
        return os.fspath(target) == PIPE or stat.S_ISFIFO(os.stat(target).st_mode)
    except OSError:
        return False


def _find(folder: str | os.PathLike[str], recursive: bool, endings: set[str]) -> list[Path]:
    folder = Path(folder)
    try:
        os.listdir(folder)
    except OSError as error:
        raise AudioError(f"the folder {folder} cannot be read: {error.strerror}") from error
    found = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        path
        for path in found
        if path.suffix.lower() in endings
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


class _Sequential(soundfile.SoundFile):
    """A file read or written from its start to its end.

    soundfile seeks to the place where it already is after every block, which in Opus and MP3 is not exact.
    """

    def seekable(self) -> bool:
        return False


class AudioReader:
    """A file, a pipe or standard input, read in blocks. A context manager.

    Attributes:
        name: the path, or "standard input".
        format: how it is stored.
        frames: its length in samples a channel, None on a pipe.
        tags: title, artist and others that the file holds.
        missing: seconds that its header promises and that it does not have; known when all is read.
    """

    frames: int | None

    def __init__(self, source: str | os.PathLike[str], raw: AudioFormat | None = None) -> None:
        """Open ``source``; "-" is standard input. A pipe holds a WAV file or, with ``raw``, bare samples.

        What else libsndfile reads may come through a pipe too, but is only read when all of it has come.

        Raises:
            AudioError: no such file, a folder, not audio, or nothing in it.
        """
        self.name = "standard input" if os.fspath(source) == PIPE else os.fspath(source)
        self._spooled: IO[bytes] | None = None
        self.tags: dict[str, str] = {}
        self.missing = 0.0
        self._promised = 0
        standard = os.fspath(source) == PIPE
        if not standard:
            self._check_path(Path(source))
        try:
            mode = os.stat(0 if standard else source).st_mode
            if raw is None and stat.S_ISREG(mode):
                self._open_file(0 if standard else _encoded(self.name))
            else:
                self._open_pipe(0 if standard else os.open(source, os.O_RDONLY), raw)
        except OSError as error:
            raise AudioError(f"{self.name} cannot be read: {error.strerror}") from error
        if self.frames == 0:
            self.close()
            raise AudioError(f"{self.name}: it holds no samples; pass a recording with sound in it")

    def _open_file(self, file: str | bytes | int) -> None:
        """What libsndfile reads, by its path or descriptor; or a WAV file that does not know its length."""
        try:
            opened = _Sequential(file, closefd=file != 0)
        except (RuntimeError, TypeError, ValueError, OSError) as error:
            raise self._unreadable(_reason(error)) from error
        self._close: Callable[[], object] = opened.close
        self._read: Callable[[int], Array] = lambda frames: opened.read(
            frames, dtype="float32", always_2d=True
        )
        self.format = AudioFormat(opened.samplerate, opened.channels, opened.format, opened.subtype)
        self.frames = None if file == 0 else opened.frames
        exact = opened.subtype not in _ESTIMATED
        slack = 0 if exact else round(SLACK * opened.samplerate)
        self._promised = promised_frames(opened.extra_info, opened.frames) - slack
        self.tags = {name: text for name, text in opened.copy_metadata().items() if name in _TAGS}
        if opened.frames == 0 and opened.format == "WAV" and not isinstance(file, int):
            opened.close()
            self._open_pipe(os.open(file, os.O_RDONLY), None)

    def _open_pipe(self, descriptor: int, raw: AudioFormat | None) -> None:
        """Samples that come as they come, from a descriptor, which is closed unless it is standard input."""
        opened = False
        try:
            head, layout = b"", None if raw is None else Layout(raw.sample_rate, raw.channels, raw.subtype)
            if layout is None:
                layout, head = read_wav_header(descriptor)
            if layout is None:
                self._spooled = spool(descriptor, head)
            else:
                piped = PipedSamples(descriptor, layout, self.name)
                opened = True
        finally:
            if descriptor and not opened:
                os.close(descriptor)
        if layout is None:
            if self._spooled is None:
                raise self._unreadable("Format not recognised")
            self._open_file(os.dup(self._spooled.fileno()))
            return
        self._read, self._close = piped.read, piped.close
        container = "WAV" if raw is None else "RAW"
        self.format = AudioFormat(layout.sample_rate, layout.channels, container, layout.subtype)
        self._promised = (layout.length or 0) // layout.frame
        status = os.fstat(descriptor)
        in_file = raw is None and descriptor and stat.S_ISREG(status.st_mode)
        self.frames = (status.st_size - len(head)) // layout.frame if in_file else None

    def _unreadable(self, reason: str) -> AudioError:
        if Path(self.name).suffix.lower() in _UNREADABLE:
            hint = "convert it first, with `ffmpeg -i` for example, to wav or flac"
        elif self.name == "standard input":
            hint = "a WAV file is expected; for bare samples say their rate (--raw-rate)"
        else:
            hint = "pass one of the formats that `python -m soundfile` knows, such as wav, flac, ogg or mp3"
        return AudioError(f"{self.name}: not readable as audio ({reason}); {hint}")

    @staticmethod
    def _check_path(path: Path) -> None:
        try:
            if path.is_dir():
                raise AudioError(f"{path} is a folder where one file is expected; name a file in it")
            if path.exists() and not path.is_file():  # a pipe, whose bytes come only once
                return
            with open(path, "rb") as file:
                if not file.read(1):
                    raise AudioError(f"{path}: it is empty (0 bytes); pass a recording with sound in it")
        except FileNotFoundError as error:
            raise AudioError(f"there is no file {path}; check the path") from error
        except OSError as error:
            raise AudioError(f"{path} cannot be read: {error.strerror}") from error

    def blocks(self, frames: int) -> Iterator[Array]:
        """All samples, in blocks of (channels, n) float32 with n at most ``frames``.

        Raises:
            AudioError: damaged data, or a sample that is NaN, infinite or beyond ``samples.LARGEST`` (its
                time in seconds is named), or nothing at all on a pipe.

        Warns:
            AudioWarning: it ends before its header says.
        """
        position = 0
        while True:
            try:
                block = self._read(frames).T
            except (RuntimeError, AssertionError, OSError) as error:
                raise AudioError(
                    f"{self.name}: damaged after {position / self.format.sample_rate:.3f} s "
                    f"({_reason(error)}); get it again, or cut it there"
                ) from error
            if not block.shape[1]:
                break
            good = np.abs(block) <= LARGEST
            if not good.all():
                at = int(good.all(0).argmin())
                value = float(block[good[:, at].argmin(), at])
                second = (position + at) / self.format.sample_rate
                raise AudioError(
                    f"{self.name}: the sample at {second:.3f} s is {value:.7g}; {refusal(value)}"
                )
            position += block.shape[1]
            yield block
        if not position:
            raise AudioError(f"{self.name}: it holds no samples; pass a recording with sound in it")
        self._check_end(position)

    def _check_end(self, position: int) -> None:
        """Warn where a header promises more than has come."""
        if position < self._promised:
            rate = self.format.sample_rate
            self.missing = (self._promised - position) / rate
            warnings.warn(
                f"{self.name}: cut short: it ends after {position / rate:.3f} s, and its header promises "
                f"{self._promised / rate:.3f} s; if the rest should be there, get it again",
                AudioWarning,
                stacklevel=3,
            )

    def close(self) -> None:
        self._close()
        if self._spooled is not None:
            self._spooled.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def output_format(
    source: AudioReader,
    target: str | os.PathLike[str],
    channels: int,
    format: str | None = None,
    subtype: str | None = None,
) -> AudioFormat:
    """The format to write to ``target``: the source's as far as the target's ending allows.

    Args:
        source: what is copied or enhanced.
        target: path, or "-".
        channels: of the output.
        format: container to use whatever the ending; any case.
        subtype: encoding to use; any case.

    Raises:
        AudioError: an unknown ending, format or encoding, or an encoding that the format does not have.
    """
    kept, suffix = source.format, Path(target).suffix.lower()
    pipe = is_pipe(target)
    known = soundfile.available_formats()
    if format is not None:
        chosen = _ALIASES.get(format.lower(), format.upper())
    elif pipe:
        chosen = "RAW" if kept.format == "RAW" else "WAV"
    elif suffix == Path(source.name).suffix.lower():
        chosen = kept.format
    else:
        chosen = _ALIASES.get(suffix[1:], suffix[1:].upper())
        known.pop("RAW", None)  # wanted by name only
    if chosen not in known or (pipe and chosen not in ("WAV", "RAW")):
        expected = "wav or raw on a pipe" if pipe else ", ".join(sorted(known)).lower()
        raise AudioError(f"{target}: unknown output format {chosen.lower()!r}; expected one of: {expected}")
    encodings = soundfile.available_subtypes(chosen)
    if pipe:
        encodings = {name: encodings[name] for name in ("PCM_16", "PCM_24", "PCM_32", "FLOAT")}
    if subtype is not None:
        if subtype.upper() not in encodings:
            raise AudioError(
                f"{target}: {chosen.lower()} has no encoding {subtype!r}; "
                f"expected one of: {', '.join(sorted(encodings)).lower()}"
            )
        encoding = subtype.upper()
    else:
        deep = kept.subtype in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
        wanted = [
            kept.subtype,
            "OPUS" if suffix == ".opus" else "",
            "FLOAT" if kept.subtype == "DOUBLE" else "",
            "PCM_24" if deep else "",
            soundfile.default_subtype(chosen) or "PCM_16",
        ]
        encoding = next(name for name in wanted if name in encodings)
    return AudioFormat(kept.sample_rate, channels, chosen, encoding)


def new_format(target: str | os.PathLike[str], sample_rate: int) -> AudioFormat:
    """The format to write one channel of our own making to ``target``: that of its ending; WAV on a pipe.

    Raises:
        AudioError: the ending is of no known format.
    """
    known, suffix = soundfile.available_formats(), Path(target).suffix.lower()
    known.pop("RAW", None)
    chosen = "WAV" if is_pipe(target) else _ALIASES.get(suffix[1:], suffix[1:].upper())
    if chosen not in known:
        raise AudioError(
            f"{target}: unknown output format {chosen.lower()!r}; expected one of: "
            f"{', '.join(sorted(known)).lower()}"
        )
    subtype = "OPUS" if suffix == ".opus" else soundfile.default_subtype(chosen) or "PCM_16"
    return AudioFormat(sample_rate, 1, chosen, subtype)


class AudioWriter:
    """A file, a pipe or standard output, written in blocks. A context manager.

    Opus and MP3 have few rates: what comes at another is converted to the next of theirs.

    A file is written under a temporary name beside the target and moved there when the ``with`` block
    ends; when it ends in an exception, nothing is left behind.

    Attributes:
        name: the path, or "standard output".
        format: how it is stored.
        frames: samples a channel written so far.
        peak: largest magnitude so far, before clipping.
        clipped: samples outside of what the encoding can hold, which became its largest or smallest value.
    """

    def __init__(
        self,
        target: str | os.PathLike[str],
        format: AudioFormat,
        *,
        force: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Open ``target``; a pipe, and "-" for standard output, gets WAV of unknown length or bare samples.

        ``tags`` are written as far as the format has a place for them.

        Raises:
            AudioError: the target exists and ``force`` is not set, is no regular file, its folder is missing
                or cannot be written, or the format cannot hold the rate or the channels.
        """
        self.format, self.frames, self.peak, self.clipped = format, 0, 0.0, 0
        self._file: _Sequential | None = None
        self._convert: Resampler | None = None
        if is_pipe(target):
            standard = os.fspath(target) == PIPE
            self.name = "standard output" if standard else os.fspath(target)
            try:
                self._pipe: IO[bytes] = sys.stdout.buffer if standard else open(target, "wb")  # noqa: SIM115
            except OSError as error:
                raise AudioError(f"{self.name} cannot be written: {error.strerror}") from error
            if format.format == "WAV":
                self._to_pipe(_wav_header(format))
            return
        self.name = os.fspath(target)
        self._target = Path(os.path.realpath(target))
        try:
            if os.path.lexists(self._target) and not self._target.is_file():
                raise AudioError(f"{self.name} is not a regular file; name a file, or - for standard output")
            if self._target.exists() and not force:
                raise AudioError(f"{self.name} exists; pass another name, or --force to replace it")
            self._part = _new_beside(self._target)
            options = {"endian": "LITTLE"} if format.format == "RAW" else {}
            stored = replace(format, sample_rate=_stored_rate(format))
            if stored != format:
                self._convert = Resampler(format.sample_rate, stored.sample_rate, format.channels)
            self._file = _Sequential(_encoded(os.fspath(self._part)), "w", **_options(stored), **options)
            for tag, text in (tags or {}).items():
                with contextlib.suppress(RuntimeError):  # the format has no place for it
                    setattr(self._file, tag, text)
        except FileNotFoundError as error:
            raise AudioError(f"{self.name}: its folder does not exist; make the folder first") from error
        except OSError as error:
            raise AudioError(f"{self.name} cannot be written: {error.strerror}") from error
        except (RuntimeError, TypeError) as error:
            self._part.unlink(missing_ok=True)
            raise AudioError(
                f"{self.name}: {format.format.lower()} ({format.subtype.lower()}) cannot hold "
                f"{format.channels} channel(s) at {format.sample_rate} Hz ({_reason(error)}); "
                f"choose another output format"
            ) from error

    def write(self, block: Array) -> None:
        """Append (channels, n) float32 samples; those beyond [-1, 1] are clipped unless stored as floats.

        Raises:
            AudioError: the device is full, or the format can hold no more.
            BrokenPipeError: nobody reads standard output any more.
        """
        if not block.size:
            return
        self.peak = max(self.peak, float(np.abs(block).max()))
        self.frames += block.shape[1]
        self._store(block if self._convert is None else self._convert.push(block))

    def _store(self, block: Array) -> None:
        """Append samples at the file's own rate."""
        samples = np.ascontiguousarray(block.T)
        if not samples.size:
            return
        encoded: Array | NDArray[np.int32]
        if self.format.subtype in _BITS:
            encoded = self._quantise(samples, _BITS[self.format.subtype])
        elif self.format.subtype in ("FLOAT", "DOUBLE"):
            encoded = samples
        else:
            self.clipped += int((np.abs(samples) > 1).sum())
            encoded = np.clip(samples, -1, 1)
        if self._file is None:
            self._to_pipe(self._bytes(encoded))
            return
        try:
            self._file.write(encoded)
        except (RuntimeError, AssertionError) as error:
            raise self._failure(_reason(error)) from error
        if self.format.format == "WAV" and self._part.stat().st_size > _WAV_LIMIT:
            raise AudioError(f"{self.name}: a WAV file holds no more than 4 GiB; pass --format rf64 or flac")

    def _quantise(self, samples: Array, bits: int) -> NDArray[np.int32]:
        """Rounded to ``bits`` bits, in the upper bits of int32, where libsndfile expects them."""
        full = 2.0 ** (bits - 1)
        exact = np.rint(samples.astype(np.float64) * full)
        limited = np.clip(exact, -full, full - 1)
        self.clipped += int((limited != exact).sum())
        return limited.astype(np.int32) << (32 - bits)

    def _bytes(self, encoded: NDArray[np.int32] | Array) -> bytes:
        """Little-endian samples of the encoding's width."""
        words = encoded.astype(encoded.dtype.newbyteorder("<")).reshape(-1, 1).view(np.uint8)
        return words[:, 4 - _BITS.get(self.format.subtype, 32) // 8 :].tobytes()

    def _to_pipe(self, data: bytes) -> None:
        try:
            self._pipe.write(data)
            self._pipe.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failure(error.strerror) from error

    def _failure(self, reason: str | None) -> AudioError:
        second = self.frames / self.format.sample_rate
        return AudioError(
            f"{self.name}: writing failed at {second:.3f} s ({reason}); is the disk full? "
            f"nothing was left behind"
        )

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            if self._pipe is not sys.stdout.buffer:
                with contextlib.suppress(OSError):
                    self._pipe.close()
            return
        try:
            if kind is not None:
                with contextlib.suppress(RuntimeError):
                    self._file.close()
                return
            try:
                if self._convert is not None and self.frames:
                    self._store(self._convert.flush())
                self._file.close()
                if not self.frames and {self.format.format, self.format.subtype} & _NEVER_EMPTY:
                    raise AudioError(
                        f"{self.name}: no samples came, and without any such a file cannot be read; "
                        f"nothing was left behind"
                    )
                part = _encoded(os.fspath(self._part))
                share = _stored_rate(self.format) / self.format.sample_rate
                if self.format.format != "RAW" and soundfile.info(part).frames < int(self.frames * share):
                    raise self._failure("the file came out too short")
                os.replace(self._part, self._target)
            except (RuntimeError, OSError) as failure:
                raise self._failure(_reason(failure)) from failure
        finally:
            self._part.unlink(missing_ok=True)


def _stored_rate(format: AudioFormat) -> int:
    """The rate at which an encoding holds what comes at another."""
    rates = _RATES.get(format.subtype, ())
    return next(
        (rate for rate in rates if rate >= format.sample_rate), max(rates, default=format.sample_rate)
    )


def _new_beside(target: Path) -> Path:
    """A new empty file beside ``target``, in the place of one that a killed process left there long ago."""
    part = target.with_name(f".{target.name}.part")
    with contextlib.suppress(FileNotFoundError):
        if time.time() - part.stat().st_mtime > _ABANDONED:
            part.unlink()
    try:
        open(part, "xb").close()
    except FileExistsError:  # another process writes the same target now
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        open(part, "xb").close()
    return part


def _encoded(name: str) -> str | bytes:
    """A path as soundfile takes it: it cannot encode names that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _options(format: AudioFormat) -> dict[str, int | str]:
    return {
        "samplerate": format.sample_rate,
        "channels": format.channels,
        "format": format.format,
        "subtype": format.subtype,
    }


def _reason(error: BaseException) -> str:
    """What libsndfile or the system says, without libsndfile's own mention of the file."""
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string).strip().removeprefix("Error : ").rstrip(".")
    return str(error) or type(error).__name__


def _wav_header(format: AudioFormat) -> bytes:
    """The header of a WAV file whose length is not known yet: every length is the largest there is."""
    bits = _BITS.get(format.subtype, 32)
    frame = format.channels * bits // 8
    tag = 3 if format.subtype == "FLOAT" else 1
    description = (16, tag, format.channels, format.sample_rate, format.sample_rate * frame, frame, bits)
    unknown = 2**32 - 1
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", unknown, b"WAVE", b"fmt ", *description, b"data", unknown
    )
