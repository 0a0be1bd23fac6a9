"""Exports networks from text to frames: one file for texts of any size, or one for each of several sizes.

Engines want fixed sizes; a text goes into the smallest that holds it. Padding reaches into the last frames
through the convolutions, so what such a file must reproduce is the training form padded to the same size. A
graph of free size has no padding and computes no more than the speech needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from converters.subjects.sized_network import SizedNetwork
from converters.subjects.subject import Calls, Exportable, Planned, Progress, Subject, Traceable
from zoo.arrays import Array
from zoo.artifact.manifest import FREE, GoldenSpeech, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.checkpoint import digest
from zoo.errors import ParityError
from zoo.hub.index import ENDINGS
from zoo.networks.synthesis import SynthesisNetwork
from zoo.runtime.graph import Graph, as_array
from zoo.spec import SynthesisSpec, TensorSpec, Tolerance
from zoo.tasks import load
from zoo.tasks.synthesis.engine_config import read_engine_config
from zoo.tasks.synthesis.golden import check_durations, pack, parity_ids, parity_texts
from zoo.tasks.synthesis.graph import synthesis_manifest
from zoo.tasks.synthesis.session import Frames, Utterance, inputs
from zoo.version import __version__

FREE_TOKENS = 128  # of a text at most where the size is free: what trained networks have seen


@dataclass(frozen=True)
class SynthesisOptions:
    """Which graph of a network from text to frames.

    Attributes:
        tokens, frames: the longest text and the longest speech.
        batch: texts of a call; "batch" leaves it free.
        free: a call is as long as its text and its speech, up to these tokens and to all frames that the
            network has positions for.
    """

    tokens: int = 128
    frames: int = 1024
    batch: int | Literal["batch"] = 1
    free: bool = False

    def check(self, longest: int) -> None:
        """Refuse what does not fit a network that has positions for ``longest`` tokens or frames.

        Raises:
            ValueError: that.
        """
        tokens, batch = self.tokens, self.batch
        frames = longest if self.free else self.frames
        if min(tokens, frames) < 1 or max(tokens, frames) > longest:
            raise ValueError(f"{tokens} tokens and {frames} frames: each must be from 1 to {longest}")
        if batch != "batch" and not (type(batch) is int and batch > 0):
            raise ValueError(f'batch is a number from 1, or "batch" to leave it free, not {batch!r}')

    def width(self, texts: Sequence[Utterance]) -> int:
        """Tokens of a call with these texts."""
        return max(len(text.ids) for text in texts) if self.free else self.tokens


def default_buckets(model: SynthesisNetwork) -> list[tuple[int, int]]:
    """Tokens and frames of the sizes in a model's record that it has positions for.

    Raises:
        ValueError: there are none.
    """
    sizes = [size for size in model.spec.buckets if max(size) <= model.longest]
    if not sizes:
        raise ValueError(
            f"none of the sizes {model.spec.buckets} is one for this {model.spec.name}, which has positions "
            f"for {model.longest}; name others"
        )
    return sizes


def file_name(model: SynthesisNetwork, tokens: int, frames: int, free: bool = False) -> str:
    """The name of a graph's file, as the public implementation names its engines."""
    return f"{model.spec.name}.{FREE if free else f'i{tokens}.o{frames}'}.onnx"


def is_export_of(
    path: Path,
    model: SynthesisNetwork,
    *,
    tokens: int,
    frames: int,
    batch: int | Literal["batch"],
    free: bool = False,
) -> bool:
    """Whether a file is what ``export_synthesis`` would make, of these weights and in this version.

    Raises:
        ArtifactError: it is no artifact of ours for synthesis.
    """
    manifest = synthesis_manifest(load(path))
    asked = (tokens, model.longest if free else frames, batch, free, digest(model.state_dict()), __version__)
    found = (manifest.tokens, manifest.frames, manifest.batch, manifest.free)
    return asked == (*found, manifest.weights.get("sha256"), manifest.toolchain.get("speechzoo"))


