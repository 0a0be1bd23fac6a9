"""Writes model repositories for Triton Inference Server: every number comes from the artifact's manifest.

What models there are is the task's affair: ``converters/triton/<task>.py``. A repository may hold models of
several artifacts, and some that others wrote; each artifact is added by itself.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from converters.triton.config import CONTAINER, SECONDS, TEMPLATES, Serving, Shapes
from converters.triton.models import find_models
from zoo.artifact.engine import read_engine_record
from zoo.artifact.manifest import Manifest
from zoo.errors import ArtifactError
from zoo.files import atomic_entries, sha256_of
from zoo.runtime.onnx import OnnxGraph

__all__ = ["CONTAINER", "SECONDS", "Serving", "write_repository"]


def write_repository(
    artifact: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    serving: Serving | None = None,
    *,
    name: str | None = None,
    force: bool = False,
) -> tuple[str, ...]:
    """Write the models, a README and Dockerfiles for server and client, or add the models to what is there.

    Args:
        artifact: ONNX file with our manifest: a streaming enhancer with a free number of streams, or a
            speaker network of either form.
        folder: to write, or to add to; what else is in it stays.
        serving: how; by default on a CPU.
        name: of the model on the server; by default an enhancer's registered name, and ``speaker``.
        force: replace models of the same names, with what an ensemble among them was made of.

    Returns:
        names of the models, the one that clients call first.

    Raises:
        ArtifactError: no artifact of ours, one that cannot be served like that, or a folder in which there
            are models of these names, or files of others where ours would go.
        ValueError: a name that the server cannot take, or seconds that are too short.
    """
    graph, serving = OnnxGraph(artifact), serving or Serving()
    if graph.manifest is None:
        raise ArtifactError(
            f"{graph.path}: it has no speechzoo manifest, so its states and rates are unknown; export it "
            f"with speechzoo"
        )
    served = find_models(graph.manifest.task)
    if served is None:
        raise ArtifactError(f"{graph.path}: there is no repository for {graph.manifest.task}")
    manifest = replace(graph.manifest, golden=None)  # type: ignore[call-arg]  # of every task's
    if serving.engine:
        serving, profile = _fitted(serving, serving.engine, graph, manifest)
        serving, manifest = served.fit(serving, manifest, profile)
    models, readme = served.write(graph, manifest, serving, _checked_name(name or served.name(manifest)))
    names, folder = tuple(model.name for model in models), Path(folder)
    gone = _replaced(folder, names, force)
    kept = [config for config in _configs(folder) if config.name not in {*gone, *names}]
    texts = {
        "README.md": _with_section(_own_text(folder / "README.md"), names[0], readme),
        "Dockerfile.server": _server_image([*kept, *models], _image(folder, serving, force)),
        "Dockerfile.client": (TEMPLATES / "Dockerfile.client").read_text(),
    }
    if any(model.backend == "tensorrt" for model in (*kept, *models)):
        texts["check_tensorrt.py"] = (TEMPLATES / "check_tensorrt.py").read_text()
    with atomic_entries(folder, [Path("models") / name for name in gone]) as temporary:
        for model in models:
            _write_model(temporary / "models" / model.name, model, graph.path, serving)
        for file, text in texts.items():
            (temporary / file).write_text(text)
    return names


def _configs(folder: Path) -> list[ModelConfig]:
    """The configurations of the models in a repository; one that cannot be read has only its name."""
    found = []
    for path in sorted(folder.glob("models/*/config.pbtxt")):
        config = ModelConfig()
        with suppress(OSError, ValueError, text_format.ParseError):
            text_format.Parse(path.read_text(), config)
        config.name = path.parent.name
        found.append(config)
    return found


def _replaced(folder: Path, names: Sequence[str], force: bool) -> set[str]:
    """Names of the models that make place for those of an artifact.

    Raises:
        ArtifactError: there are some, and they may not be replaced; or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(f"{folder} exists and is no folder; name another one")
    there = {path.name for path in folder.glob("models/*")} & set(names)
    if there and not force:
        raise ArtifactError(
            f"{folder}: a model {min(there)} exists; name another folder, or replace it with force=True "
            f"(--force), which leaves all other models, or give this one another name with --name"
        )
    parts = {
        step.model_name
        for config in _configs(folder)
        if config.name in there
        for step in config.ensemble_scheduling.step
    }
    return there | {part for part in parts if (folder / "models" / part).is_dir()}


