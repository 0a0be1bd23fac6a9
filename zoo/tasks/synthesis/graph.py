"""Sessions that turn token ids into log-mel frames: finished graphs or engines of several sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from zoo.artifact.engine import EngineRecord, find_engine_record
from zoo.artifact.manifest import SynthesisManifest
from zoo.errors import ArtifactError
from zoo.runtime.artifact import ENGINES, load_artifact
from zoo.runtime.graph import Graph, as_array, manifest_for
from zoo.tasks.limits import record_of
from zoo.tasks.synthesis.plugins import register_plugins
from zoo.tasks.synthesis.session import Frames, Utterance, inputs

_AT_ONCE = 8  # texts of one call of a graph that takes any number: what many more hold in memory grows


class GraphSynthesis:
    """Graphs or engines of one network at several sizes.

    Args:
        paths: the files, in any order: artifacts of one kind. One of free size makes the others needless.
        threads: of one call, in ONNX Runtime.
        providers: of ONNX Runtime.
        trust: as of ``load_artifact``.

    Raises:
        ArtifactError: none, damaged, for another task, two of a size, not of the same weights; or engines
            without a record, not of one precision, or not for this machine.
        MissingExtraError: what runs them is not installed.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
    ) -> None:
        if not paths:
            raise ArtifactError("no graph for synthesis was named; pass one .onnx file for each size")
        files = [Path(path) for path in paths]
        records = check_engines(files)  # before a GPU is asked for
        loaded = [
            load_artifact(
                path, threads=threads, providers=providers, register_plugins=register_plugins, trust=trust
            )
            for path in files
        ]
        found = [(synthesis_manifest(graph), graph) for graph in loaded]
        found.sort(key=lambda pair: (pair[0].tokens, pair[0].frames))
        _check_together([(graph.path, manifest) for manifest, graph in found])
        found = [pair for pair in found if pair[0].free][-1:] or found
        self._graphs = [graph for _, graph in found]
        self._manifests = [manifest for manifest, _ in found]
        self._batches = [_batches(manifest, records.get(graph.path)) for manifest, graph in found]
        first, where = found[0][0], found[0][1].path
        self.backend = found[0][1].backend
        self.name = where.name if len(found) == 1 else where.parent.name
        self.model = first.model
        self.front_end, self.symbols = first.front_end, first.symbols
        self.buckets = tuple((manifest.tokens, manifest.frames) for manifest, _ in found)
        self.at_once = min(most or _AT_ONCE for _, most in self._batches)

    def run(self, utterances: Sequence[Utterance], bucket: int) -> list[Frames]:
        """See ``SynthesisSession``."""
        graph, (least, most) = self._graphs[bucket], self._batches[bucket]
        step = most or _AT_ONCE
        results: list[Frames] = []
        for start in range(0, len(utterances), step):
            part = list(utterances[start : start + step])
            rows = part + [part[-1]] * (least - len(part))  # a graph of fixed batch is filled up
            width = self._manifests[bucket].width(max(len(row.ids) for row in rows))
            mel, lengths, durations = map(as_array, graph(*inputs(rows, width)))
            for row, utterance in enumerate(part):
                wanted = int(lengths[row])
                results.append(
                    Frames(mel[row, :wanted].copy(), durations[row, : len(utterance.ids)].copy(), wanted)
                )
        return results


def check_engines(paths: Sequence[Path]) -> dict[Path, EngineRecord]:
    """The records of engines that shall run together, by the engines' paths; none for files of other kinds.

    Raises:
        ArtifactError: some files are engines and others not, an engine has no record, or one of another task,
            or they are of different weights, precisions or libraries.
    """
    engines = [path for path in paths if path.suffix in ENGINES]
    if not engines:
        return {}
    others = [path for path in paths if path not in engines]
    if others:
        raise ArtifactError(
            f"{others[0]}: it does not go with {engines[0]}: one is an engine, the other is not; pass files "
            f"of one kind"
        )
    records = {path: find_engine_record(path) for path in engines}
    _check_together([(path, engine_manifest(path, record)) for path, record in records.items()])
    first = records[engines[0]]
    for path, record in records.items():
        for name in ("flavour", "precision"):
            if getattr(record, name) != getattr(first, name):
                raise ArtifactError(
                    f"{path}: it does not go with {engines[0]}: {name} {getattr(record, name)}, not "
                    f"{getattr(first, name)}; build all sizes together"
                )
    return records


def engine_manifest(path: Path, record: EngineRecord) -> SynthesisManifest:
    """What the record of an engine for synthesis says of its graph.

    Raises:
        ArtifactError: nothing, or it is for another task.
    """
    return manifest_for(record.model_manifest(str(path)), SynthesisManifest, path)


def _check_together(found: Sequence[tuple[Path, SynthesisManifest]]) -> None:
    """Refuse files of different networks, and two of one size."""
    where, first = found[0]
    for path, manifest in found[1:]:
        for name in ("weights", "front_end", "symbols"):
            if getattr(manifest, name) != getattr(first, name):
                raise ArtifactError(
                    f"{path}: it does not go with {where}: another {name}; export all sizes together"
                )
    sizes = [manifest.form for _, manifest in found]
    if len(set(sizes)) < len(sizes):
        raise ArtifactError(f"{where}: two files are of one size; the sizes are {', '.join(sizes)}")


def _batches(manifest: SynthesisManifest, record: EngineRecord | None) -> tuple[int, int | None]:
    """The least and the most texts of a call; None: any number."""
    if not isinstance(manifest.batch, str):
        return manifest.batch, manifest.batch
    if record is None:
        return 1, None
    least, _, most = record.profiles["ids"]
    return least[0], most[0]


def synthesis_manifest(graph: Graph) -> SynthesisManifest:
    """The record of a graph of ours for synthesis.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return record_of(
        graph, SynthesisManifest, "its symbols and sizes are unknown; export it with speechzoo export"
    )


def find_files(folder: Path) -> list[Path]:
    """The engines of a folder, or its ONNX files where it holds no engines.

    Raises:
        ArtifactError: it holds neither.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    engines = [path for path in files if path.suffix in ENGINES]
    found = engines or [path for path in files if path.suffix == ".onnx"]
    if not found:
        raise ArtifactError(
            f"{folder}: it holds no engines and no .onnx files; export_synthesis writes one for each size"
        )
    return found
