"""The shortest way from text to speech, whatever the model is stored as."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError, TextError
from zoo.registry import get_spec, list_models
from zoo.spec import SynthesisSpec
from zoo.tasks.copies import Reopenable
from zoo.tasks.open import open_source
from zoo.tasks.synthesis.engine_config import EngineConfig, read_engine_config
from zoo.tasks.synthesis.graph import find_files
from zoo.tasks.synthesis.session import Frames, SynthesisSession, Utterance
from zoo.tasks.synthesis.task import TASK
from zoo.tasks.vocoder.open import find_vocoder
from zoo.text.dictionary import Dictionary, english
from zoo.text.espeak import say_word
from zoo.text.reading import Part, Reader
from zoo.text.sentences import Pauses, Piece, split
from zoo.text.symbols import encode
from zoo.vocoder import GriffinLim, Vocoder

if TYPE_CHECKING:
    from torch import nn

PathLike = Union[str, "os.PathLike[str]"]

DEFAULT_MODEL = "fastspeech_small"
LEAST_ALPHA, MOST_ALPHA = 0.1, 10.0
_DAMAGED = "its weights are damaged: verify it, export or download it again"


@dataclass(frozen=True)
class Speech:
    """What was made of a text.

    Attributes:
        waveform: (N,) float32.
        sample_rate: in Hz.
        mel: (F, mels) log-mel frames of all pieces, without the pauses between them.
        pieces: what was spoken at once, in words, with the seconds of silence behind each.
        durations: predicted frames of each token, for each piece.
        unknown: characters of the text that cannot be spoken and were left out.
        letters: words that a dictionary, if there was one, does not hold, and that were read by their
            letters.
    """

    waveform: Array
    sample_rate: int
    mel: Array
    pieces: tuple[Piece, ...]
    durations: tuple[Array, ...]
    unknown: tuple[str, ...]
    letters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spoken:
    """A piece of a text, spoken.

    Attributes:
        waveform: (N,) float32, with the silence behind it.
        begin: seconds of speech before it.
        end: where its speech ends and its silence begins, in seconds.
        piece: what was spoken, in words, with the seconds of silence behind it.
        mel: (F, mels) log-mel frames, without the silence.
        durations: predicted frames of each token.
        written: the sentence that it is of, as it was written.
        sentence: how many sentences stand before that.
        unknown: characters of the sentence that cannot be spoken and were left out.
        letters: words of the sentence that no dictionary holds, and that were read by their letters.
        last: whether it ends a piece of the text; one that is too long for the network becomes several.
    """

    waveform: Array
    begin: float
    end: float
    piece: Piece
    mel: Array
    durations: Array
    written: str
    sentence: int
    unknown: tuple[str, ...]
    letters: tuple[str, ...]
    last: bool


class Synthesizer(Reopenable):
    """Speaks text.

    Pickling keeps what it was made from, and unpickling opens that again.

    Attributes:
        session: what computes the frames.
        vocoder: what makes them audible.
        name: the model or file.
        sample_rate: of the speech, in Hz.
        backend: ``onnxruntime``, ``tensorrt``, ``tensorrt_rtx`` or ``torch``.
    """

    def __init__(
        self,
        source: PathLike | Sequence[PathLike] | SynthesisSession | nn.Module = DEFAULT_MODEL,
        weights: PathLike | None = None,
        *,
        vocoder: PathLike | Vocoder | None = None,
        dictionary: PathLike | None = None,
        g2p: Literal["espeak"] | Callable[[str], str | None] | None = None,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
    ) -> None:
        """
        Args:
            source: a graph (``.onnx``) or an engine of one (``.engine``, ``.trt``); several of one kind, or
                their folder, whose engines run if it has some; a configuration file (``.yaml``) that names
                engines: these run if they are there and ``use_trt`` is not false, else the graphs beside
                them; a registered model's name, or a network, which run in PyTorch; or a session.
            weights: tag or checkpoint path, for a model's name; by default those that come with the package,
                which run in ONNX Runtime.
            vocoder: ``griffin-lim``, a vocoder's name (``vocos``, ``vocos:TAG``), the path of its ONNX file,
                or a ``zoo.vocoder.Vocoder``. By default the ONNX file that a configuration file names as
                its vocoder, with a warning if it names an engine; else the one in the package that learned
                the same voice (that of ``fastspeech_small``), else Griffin-Lim.
            dictionary: a pronouncing dictionary in the format of CMU's, asked before the package's own, for
                a network that learned phonemes. Without one, words stay in letters; if the network reads
                phonemes only, they become those of the package's own dictionary.
            g2p: what gives phonemes of words that the dictionary lacks: ``espeak``, for the rules of eSpeak
                NG, or a function from a word in lower case to its ARPAbet, or None.
            threads: of ONNX Runtime; PyTorch keeps its own setting.
            providers: of ONNX Runtime: ``cuda``, ... in the order of preference; by default the CPU.
            trust: open exported programs (``.pt2``) that are code, as every compiled one is: docs/trust.md.

        Raises:
            TextError: a dictionary that cannot be read, or rules of another name.
            ArtifactError: a file that cannot be read or is for something else, files that do not go
                together, or an engine that may not run here.
            UnknownModelError: no such model, or one for another task.
            CheckpointError: no weights for a model's name, or some that do not fit.
            MissingExtraError: PyTorch, TensorRT or eSpeak NG is needed and not installed.
            ValueError: threads that are no whole number from 1 to 1024.
        """
        self._remember(
            source, weights=weights, vocoder=vocoder, dictionary=dictionary, g2p=g2p, threads=threads,
            providers=providers, trust=trust,
        )  # fmt: skip
        config = _config(source)
        self.session: SynthesisSession = open_source(
            TASK, _files(source, config), weights, threads=threads, providers=providers, trust=trust
        )
        self.name, self.backend = self.session.name, self.session.backend
        self.sample_rate = self.session.front_end.sample_rate
        own = None if dictionary is None else Dictionary(dictionary, english())
        self._reader = Reader(self.session.symbols, self.session.buckets[-1][0], own, _rules(g2p))
        if config is not None:
            _check_sizes(config, self.session)
        vocoder = _vocoder_of(config, self.session) if vocoder is None else vocoder
        if isinstance(vocoder, (str, os.PathLike)):
            vocoder = find_vocoder(vocoder, self.session.front_end, threads=threads)
        self.vocoder = vocoder

    def __call__(
        self,
        text: str,
        *,
        alpha: float = 1.0,
        pauses: Pauses | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Speech:
        """Speak a text.

        It is written out in words, cut into sentences, and those into parts where they are too long for the
        model; each goes through the smallest size that holds it, some of one size together.

        Args:
            text: English; ARPAbet in braces.
            alpha: how slowly: 1.2 takes 1.2 times as long.
            pauses: silence between sentences, parts of long ones, and paragraphs.
            progress: called with the part that is done, up to 1, as each piece becomes audible.

        Raises:
            TextError: nothing in it can be spoken, or braces hold no ARPAbet.
            ArtifactError: frames or waveform are not finite.
            ValueError: an alpha that is not from 0.1 to 10.
        """
        _check_alpha(alpha)
        parts = list(self._reader.parts(text, pauses))
        spoken: list[Spoken] = []
        done = 0
        for one in self._spoken(iter(parts), alpha):
            spoken.append(one)
            done += one.last
            if progress is not None and one.last:
                progress(done / len(parts))
        return Speech(
            waveform=np.concatenate([one.waveform for one in spoken]),
            sample_rate=self.sample_rate,
            mel=np.concatenate([one.mel for one in spoken]),
            pieces=tuple(one.piece for one in spoken),
            durations=tuple(one.durations for one in spoken),
            unknown=tuple(dict.fromkeys(c for one in spoken for c in one.unknown)),
            letters=tuple(dict.fromkeys(word for one in spoken for word in one.letters)),
        )

    def stream(self, text: str, *, alpha: float = 1.0, pauses: Pauses | None = None) -> Iterator[Spoken]:
        """Speak a text piece by piece, each as soon as it is made: the first when the first sentence is.

        What one piece takes is let go with it, however long the text. Together they are what a call gives.

        Args:
            text: as in a call.
            alpha: as in a call.
            pauses: as in a call.

        Raises:
            TextError: as in a call; nothing to speak is told at the end.
            ArtifactError: as in a call.
            ValueError: as in a call.
        """
        _check_alpha(alpha)
        return self._spoken(self._reader.parts(text, pauses), alpha)

    def _spoken(self, parts: Iterator[Part], alpha: float) -> Iterator[Spoken]:
        """The first part alone, so that it is heard soon, then as many at once as the session likes."""
        begin, size = 0, 1
        while group := list(islice(parts, size)):
            for part, found in zip(group, self._speak([part.piece for part in group], alpha), strict=True):
                for index, (piece, frames) in enumerate(found, 1):
                    wave = self._audible(piece, frames)
                    silence = np.zeros(round(piece.pause * self.sample_rate), np.float32)
                    yield Spoken(
                        waveform=np.concatenate([wave, silence]),
                        begin=begin / self.sample_rate,
                        end=(begin + len(wave)) / self.sample_rate,
                        piece=piece,
                        mel=frames.mel,
                        durations=frames.durations,
                        written=part.written,
                        sentence=part.sentence,
                        unknown=part.unknown,
                        letters=part.letters,
                        last=index == len(found),
                    )
                    begin += len(wave) + len(silence)
            size = getattr(self.session, "at_once", 1)

    def frames(self, utterances: Sequence[Utterance]) -> list[Frames]:
        """Compute log-mel frames of token ids, each by the smallest size that holds tokens and frames.

        Raises:
            TextError: an utterance without tokens, with ids that are not in the table, with more or fewer
                forced durations than tokens, with an alpha or durations that are no numbers, or longer than
                the largest size.
        """
        for index, utterance in enumerate(utterances):
            self._check(index, utterance)
        fitting = self._fitting(utterances)
        for index, found in enumerate(fitting):
            if found is None:
                tokens, frames = self.session.buckets[-1]
                raise TextError(
                    f"utterance {index}: its {len(utterances[index].ids)} tokens do not fit {self.name}, "
                    f"which takes {tokens} tokens to {frames} frames; split it, or take a smaller alpha"
                )
        return [found for found in fitting if found is not None]

    def _fitting(self, utterances: Sequence[Utterance]) -> list[Frames | None]:
        """Frames by the smallest size that holds them, None where none does; those of one size at once."""
        found: list[Frames | None] = [None] * len(utterances)
        for bucket, (tokens, frames) in enumerate(self.session.buckets):
            waiting = [i for i, u in enumerate(utterances) if found[i] is None and len(u.ids) <= tokens]
            results = self.session.run([utterances[i] for i in waiting], bucket) if waiting else []
            for i, result in zip(waiting, results, strict=True):
                self._check_frames(i, result)
                if result.wanted <= frames:
                    found[i] = result
        return found

    def _speak(self, pieces: list[Piece], alpha: float) -> list[list[tuple[Piece, Frames]]]:
        """Frames of each piece; what has too many for the largest size is cut in two."""
        spoken: list[list[tuple[Piece, Frames]]] = []
        texts = [Utterance(encode(piece.text, self.session.symbols).ids, alpha) for piece in pieces]
        for piece, text, frames in zip(pieces, texts, self._fitting(texts), strict=True):
            if frames is not None:
                spoken.append([(piece, frames)])
            elif len(text.ids) < 2:
                raise TextError(
                    f"{piece.text!r}: too long for {self.name}; take a smaller alpha than {alpha:g}"
                )
            else:
                *parts, last = split(piece.text, self._reader.tokens, (len(text.ids) + 1) // 2)
                halves = [*parts, replace(last, pause=piece.pause)]
                spoken.append([pair for half in self._speak(halves, alpha) for pair in half])
        return spoken

    def _check_frames(self, index: int, frames: Frames) -> None:
        if not np.isfinite(frames.durations).all():
            raise ArtifactError(f"{self.name}: the durations of utterance {index} are not finite; {_DAMAGED}")
        finite = np.isfinite(frames.mel).all(1)
        if not finite.all():
            raise ArtifactError(
                f"{self.name}: the frames of utterance {index} are not finite from {finite.argmin()} on; "
                f"{_DAMAGED}"
            )

    def _audible(self, piece: Piece, frames: Frames) -> Array:
        wave = self.vocoder(frames.mel)
        finite = np.isfinite(wave)
        if not finite.all():
            raise ArtifactError(
                f"{self.vocoder.name}: its waveform of {piece.text!r} is not finite from sample "
                f"{finite.argmin()} on; {_DAMAGED}"
            )
        return wave

    def _check(self, index: int, utterance: Utterance) -> None:
        """Refuse what a graph would answer with an error of its own, or with nonsense."""
        ids, known = utterance.ids, len(self.session.symbols)
        if not ids or min(ids) < 0 or max(ids) >= known:
            raise TextError(f"utterance {index}: expected token ids from 0 to {known - 1}, got {list(ids)}")
        if utterance.forced and len(utterance.forced) != len(ids):
            raise TextError(
                f"utterance {index}: {len(utterance.forced)} forced durations for {len(ids)} tokens; "
                f"expected is one a token, negative where the predicted one is wanted"
            )
        if not np.isfinite([utterance.alpha, *utterance.forced]).all() or utterance.alpha <= 0:
            raise TextError(
                f"utterance {index}: its alpha and durations must be finite numbers, and alpha above 0"
            )


def _check_alpha(alpha: float) -> None:
    if not LEAST_ALPHA <= alpha <= MOST_ALPHA:
        raise ValueError(f"alpha {alpha!r}: expected from {LEAST_ALPHA:g} to {MOST_ALPHA:g}")


def _config(source: Any) -> EngineConfig | None:
    """The configuration file that a source names, if it does."""
    named = isinstance(source, (str, os.PathLike)) and Path(source).suffix in (".yaml", ".yml")
    return read_engine_config(source) if named else None


def _files(source: Any, config: EngineConfig | None) -> Any:
    """A source, its files in the place of a folder with graphs or of a configuration file."""
    if config is not None:
        return config.files()
    folder = isinstance(source, (str, os.PathLike)) and Path(source).is_dir() and source not in list_models()
    return find_files(Path(source)) if folder else source


def _check_sizes(config: EngineConfig, session: SynthesisSession) -> None:
    if session.buckets != config.buckets:
        raise ArtifactError(
            f"{config.source}: it asks for the sizes {config.buckets}, and its graphs are of "
            f"{session.buckets}; speechzoo export --config {config.source} --force writes them"
        )


def _vocoder_of(config: EngineConfig | None, session: SynthesisSession) -> str:
    """What makes frames audible where the caller does not say."""
    named = "" if config is None else config.vocoder
    if named.endswith(".onnx"):
        return named
    model = getattr(session, "model", "")
    own = (
        get_spec(model, SynthesisSpec).vocoder
        if model in list_models(SynthesisSpec.task)
        else GriffinLim.name
    )
    if config is not None and named:
        warnings.warn(
            f"{config.source}: the vocoder {named} is not used, since a vocoder is run from an ONNX file "
            f"only; speech is made by {own}",
            stacklevel=3,
        )
    return own


def _rules(g2p: str | Callable[[str], str | None] | None) -> Callable[[str], str | None] | None:
    """The function that an argument names; that it runs is seen before anything is spoken."""
    if g2p is None or callable(g2p):
        return g2p
    if g2p != "espeak":
        raise TextError(f"g2p {g2p!r}: expected 'espeak', or a function from a word to its ARPAbet")
    say_word("hello")
    return say_word
