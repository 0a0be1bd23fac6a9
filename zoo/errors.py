"""The errors that speechzoo raises on purpose.

    SpeechZooError
        UnknownModelError (KeyError)     no such model, tag or option
        MissingExtraError (ImportError)  a package that an extra brings
        CheckpointError                  parameters that cannot be read or do not fit
        ArtifactError                    a graph, engine or other finished file that is not what it should be
        HubError                         a file that cannot be had
        ParityError                      two forms that do not compute the same
        AudioError (ValueError)          sound that cannot be read, written or processed
        ShapeError (ValueError)          a tensor of another shape
        StateError (ValueError)          the state of another model or another number of streams
        ServerError                      a server that does not do what it was asked
        TextError (ValueError)           text that cannot be spoken

In brackets is what else each is, for those who catch Python's own. Each message names the item, says what was
expected and what came, and ends with the way out. One warning stands beside them: ``AudioWarning``.
"""


class SpeechZooError(Exception):
    """Base of every error raised on purpose; the command line prints it without a traceback."""


class UnknownModelError(SpeechZooError, KeyError):
    """A model name, weight tag or option that the registry does not hold."""

    __str__ = Exception.__str__  # KeyError would print the message in quotes


class MissingExtraError(SpeechZooError, ImportError):
    """A feature needs a package that an extra of the installation brings."""


class CheckpointError(SpeechZooError):
    """A checkpoint cannot be read, or does not fit the model."""


class ArtifactError(SpeechZooError):
    """A finished artifact is damaged, incomplete, or not of the kind that was asked for."""


class HubError(SpeechZooError):
    """A file cannot be had from where it should come, or what comes is not that file."""


class ParityError(SpeechZooError):
    """Two forms of one model do not compute the same."""


class AudioError(SpeechZooError, ValueError):
    """Audio that cannot be read, written or processed."""


class ShapeError(SpeechZooError, ValueError):
    """A tensor whose shape is not the one that the model takes."""


class StateError(SpeechZooError, ValueError):
    """A streaming state that does not belong to the model it was passed to."""


class ServerError(SpeechZooError):
    """A server that cannot be reached or answers with an error.

    Attributes:
        temporary: whether the same may succeed later.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class TextError(SpeechZooError, ValueError):
    """Text that cannot be spoken as it is."""


def printable(value: object) -> str:
    """A name out of a file as it can be shown on a terminal: without control characters, and short."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)[:200])


class AudioWarning(UserWarning):
    """Sound that can be used, and is likely not what it should be: cut short, or in another scale."""
