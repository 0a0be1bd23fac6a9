"""Writes model repositories for Triton Inference Server: every number comes from the artifact's manifest.

What models there are is the task's affair: ``converters/triton/<task>.py``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
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
from zoo.files import atomic_folder, sha256_of
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
    """Write the models, a README and Dockerfiles for server and client.

    Args:
        artifact: ONNX file with our manifest: a streaming enhancer with a free number of streams, or a
            speaker network of either form.
        folder: to write; it must not exist, or be empty, unless ``force``.
        serving: how; by default on a CPU.
        name: of the model on the server; by default an enhancer's registered name, and ``speaker``.
        force: replace the folder.

    Returns:
        names of the models, the one that clients call first.

    Raises:
        ArtifactError: no artifact of ours, one that cannot be served like that, or a folder that is there.
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
    texts = {
        "README.md": readme,
        "Dockerfile.server": _server_image(models, serving),
        "Dockerfile.client": (TEMPLATES / "Dockerfile.client").read_text(),
    }
    folder = Path(folder)
    if folder.exists() and not force and not (folder.is_dir() and not any(folder.iterdir())):
        raise ArtifactError(f"{folder} exists; name another folder, or replace it with force=True (--force)")
    with atomic_folder(folder, force=force) as temporary:
        for model in models:
            _write_model(temporary / "models" / model.name, model, graph.path, serving)
        for file, text in texts.items():
            (temporary / file).write_text(text)
        if serving.engine:
            shutil.copy(TEMPLATES / "check_tensorrt.py", temporary)
    return tuple(model.name for model in models)


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
    if serving.engine:
        steps.append("COPY check_tensorrt.py /opt/check_tensorrt.py")
        steps.append("RUN python3 /opt/check_tensorrt.py /models")
    text = Template((TEMPLATES / "Dockerfile.server").read_text())
    return text.substitute(container=serving.container, steps="\n".join(steps))


def _requirement(package: str) -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package