class SynthesisGraph(Exportable):
    """A network at one size.

    Args:
        model: in eval mode.
        options: the size.
    """

    def __init__(self, model: SynthesisNetwork, options: SynthesisOptions) -> None:
        options.check(model.longest)
        self.training: SynthesisNetwork = model
        if options.free:
            options = replace(options, frames=model.longest)
        self.kind = FREE if options.free else f"{options.tokens}/{options.frames}"
        self.name = f"{model.spec.name} {self.kind}"
        self._options = options
        self._sized = SizedNetwork(model, None if options.free else options.frames)

    def prepare(self, say: Progress) -> Traceable:
        return traceable(self.training, self._options)

    def manifest(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], **common: Any
    ) -> SynthesisManifest:
        spec, options = self.training.spec, self._options
        return SynthesisManifest(
            front_end=spec.front_end,
            symbols=spec.symbols,
            tokens=options.tokens,
            frames=options.frames,
            batch=options.batch,
            free=options.free,
            inputs=inputs,
            outputs=outputs,
            **common,
        )

    @torch.inference_mode()
    def check(self, graph: Graph, tolerance: Tolerance) -> ParityReport:
        """See ``Exportable``; every frame counts, those of padding too.

        A predicted duration in the middle between two numbers of frames may fall to either side of it by
        another order of additions, so frames are compared where both gave each token as many, which with
        forced durations they must.
        """
        reports = []
        for call in _checked(self.training.spec, self._options):
            values = inputs(call, self._options.width(call))
            mel, lengths, durations = map(as_array, graph(*values))
            expected = [as_array(value) for value in self._sized(*map(torch.from_numpy, values))]
            check_durations(expected[2], durations, tolerance)
            counts, others = (_counts(values, predicted) for predicted in (durations, expected[2]))
            if lengths.tolist() != counts.sum(1).tolist():
                raise ParityError(
                    f"mel_lengths: {lengths.tolist()}, and the durations make {counts.sum(1).tolist()}"
                )
            if np.array_equal(counts, others):
                reports.append(compare(expected[0], mel, tensor="mel", tolerance=tolerance, axis=1))
        return max(reports, key=lambda report: report.max_error)

    @torch.inference_mode()
    def recording(self) -> GoldenSpeech:
        """See ``Exportable``; less than a second of speech."""
        tokens, frames = self._options.tokens, self._options.frames
        ids = parity_ids(self.training.spec.symbols)[: min(tokens, frames, 20)]
        text = Utterance(ids, forced=(float(min(4, frames // len(ids))),) * len(ids))
        values = inputs([text], self._options.width([text]))
        mel, lengths, durations = self._sized(*map(torch.from_numpy, values))
        wanted = int(lengths[0])
        return pack(text, Frames(as_array(mel[0, :wanted]), as_array(durations[0, : len(ids)]), wanted))


def _free_file(model: SynthesisNetwork, out: Path, ending: str, buckets: Sequence[Any]) -> Path:
    """Where the graph of free size goes: the file that is named, or one in the folder.

    Raises:
        ValueError: other sizes beside it, or files of this kind have fixed ones.
    """
    if len(buckets) > 1:
        raise ValueError(f"sizes {buckets}: a graph of free size takes all texts; name no others beside it")
    if ending != ".onnx":
        raise ValueError(f"{out}: free sizes are for ONNX; name sizes for {ending}, as --buckets 128/1024")
    named = out.suffix and not out.is_dir()
    return out if named else out / file_name(model, 0, 0, free=True)


def traceable(model: SynthesisNetwork, options: SynthesisOptions) -> Traceable:
    """A network at one size, with an example."""
    tokens, frames, batch = options.tokens, options.frames, options.batch
    texts = parity_texts(model.spec.symbols, 2 if isinstance(batch, str) else batch, tokens, frames)
    rows: dict[int, Any] = {0: torch.export.Dim("batch")} if isinstance(batch, str) else {}
    both = {**rows, 1: torch.export.Dim("tokens", max=model.longest)} if options.free else rows
    wide, long = (batch, "tokens" if options.free else tokens), "frames" if options.free else frames
    return Traceable(
        model.spec.name,
        SizedNetwork(model, None if options.free else frames).eval(),
        tuple(map(torch.from_numpy, inputs(texts, tokens))),
        (both or None, rows or None, rows or None, both or None),
        (
            TensorSpec("ids", wide, "int64"),
            TensorSpec("lengths", (batch,), "int64"),
            TensorSpec("alpha", (batch,)),
            TensorSpec("forced", wide),
        ),
        (
            TensorSpec("mel", (batch, long, model.spec.front_end.mels)),
            TensorSpec("mel_lengths", (batch,), "int64"),
            TensorSpec("durations", wide),
        ),
    )


def _checked(spec: SynthesisSpec, options: SynthesisOptions) -> list[list[Utterance]]:
    """Texts of the calls that judge a file: with forced durations, and with predicted ones."""
    batch = options.batch
    rows = 3 if isinstance(batch, str) else max(3, batch)
    texts = parity_texts(spec.symbols, rows, options.tokens, options.frames)
    calls = [texts] if isinstance(batch, str) else [(texts * batch)[i:][:batch] for i in range(3)]
    return [*calls, *([replace(text, forced=()) for text in call] for call in calls)]


def _counts(values: tuple[NDArray[Any], ...], predicted: Array) -> NDArray[np.int64]:
    """Frames of each token, (B, tokens)."""
    _, lengths, alpha, forced = values
    own = np.arange(forced.shape[1]) < lengths[:, None]
    durations = np.where(forced < 0, predicted, forced) * own
    return np.rint(durations * alpha[:, None]).astype(np.int64)


class Synthesis(Subject[SynthesisNetwork, SynthesisOptions]):
    """Text in, frames of speech out."""

    task = "synthesis"
    networks = "text to speech"
    options = SynthesisOptions
    words = ("buckets", "batch", "config")
    keeps = True
    pipeline = "text-to-speech"
    tags = ("speech-synthesis",)

    def graph(self, model: SynthesisNetwork, options: SynthesisOptions) -> SynthesisGraph:
        return SynthesisGraph(model, options)

    def wanted(
        self, model: SynthesisNetwork, out: Path | None, words: Mapping[str, Any], ending: str
    ) -> dict[Path, dict[str, Any]]:
        """See ``Subject``; one file a size, in a folder or where a configuration has its engines.

        Where ``out`` is the name of a file it is that, of one size.
        """
        batch = words.get("batch", 1)
        if out is None:
            config = read_engine_config(words["config"])
            paths = [path.with_suffix(ending) for path in config.graphs]
            sizes, batch = dict(zip(paths, config.buckets, strict=True)), config.batch
        else:
            buckets = words.get("buckets") or default_buckets(model)
            if FREE in buckets:
                path = _free_file(model, out, ending, buckets)
                size = {"tokens": min(FREE_TOKENS, model.longest), "frames": model.longest, "free": True}
                return {path: {**size, "batch": batch or "batch"}}
            sizes = {(out / file_name(model, *size)).with_suffix(ending): size for size in buckets}
            if out.suffix and not out.is_dir():  # the name of one file
                if len(buckets) > 1:
                    raise ValueError(
                        f"{out}: a folder is expected for {len(buckets)} sizes; or name one with --buckets"
                    )
                sizes = {out: buckets[0]}
        batch = "batch" if batch == 0 else batch
        return {path: {"tokens": t, "frames": f, "batch": batch} for path, (t, f) in sizes.items()}

    def is_same(self, path: Path, model: SynthesisNetwork, **options: Any) -> bool:
        return is_export_of(path, model, **options)

    def planned(self, model: SynthesisNetwork, also: Sequence[str]) -> Iterator[Planned]:
        """One ONNX file of free size, and one of each kind and size; parameters in ONNX files are in 16 bits
        where they lose nothing so."""
        free = {"tokens": min(FREE_TOKENS, model.longest), "free": True, "half_weights": True}
        yield Planned(f"onnx/{file_name(model, 0, 0, free=True)}", "onnx", FREE, None, free)
        for tokens, frames in default_buckets(model):
            for format in ("onnx", *also):
                name = Path(file_name(model, tokens, frames)).with_suffix(ENDINGS[format])
                options: dict[str, Any] = {"tokens": tokens, "frames": frames}
                if format == "onnx":
                    options["half_weights"] = True
                yield Planned(f"{format}/{name}", format, f"{tokens}/{frames}", None, options)

    def purpose(self, spec: SynthesisSpec) -> str:
        return (
            f"Turns English text into log-mel frames of speech at {spec.front_end.sample_rate} Hz, which a "
            f"vocoder makes audible; speechzoo has some."
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

That graph takes texts of any size and computes no more than they need; sentences that are too long are \
divided. The others, as `--form 32/256`, have a fixed size, tokens and frames: engines are built from them."""

    def calls(  # type: ignore[override]  # by its own options
        self,
        model: SynthesisNetwork,
        say: Progress,
        *,
        texts: Sequence[Utterance] | None = None,
        text: str = "Hello, world.",
        alpha: float = 1.0,
        bucket: tuple[int, int] | None = None,
        buckets: Sequence[tuple[int, int]] | None = None,
        own_durations: bool = False,
    ) -> Calls:
        """Give calls padded to one size, of sentences.

        Args:
            model, say: see ``Subject``.
            texts: one a call, in place of ``text``.
            text: what is spoken; characters without a symbol are told and left out.
            alpha: how slowly.
            bucket: tokens and frames; by default the smallest of ``buckets`` that holds the texts.
            buckets: by default the model's sizes.
            own_durations: each takes the durations that it predicts itself, not PyTorch's.

        Raises:
            TextError: a text that does not fit.
        """
        from converters.subjects.synthesis_layers import padded_calls, sentences

        sizes = [bucket] if bucket else buckets or default_buckets(model)
        if texts is None:
            texts = sentences(model.spec.symbols, text, alpha, sizes[-1][0], say)
        return padded_calls(model, texts, sizes, own_durations)


SUBJECT = Synthesis()
