"""The whole way from a graph to C."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from converters.c.builder import Builder
from converters.c.emitter import emit, emit_apart
from converters.c.expansion import expand
from converters.c.folding import fold
from converters.c.front_end import read_graph
from converters.c.fusion import fuse
from converters.c.interface import Interface, c_name
from converters.c.interleaving import check_streams, interleave
from converters.c.ir import Program
from converters.c.lowering import lower, lower_best
from converters.c.memory import Sizes, plan
from converters.c.transforms import find_transforms
from converters.c.weights import keep_slopes
from zoo.artifact.manifest import StreamManifest
from zoo.errors import ArtifactError, SpeechZooError
from zoo.runtime.native import STATE
from zoo.spec import TensorSpec


def compile_graph(path: str | os.PathLike[str], name: str | None = None, streams: int = 1) -> str:
    """One of our streaming ONNX files as C.

    Args:
        path: the file; for one stream and a fixed number of hops.
        name: what all public names begin with; by default the model's.
        streams: of a call, side by side: 1, or a multiple of 16.

    Raises:
        ArtifactError: C cannot be made of it, and why.
        ValueError: an impossible number of streams.
    """
    check_streams(streams)
    with _refused(path):
        return compile_program(read_graph(path), name, streams)


def compile_apart(
    path: str | os.PathLike[str], name: str | None = None, streams: int = 1
) -> tuple[str, bytes]:
    """The same with the weights in a file of their own: the C, the same for all weights, and that file."""
    check_streams(streams)
    with _refused(path):
        program = read_graph(path)
        keep_slopes(program)
        return emit_apart(*_lowered(program, name, streams, share=False))


@contextmanager
def _refused(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say of what fails in a graph that contradicts itself, wherever that shows first, that it is refused."""
    try:
        yield
    except SpeechZooError:
        raise
    except Exception as error:
        raise ArtifactError(
            f"{os.fspath(path)}: C cannot be made of it, for its operators contradict each other "
            f"({type(error).__name__}: {error}); export it again"
        ) from error


def compile_program(program: Program, name: str | None = None, streams: int = 1) -> str:
    """A program as C; see ``compile_graph``. The program is used up."""
    return emit(*_lowered(program, name, streams))


def _lowered(
    program: Program, name: str | None, streams: int, share: bool = True
) -> tuple[Builder, Sizes, Interface]:
    """A program as the emitter takes it; ``share`` as of ``Builder``."""
    fold(program)
    if streams == 1:
        find_transforms(program)
    expand(program)
    if streams == 1:
        builder = lower_best(program, fuse(program), share)
    else:
        builder = lower(program, fuse(program), share, alone=False)
    interleave(builder, streams)
    sizes = plan(builder.blocks)
    manifest = native_manifest(program.manifest, sizes.memory // streams)
    interface = Interface(
        name or c_name(manifest.model), manifest, program.signal.size, program.result.size, streams
    )
    return builder, sizes, interface


def native_manifest(manifest: StreamManifest, memory: int) -> StreamManifest:
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
