"""The whole way from a graph to C."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from converters.c.emitter import emit
from converters.c.expansion import expand
from converters.c.folding import fold
from converters.c.front_end import read_graph
from converters.c.fusion import fuse
from converters.c.interface import Interface, c_name
from converters.c.ir import Program
from converters.c.lowering import lower_best
from converters.c.memory import plan
from converters.c.transforms import find_transforms
from zoo.artifact.manifest import EnhancementManifest
from zoo.runtime.native import STATE
from zoo.spec import TensorSpec


def compile_graph(path: str | os.PathLike[str], name: str | None = None) -> str:
    """One of our streaming ONNX files as C.

    Args:
        path: the file; for one stream and a fixed number of hops.
        name: what all public names begin with; by default the model's.

    Raises:
        ArtifactError: C cannot be made of it, and why.
    """
    return compile_program(read_graph(path), name)


def compile_program(program: Program, name: str | None = None) -> str:
    """A program as C; see ``compile_graph``. The program is used up."""
    fold(program)
    find_transforms(program)
    expand(program)
    builder = lower_best(program, fuse(program))
    sizes = plan(builder.blocks)
    manifest = native_manifest(program.manifest, sizes.memory)
    interface = Interface(name or c_name(manifest.model), manifest, program.signal.size, program.result.size)
    return emit(builder, sizes, interface)


def native_manifest(manifest: EnhancementManifest, memory: int) -> EnhancementManifest:
    """The record of the C of a graph: its states are one, and each of any number of streams has its own."""

    def free(specs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        return tuple(replace(spec, shape=("streams", *spec.shape[1:])) for spec in specs)

    return replace(
        manifest,
        streams="streams",
        inputs=free(manifest.inputs),
        outputs=free(manifest.outputs),
        states=(TensorSpec(STATE, ("streams", memory)),),
    )
