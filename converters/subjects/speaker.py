"""Exports speaker networks: from features to embeddings, and from waveforms, batch and time free.

A file is held against the training form for several batches and lengths, each row of which is computed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from converters.subjects.subject import Calls, Exportable, Planned, Progress, Subject, Traceable
from zoo.arrays import Array
from zoo.artifact import golden
from zoo.artifact.manifest import GoldenEmbedding, SpeakerForm, SpeakerManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.hub.index import ENDINGS
from zoo.layers.filterbank import SpeakerFeatures
from zoo.networks.speaker import SpeakerNetwork
from zoo.runtime.graph import Graph, as_array
from zoo.spec import SpeakerSpec, TensorSpec, Tolerance
from zoo.streaming.conversion import fold
from zoo.tasks.speaker.embedder import read_mean
from zoo.tasks.speaker.session import padded

CHECKED = ((1, 33), (7, 33), (2, 99), (2, 137), (1, 200), (1, 598))  # batch, frames
_LEAST = 11  # frames of the shortest row of several lengths
_TRACED = (3, 137)  # batch, frames: neither is a special case


@dataclass(frozen=True)
class SpeakerOptions:
    """Which graph of a speaker network.

    Attributes:
        form: ``feats`` or ``wav``.
        mean: (E,) of a cohort's embeddings, to be subtracted in the graph.
        language: of the training data, for sherpa-onnx.
    """

    form: SpeakerForm = "feats"
    mean: Array | None = None
    language: str = "unknown"

    def check(self, spec: SpeakerSpec) -> None:
        """Refuse what does not fit the model.

        Raises:
            ValueError: that.
        """
        if self.form not in ("feats", "wav"):
            raise ValueError(f"form {self.form!r} is neither feats nor wav")
        if self.mean is None:
            return
        if np.shape(self.mean) != (spec.embedding,):
            raise ValueError(
                f"the mean has shape {np.shape(self.mean)}; {spec.name} has embeddings of {spec.embedding} "
                f"elements"
            )
        if not np.isfinite(self.mean).all():
            raise ValueError("the mean holds values that are not finite")


class SpeakerGraph(Exportable):
    """A graph of a speaker network.

    Args:
        model: training form.
        options: which graph.
    """

    def __init__(self, model: SpeakerNetwork, options: SpeakerOptions) -> None:
        options.check(model.spec)
        self.training: SpeakerNetwork = model
        self.name, self.kind = model.spec.name, options.form
        if options.form == "feats":
            self.metadata = _for_sherpa(model.spec, options.language)
        self._form = options.form
        self._mean = None if options.mean is None else torch.from_numpy(np.asarray(options.mean, np.float32))

    def prepare(self, say: Progress) -> Traceable:
        return traceable(self.training, self._form, self._mean)

    def manifest(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], **common: Any
    ) -> SpeakerManifest:
        spec = self.training.spec
        return SpeakerManifest(
            form=self._form,
            front_end=spec.front_end,
            embedding=spec.embedding,
            least_frames=spec.least_frames,
            mean_subtracted=self._mean is not None,
            inputs=inputs,
            outputs=outputs,
            **common,
        )

    @torch.inference_mode()
    def check(self, graph: Graph, tolerance: Tolerance) -> ParityReport:
        """See ``Exportable``; each row is computed alone, and the worst case is reported."""
        spec, reports = self.training.spec, []
        for name, rows in _cases(spec, self._form):
            expected = np.concatenate([self._embedded(_features(spec, row)) for row in rows])
            values: tuple[Any, ...] = padded(rows)
            if self._form == "feats":
                values = (np.concatenate([as_array(_features(spec, row)) for row in rows]),)
            reports.append(
                compare(
                    expected,
                    as_array(graph(*values)[0]),
                    tensor=f"embs of {name}",
                    tolerance=tolerance,
                    axis=0,
                    unit="row",
                )
            )
        return max(reports, key=lambda report: report.max_error)

    def recording(self) -> GoldenEmbedding:
        """See ``Exportable``; a second of speech, or its features on float16's grid."""
        rate = self.training.spec.front_end.sample_rate
        speech = golden.parity_speech(rate)[:rate]
        feats = _features(self.training.spec, speech)
        if self._form == "feats":
            feats = feats.half().float()
        signal = speech if self._form == "wav" else as_array(feats)[0]
        return golden.pack_embedding(signal, self._embedded(feats)[0], self._form, rate)

    @torch.inference_mode()
    def _embedded(self, feats: Tensor) -> Array:
        """(1, T, F) -> (1, E) by the training form"""
        embeddings: Array = as_array(_less(self.training(feats), self._mean))
        return embeddings


