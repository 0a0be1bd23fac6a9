"""A real Triton server with what ``converters.triton.repository`` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.triton.server import INSTALL, TritonServer, find_wheel
from tests.triton.serving import MANY, Served


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The folder of Triton's wheel."""
    pytest.importorskip("tritonclient.grpc", reason='needs a client of Triton: pip install ".[triton]"')
    found = find_wheel()
    if found is None:
        pytest.skip(f"needs a Triton server: {INSTALL} (or SPEECHZOO_TRITON, the folder that has it)")
    return found


@pytest.fixture(scope="session")
def fixed_hop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged enhancer for many streams, one hop a call: the same graph with that dimension fixed."""
    import onnx

    from zoo.artifact.manifest import METADATA_KEY, EnhancementManifest
    from zoo.runtime.onnx import OnnxGraph

    manifest = OnnxGraph(MANY).manifest
    assert isinstance(manifest, EnhancementManifest)
    hop = manifest.front_end.hop_length
    proto = onnx.load(MANY)
    for value in (proto.graph.input[0], proto.graph.output[0]):
        value.type.tensor_type.shape.dim[1].dim_value = hop

    def fixed(specs: tuple) -> tuple:
        return tuple(replace(spec, shape=(spec.shape[0], hop)) for spec in specs)

    manifest = replace(manifest, hops=1, inputs=fixed(manifest.inputs), outputs=fixed(manifest.outputs))
    onnx.helper.set_model_props(proto, {METADATA_KEY: manifest.to_json()})
    path = tmp_path_factory.mktemp("fixed") / "fixed_hop.onnx"
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="session")
def not_a_number(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged enhancer with a weight that is NaN."""
    import onnx

    proto = onnx.load(MANY)
    weights = next(value for value in proto.graph.initializer if value.data_type == onnx.TensorProto.FLOAT)
    values = np.full(weights.dims, np.nan, np.float32)
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    path = tmp_path_factory.mktemp("nan") / "not_a_number.onnx"
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="session")
def forgetful(fixed_hop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The enhancer of one hop, with a state that is not finite after a sample beyond 88."""
    import onnx
    from onnx import helper

    proto = onnx.load(fixed_hop)
    wave, state = proto.graph.input[0].name, proto.graph.output[1].name
    for node in proto.graph.node:
        node.output[:] = ["before" if name == state else name for name in node.output]
    zero = helper.make_tensor("zero", onnx.TensorProto.FLOAT, [], [0.0])
    proto.graph.initializer.append(zero)
    proto.graph.node.extend(
        [
            helper.make_node("Exp", [wave], ["large"]),
            helper.make_node("Mul", ["large", "zero"], ["nothing"]),
            helper.make_node("ReduceSum", ["nothing"], ["none"], keepdims=0),
            helper.make_node("Add", ["before", "none"], [state]),
        ]
    )
    path = tmp_path_factory.mktemp("forgetful") / "forgetful.onnx"
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="session")
def served(
    wheel: Path,
    exported: Callable[..., Path],
    fixed_hop: Path,
    not_a_number: Path,
    forgetful: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """All the enhancers that the tests use, on one server."""
    from converters.triton.repository import Serving, write_repository

    work = tmp_path_factory.mktemp("triton")
    artifacts = {
        "enhancer": MANY,
        "fixed_hop": fixed_hop,
        "patient": fixed_hop,
        "spectral": exported("fastenhancer_t", "spec2spec", streams="streams", hops="hops"),
        "victim": MANY,
        "not_a_number": not_a_number,
        "forgetful": forgetful,
    }
    for name, artifact in artifacts.items():
        serving = Serving(queue_delay=0.02 if name == "patient" else 0.0)
        write_repository(artifact, work / name, serving, name=name)
    with TritonServer(wheel, [work / name / "models" for name in artifacts], work) as server:
        yield Served(server, artifacts)


@pytest.fixture(scope="session")
def speakers(
    wheel: Path, speaker_graph: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Speaker models of both forms on a server of their own: ``speaker`` is three models, ``waves`` one."""
    from converters.triton.repository import Serving, write_repository

    work = tmp_path_factory.mktemp("triton-speakers")
    artifacts = {
        "speaker": speaker_graph("ecapa_c512_glob"),
        "waves": speaker_graph("resnet18-wav"),
    }
    for name, artifact in artifacts.items():
        write_repository(artifact, work / name, Serving(seconds=(1.0, 4.0), queue_delay=0.005), name=name)
    with TritonServer(wheel, [work / name / "models" for name in artifacts], work) as server:
        yield Served(server, artifacts)