def _own_text(path: Path) -> str:
    """What we wrote in a file, or nothing if there is none.

    Raises:
        ArtifactError: others wrote it.
    """
    if not path.exists():
        return ""
    try:
        text = path.read_text()
    except (OSError, ValueError):
        text = ""
    if "speechzoo" not in text:
        raise ArtifactError(
            f"{path}: speechzoo did not write it and does not replace it; name another folder"
        )
    return text


def _with_section(text: str, name: str, section: str) -> str:
    """A README in which an artifact has its section, in the place of an older one of that name."""
    parts = [part for part in re.split(r"(?m)^(?=# \S+ on Triton Inference Server$)", text) if part.strip()]
    others = [part for part in parts if not part.startswith(f"# {name} on ")]
    return "\n".join(part.rstrip("\n") + "\n" for part in [*others, section])


def _image(folder: Path, serving: Serving, force: bool) -> Serving:
    """How the repository is served as a whole: from one container.

    Raises:
        ArtifactError: what is there is built from another one.
    """
    _own_text(folder / "Dockerfile.client")
    found = re.search(r"(?m)^FROM (\S+)$", _own_text(folder / "Dockerfile.server"))
    if found and found[1] != serving.container and not force and any(_configs(folder)):
        raise ArtifactError(
            f"{folder}: its server is built from {found[1]}, not from {serving.container}, and there is one "
            f"for all models; pass --container {found[1]}, or --force for the other"
        )
    return serving


def _fitted(serving: Serving, engine: Path, graph: OnnxGraph, manifest: Manifest) -> tuple[Serving, Shapes]:
    """What an engine's record leaves of the choices: the batch, and its profile of the first input.

    Raises:
        ArtifactError: no engine with a record, of another graph, or one that no server can use as asked.
    """
    record = read_engine_record(engine)
    if record.flavour != "tensorrt":
        raise ArtifactError(f"{engine}: it is of {record.title}; a server runs engines of TensorRT")
    if record.onnx_sha256 != sha256_of(graph.path):
        raise ArtifactError(
            f"{engine}: it was built from another graph than {graph.path}; build it from this"
        )
    name = manifest.inputs[0].name
    least, best, most = record.profiles.get(name, ((0,), (0,), (0,)))
    if least[0] != 1 or serving.max_batch_size > most[0]:
        raise ArtifactError(
            f"{engine}: its profile takes {least[0]} to {most[0]} rows of {name}; 1 to "
            f"{serving.max_batch_size or 'any number'} are needed, so build it with another --profile"
        )
    serving = replace(serving, max_batch_size=serving.max_batch_size or most[0])
    return serving, (least, best, most)


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name.startswith("."):
        raise ValueError(f"a model cannot be named {name!r} on a server; use letters, digits, _ and -")
    return name


def _write_model(folder: Path, config: ModelConfig, artifact: Path, serving: Serving) -> None:
    (folder / "1").mkdir(parents=True)
    header = "# Written by speechzoo from the artifact's manifest; write it again rather than edit it.\n"
    (folder / "config.pbtxt").write_text(header + text_format.MessageToString(config, as_utf8=True))
    if config.backend == "python":
        shutil.copy(TEMPLATES / "feature_extractor.py", folder / "1/model.py")
    elif config.backend == "tensorrt" and serving.engine:
        shutil.copy(serving.engine, folder / "1/model.plan")
    elif config.backend == "onnxruntime":
        shutil.copy(artifact, folder / "1/model.onnx")
        (folder / "1/model.onnx").chmod(0o644)


def _server_image(models: Sequence[ModelConfig], serving: Serving) -> str:
    steps = []
    if any(model.backend == "python" for model in models):
        steps.append(f"RUN pip install --no-cache-dir {_requirement('kaldi-native-fbank')}")
    steps.append("COPY models /models")
    if any(model.backend == "tensorrt" for model in models):
        steps.append("COPY check_tensorrt.py /opt/check_tensorrt.py")
        steps.append("RUN python3 /opt/check_tensorrt.py /models")
    text = Template((TEMPLATES / "Dockerfile.server").read_text())
    return text.substitute(container=serving.container, steps="\n".join(steps))


def _requirement(package: str) -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package