class _FeatureGraph(nn.Module):
    """Features (B, T, F) to embeddings (B, E).

    It reads the last of the frames that it needs by index, so that ONNX Runtime refuses a recording without
    one, whoever runs the graph; a pooling of too few frames would be NaN.
    """

    mean: Tensor | None

    def __init__(self, core: SpeakerNetwork, mean: Tensor | None) -> None:
        super().__init__()
        self.core = core
        self.register_buffer("mean", mean)

    def forward(self, feats: Tensor) -> Tensor:
        needed = feats[:, self.core.spec.least_frames - 1, :1]  # (B, 1)
        return _less(self.core(feats), self.mean) + 0 * needed


class _WaveformGraph(nn.Module):
    """Waveforms (B, N) with the samples of each row (B,) to embeddings (B, E).

    A graph cannot raise for one row: the embedding of a row that is too short, whose length is more than N,
    or with a sample that is not finite is NaN in every element, and the other rows are as they are.
    """

    mean: Tensor | None

    def __init__(self, core: SpeakerNetwork, mean: Tensor | None) -> None:
        super().__init__()
        self.core, self.features = core, SpeakerFeatures(core.spec.front_end)
        self.register_buffer("mean", mean)

    def forward(self, wav: Tensor, lengths: Tensor) -> Tensor:
        embeddings = _less(self.core.embed(*self.features(wav, lengths)), self.mean)
        spec, size = self.core.spec, wav.shape[1]
        beyond = torch.arange(size, device=wav.device) >= lengths.unsqueeze(1)  # (B, N)
        finite = ((wav.abs() <= torch.finfo(wav.dtype).max) | beyond).all(1)
        sound = finite & (lengths >= spec.front_end.samples(spec.least_frames)) & (lengths <= size)
        return torch.where(sound.unsqueeze(1), embeddings, torch.nan)


def _less(embeddings: Tensor, mean: Tensor | None) -> Tensor:
    return embeddings if mean is None else embeddings - mean


