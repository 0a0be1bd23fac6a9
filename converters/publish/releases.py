"""What is particular to a task in an artifact repository: which graphs there are, and how its card tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from converters.subjects.speaker import export_speaker
from converters.subjects.synthesis import default_buckets, export_synthesis, file_name
from converters.targets.onnx import export_onnx
from converters.targets.program import export_program
from converters.targets.torchscript import export_torchscript
from zoo.artifact.manifest import EnhancementManifest, SpeakerManifest
from zoo.hub.index import ENDINGS

Export = Callable[..., object]


@dataclass(frozen=True)
class Planned:
    """A graph that a repository is to hold.

    Attributes:
        path: in the repository.
        format, form, streaming: as the index has them.
        export: writes it to a path, and calls ``progress`` with a line for each step.
    """

    path: str
    format: str
    form: str
    streaming: bool | None
    export: Export


class Release(ABC):
    """How the models of a task are published.

    Attributes:
        pipeline: the Hub's tag for what they do.
        tags: more words by which they are found.
        also: what exports them to formats besides ONNX.
    """

    pipeline: ClassVar[str]
    tags: ClassVar[tuple[str, ...]]
    also: ClassVar[Mapping[str, Export]] = {}

    @abstractmethod
    def graphs(self, model: Any, also: Sequence[str]) -> Iterator[Planned]:
        """The graphs of a network; the recording of the first proves the parameters."""

    @abstractmethod
    def purpose(self, spec: Any) -> str:
        """What a model does, in a sentence."""

    @abstractmethod
    def use(self, name: str, repo: str, graph: str) -> str:
        """Markdown: commands and code; ``graph`` is the file that a pull gives where no form is named."""


class _Enhancement(Release):
    pipeline = "audio-to-audio"
    tags = ("speech-enhancement",)
    also: ClassVar = {"torchscript": export_torchscript, "exported": export_program}

    def graphs(self, model: Any, also: Sequence[str]) -> Iterator[Planned]:
        """ONNX in both forms, streaming if the model is and offline; others streaming if the model is."""
        spec = model.spec
        for streaming in (True, False) if spec.streaming else (False,):
            for form in EnhancementManifest.forms:
                formats: dict[str, Export] = {"onnx": export_onnx}
                if streaming == spec.streaming:
                    formats |= {format: self.also[format] for format in also}
                for format, export in formats.items():
                    name = f"{spec.name}.{form}{'' if streaming else '.offline'}{ENDINGS[format]}"
                    write = partial(export, model, form=form, streaming=streaming)
                    yield Planned(f"{format}/{name}", format, form, streaming, write)

    def purpose(self, spec: Any) -> str:
        return f"Removes noise from speech at {spec.front_end.sample_rate} Hz."

    def use(self, name: str, repo: str, graph: str) -> str:
        return f"""```sh
speechzoo pull {name} --repo {repo} -o .
speechzoo enhance noisy.wav --artifact {graph} -o clean.wav
```

```python
import zoo

enhancer = zoo.Enhancer(zoo.pull("{name}", repo="{repo}"))
```"""


class _Speaker(Release):
    pipeline = "feature-extraction"  # a vector; audio-classification promises labels and their scores
    tags = ("speaker-embedding", "speaker-verification")

    def graphs(self, model: Any, also: Sequence[str]) -> Iterator[Planned]:
        export: Export = export_speaker
        for form in SpeakerManifest.forms:
            write = partial(export, model, form=form)
            yield Planned(f"onnx/{model.spec.name}.{form}.onnx", "onnx", form, None, write)

    def purpose(self, spec: Any) -> str:
        return (
            f"Maps a recording at {spec.front_end.sample_rate} Hz to a vector of {spec.embedding} numbers; "
            f"those of one speaker lie close together."
        )

    def use(self, name: str, repo: str, graph: str) -> str:
        return f"""```sh
speechzoo pull {name} --repo {repo} -o .
speechzoo embed recordings/ --artifact {graph} -o embeddings.npz
speechzoo compare a.wav b.wav --artifact {graph}
```

```python
import zoo

embedder = zoo.Embedder(zoo.pull("{name}", repo="{repo}"))
```

That is the form `wav`, from waveforms of any lengths. `--form feats` gives the one from log mel energies, \
as the public exports have it. Neither subtracts the mean of a cohort: pass it as `--mean`."""


class _Synthesis(Release):
    pipeline = "text-to-speech"
    tags = ("speech-synthesis",)

    def graphs(self, model: Any, also: Sequence[str]) -> Iterator[Planned]:
        """One of each size, its parameters in 16 bits where they lose nothing so."""
        for tokens, frames in default_buckets(model):
            write = partial(export_synthesis, model, tokens=tokens, frames=frames, half_weights=True)
            path = f"onnx/{file_name(model, tokens, frames)}"
            yield Planned(path, "onnx", f"{tokens}/{frames}", None, write)

    def purpose(self, spec: Any) -> str:
        return (
            f"Turns English text into log-mel frames of speech at {spec.front_end.sample_rate} Hz, which a "
            f"vocoder makes audible; Griffin-Lim's comes with speechzoo."
        )

    def use(self, name: str, repo: str, graph: str) -> str:
        return f"""```sh
speechzoo pull {name} --repo {repo} -o .
speechzoo speak "Hello." --artifact {graph} -o hello.wav
```

```python
import zoo

speak = zoo.Synthesizer(zoo.pull("{name}", repo="{repo}"))
```

That is the largest size, tokens and frames, which takes the longest sentences whole; what is longer is cut. \
The others, as `--form 32/256`, are faster for short sentences: pull several into a folder, and `--artifact \
FOLDER` takes the smallest that fits."""


RELEASES: Mapping[str, Release] = {  # by task
    "enhancement": _Enhancement(),
    "speaker": _Speaker(),
    "synthesis": _Synthesis(),
}
