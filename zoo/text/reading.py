"""Text as the pieces that a network speaks one after the other, each as soon as it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from zoo.errors import TextError
from zoo.text.dictionary import Dictionary, as_read
from zoo.text.normalise import lower, read_sentences
from zoo.text.sentences import Pauses, Piece, paragraphs, split_sentence
from zoo.text.symbols import encode

_SOUNDS = re.compile(r"[A-Za-z]|\{\s*[A-Z]")  # what a piece without has only marks


@dataclass(frozen=True)
class Part:
    """A piece of a text, and where it is from.

    Attributes:
        piece: what is spoken at once, as the network reads it, and the seconds of silence behind it.
        sentence: how many sentences stand before it.
        written: the sentence, as it is written.
        unknown: characters of the sentence that the network has no symbols for.
        letters: words of the sentence that neither dictionary nor rules know.
    """

    piece: Piece
    sentence: int
    written: str
    unknown: tuple[str, ...]
    letters: tuple[str, ...]


@dataclass(frozen=True)
class Reader:
    """Reads texts for one network.

    Attributes:
        symbols: its table.
        most: tokens of a piece.
        dictionary: see ``as_read``.
        rules: see ``as_read``.
    """

    symbols: Sequence[str]
    most: int
    dictionary: Dictionary | None = None
    rules: Callable[[str], str | None] | None = None

    def parts(self, text: str, pauses: Pauses | None = None) -> Iterator[Part]:
        """The pieces of a text in order, the last without a pause; what has only marks is left out.

        Raises:
            TextError: braces that hold no ARPAbet, or nothing that can be spoken.
        """
        if "{" in text or "}" in text:
            encode(lower(text))  # before anything is spoken
        last: Part | None = None
        unknown: dict[str, None] = {}
        for part in self._parts(text, pauses or Pauses(), unknown):
            if last is not None:
                yield last
            last = part
        if last is None:
            left = f"; it has no symbols for {' '.join(unknown)}" if unknown else ""
            raise TextError(f"{text[:80]!r}: nothing in it can be spoken{left}")
        yield replace(last, piece=replace(last.piece, pause=0.0))

    def _parts(self, text: str, pauses: Pauses, unknown: dict[str, None]) -> Iterator[Part]:
        """The same with the pauses that stand behind each piece."""
        sentence = 0
        for paragraph in paragraphs(text):
            waiting: Part | None = None
            for part in self._of_paragraph(paragraph, sentence, pauses, unknown):
                if waiting is not None:
                    yield waiting
                waiting, sentence = part, part.sentence + 1
            if waiting is not None:
                yield replace(waiting, piece=replace(waiting.piece, pause=pauses.paragraph))

    def _of_paragraph(
        self, text: str, sentence: int, pauses: Pauses, unknown: dict[str, None]
    ) -> Iterator[Part]:
        for written, said in read_sentences(text):
            said, letters = as_read(said, self.symbols, self.dictionary, self.rules)
            own = encode(said, self.symbols).unknown
            unknown.update(dict.fromkeys(own))
            pieces = [
                piece for piece in split_sentence(said, self.tokens, self.most, pauses) if self._sounds(piece)
            ]
            for piece in pieces:
                yield Part(piece, sentence, written, own, letters)
            sentence += bool(pieces)

    def tokens(self, text: str) -> int:
        """How many tokens a text has for the network."""
        return len(encode(text, self.symbols).ids)

    def _sounds(self, piece: Piece) -> bool:
        return _SOUNDS.search(piece.text) is not None and self.tokens(piece.text) > 0