def traceable(model: SpeakerNetwork, form: SpeakerForm, mean: Tensor | None = None) -> Traceable:
    """A folded form with an example, batch and time free."""
    core, spec = fold(model), model.spec
    batch, frames = _TRACED
    rows, least = torch.export.Dim("B"), spec.least_frames
    embs = (TensorSpec("embs", ("B", spec.embedding)),)
    if form == "feats":
        time = torch.export.Dim("T", min=least)
        return Traceable(
            spec.name,
            _FeatureGraph(core, mean).eval(),
            (torch.randn(batch, frames, spec.front_end.bins),),
            ({0: rows, 1: time},),
            (TensorSpec("feats", ("B", "T", spec.front_end.bins)),),
            embs,
        )
    samples = spec.front_end.samples(frames)
    time = torch.export.Dim("N", min=spec.front_end.samples(max(least, _LEAST)))
    return Traceable(
        spec.name,
        _WaveformGraph(core, mean).eval(),
        (torch.randn(batch, samples), torch.tensor([samples, samples // 2, samples])),
        ({0: rows, 1: time}, {0: rows}),
        (TensorSpec("wav", ("B", "N")), TensorSpec("lengths", ("B",), "int64")),
        embs,
    )


def _for_sherpa(spec: SpeakerSpec, language: str) -> dict[str, str]:
    """What sherpa-onnx wants to know: the range of the samples, and that the mean is taken out."""
    unscaled = spec.front_end.full_scale == 1
    return {
        "framework": "3d-speaker" if unscaled else "wespeaker",
        "language": language,
        "url": spec.url,
        "comment": f"{spec.title}, exported by speechzoo",
        "sample_rate": str(spec.front_end.sample_rate),
        "output_dim": str(spec.embedding),
        "normalize_features": "0",
        "normalize_samples": "1" if unscaled else "0",
        "feature_normalize_type": "global-mean",
    }


def _cases(spec: SpeakerSpec, form: SpeakerForm) -> Iterator[tuple[str, list[Array]]]:
    """Names and waveforms of the batches that judge a graph: stretches of the package's own speech."""
    front_end = spec.front_end
    speech = golden.parity_speech(front_end.sample_rate)
    speech = np.tile(speech, -(-2 * front_end.samples(598) // len(speech)))
    step = front_end.sample_rate // 2
    for batch, frames in CHECKED:
        length = front_end.samples(frames)
        yield f"{batch} x {frames} frames", [speech[i * step :][:length] for i in range(batch)]
    if form == "wav":
        frames_of = [max(spec.least_frames, _LEAST), 33, 99, 100, 201, 340]
        lengths = [front_end.samples(frames) + 7 * i for i, frames in enumerate(frames_of)]
        yield "rows of 6 lengths", [speech[i * step :][:length] for i, length in enumerate(lengths)]


@torch.inference_mode()
def _features(spec: SpeakerSpec, waveform: Array) -> Tensor:
    """(N,) -> (1, T, F), less their mean."""
    feats, _ = SpeakerFeatures(spec.front_end)(
        torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    )
    return feats.transpose(1, 2).contiguous()


class Speaker(Subject[SpeakerNetwork, SpeakerOptions]):
    """A recording in, an embedding of its speaker out."""

    task = "speaker"
    networks = "speaker networks"
    options = SpeakerOptions
    words = ("form", "mean_vec", "language", "for")
    forms = ("feats", "wav")
    pipeline = "feature-extraction"  # a vector; audio-classification promises labels and their scores
    tags = ("speaker-embedding", "speaker-verification")

    def graph(self, model: SpeakerNetwork, options: SpeakerOptions) -> SpeakerGraph:
        if model.converted_from:
            raise ValueError(
                f"this {model.spec.name} is a deployment form; pass the training form, which judges the "
                f"export"
            )
        return SpeakerGraph(model, options)

    def wanted(
        self, model: SpeakerNetwork, out: Path | None, words: Mapping[str, Any], ending: str
    ) -> dict[Path, dict[str, Any]]:
        """See ``Subject``; the mean is read from its file."""
        assert out is not None, "a configuration is for text to speech"
        options = {"form": self.forms[0], **words}
        reader = options.pop("for", None)  # which all graphs of features have metadata for
        if reader is not None and options["form"] != "feats":
            raise ValueError(f"{reader} takes graphs of features; leave the form {options['form']} out")
        if "mean_vec" in options:
            options["mean"] = read_mean(options.pop("mean_vec"))
        return {out: options}

    def planned(self, model: SpeakerNetwork, also: Sequence[str]) -> Iterator[Planned]:
        """Both forms in every format."""
        for form in SpeakerManifest.forms:
            for format in ("onnx", *also):
                path = f"{format}/{model.spec.name}.{form}{ENDINGS[format]}"
                yield Planned(path, format, form, None, {"form": form})

    def purpose(self, spec: SpeakerSpec) -> str:
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

    def calls(  # type: ignore[override]  # by its own options
        self,
        model: SpeakerNetwork,
        say: Progress,
        *,
        form: SpeakerForm = "feats",
        frames: int = 200,
        calls: int = 10,
    ) -> Calls:
        """Give calls on pieces of the package's speech, one a call.

        Args:
            model, say: see ``Subject``.
            form: of the graph.
            frames: of a piece.
            calls: at most so many.
        """
        SpeakerOptions(form).check(model.spec)
        given, front_end = traceable(model, form), model.spec.front_end
        length, speech = front_end.samples(frames), golden.parity_speech(front_end.sample_rate)
        pieces = [speech[at : at + length] for at in range(0, len(speech) - length + 1, length)][:calls]
        if frames < model.spec.least_frames or not pieces:
            most = front_end.frames(len(speech))
            raise ValueError(
                f"{frames} frames and {calls} calls: expected at least one call of "
                f"{model.spec.least_frames} to {most} frames"
            )
        values: list[tuple[Any, ...]] = [padded([piece]) for piece in pieces]
        if form == "feats":
            values = [(as_array(_features(model.spec, piece)),) for piece in pieces]
        names = [spec.name for spec in given.inputs]
        described = {"inputs": names, "outputs": ["embs"], "within": "core", "opset": 18}  # as files have it
        return Calls(given.module, values, described, worst_first=True)


SUBJECT = Speaker()
