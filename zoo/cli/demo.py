"""Hear the models in a browser: recordings and the microphone.

The page computes by itself, in WebAssembly made of the models' graphs; no sound leaves the machine. The
folder holds static files, which any server can serve.

Modules and graphs of your own can be dropped into the page. A graph needs ONNX Runtime, which the page then
loads from cdn.jsdelivr.net and checks against a hash; with --onnxruntime-web it comes from the same server.

examples:
  speechzoo demo                       # then open http://localhost:8000
  speechzoo demo --folder site         # the same page; python -m http.server --directory site
  speechzoo demo --model gtcrn mine.onnx --port 8080
  npm install onnxruntime-web && speechzoo demo --onnxruntime-web node_modules/onnxruntime-web
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from zoo.builtin import packaged_artifact
from zoo.cli._arguments import one_sentence, positive
from zoo.errors import ArtifactError
from zoo.extras import extra
from zoo.registry import get_spec, list_models
from zoo.runtime.webassembly_compiler import build_webassembly
from zoo.spec import EnhancementSpec
from zoo.tasks.enhancement.enhancer import DEFAULT_MODEL

GROUP = "run models"
PAGE = Path(__file__).parents[1] / "web"
SPEECH = Path(__file__).parents[1] / "artifact/speech.flac"
RUNTIME = "onnxruntime.json"  # where the page has ONNX Runtime from, and the hashes of its files
_NOT_SERVED = ("node.js",)
# What lets a page measure time exactly.
_ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", nargs="+", metavar="NAME|ONNX", help="default: all whose weights are in the package")
    add("--folder", type=Path, help="write the page there, and serve nothing")
    add("--port", type=positive, default=8000, help="default 8000")
    add(
        "--onnxruntime-web", type=Path, metavar="FOLDER", help="of npm; default: the page loads it from a CDN"
    )


def run(args: argparse.Namespace) -> int:
    with one_sentence():
        if args.folder:
            write_page(args.folder, args.model, args.onnxruntime_web)
            print(f"{args.folder}: written; python -m http.server --directory {args.folder}")
            return 0
        with tempfile.TemporaryDirectory() as folder:
            write_page(Path(folder), args.model, args.onnxruntime_web)
            _serve(folder, args.port)
    return 0


def packaged_models() -> list[str]:
    """Enhancers whose weights come with the package, the default first."""
    names = sorted(list_models(EnhancementSpec.task), key=lambda name: name != DEFAULT_MODEL)
    return [name for name in names if packaged_artifact(get_spec(name, EnhancementSpec))]


def write_page(folder: Path, models: list[str] | None = None, runtime: Path | None = None) -> None:
    """Write the page, its models and an example.

    Args:
        folder: is made.
        models: names, or paths of streaming graphs; by default all that come with the package.
        runtime: onnxruntime-web as npm unpacks it, which is copied; by default the page names a CDN.

    Raises:
        ArtifactError: the weights of a model do not come with the package, a graph cannot be compiled, or the
            runtime is not in its folder.
        MissingExtraError: what makes C or compiles it is not installed.
        UnknownModelError: there is no such model.
    """
    named = [_graph(given) for given in (packaged_models() if models is None else models)]
    graphs = dict(named)
    if len(graphs) < len(named):
        raise ArtifactError(
            f"two models have one name, of {', '.join(name for name, _ in named)}; rename a file"
        )
    files = {} if runtime is None else _runtime_files(runtime)
    with extra("native", "making C of a graph"):
        from converters.c.compiler import compile_graph
    with tempfile.TemporaryDirectory() as temporary:
        for name, path in graphs.items():
            source = Path(temporary) / f"{name}.c"
            source.write_text(compile_graph(path))
            build_webassembly(source, source.with_suffix(".wasm"), bare=True)
        folder.mkdir(parents=True, exist_ok=True)
        for name in graphs:
            shutil.copyfile(Path(temporary) / f"{name}.wasm", folder / f"{name}.wasm")
    for file in PAGE.iterdir():
        if file.is_file() and file.name not in _NOT_SERVED:
            shutil.copyfile(file, folder / file.name)
    shutil.copyfile(SPEECH, folder / "example.flac")
    (folder / "models.json").write_text(json.dumps(list(graphs)))
    if files:
        _copy_runtime(files, folder)


def _graph(given: str) -> tuple[str, Path]:
    """The name in the page, and the graph, of a model or a file.

    Raises:
        ArtifactError: the weights do not come with the package.
        UnknownModelError: there is no such model.
    """
    if given.endswith(".onnx"):
        return Path(given).stem, Path(given)
    found = packaged_artifact(get_spec(given, EnhancementSpec))
    if found is None:
        raise ArtifactError(
            f"{given}: its weights do not come with the package; export it (speechzoo export {given} "
            f"--weights TAG -o {given}.onnx) and name the file"
        )
    return given, found


def _runtime_files(package: Path) -> dict[str, Path]:
    """The files of onnxruntime-web that the page loads.

    Raises:
        ArtifactError: one is not there.
    """
    wanted = json.loads((PAGE / RUNTIME).read_text())["integrity"]
    files = {name: package / "dist" / name for name in wanted}
    for path in files.values():
        if not path.is_file():
            raise ArtifactError(
                f"{path}: it is not there; --onnxruntime-web is the folder node_modules/onnxruntime-web that "
                f"npm install onnxruntime-web makes"
            )
    return files


def _copy_runtime(files: dict[str, Path], folder: Path) -> None:
    """Put onnxruntime-web beside the page, with the hashes of its files."""
    target = folder / "onnxruntime"
    target.mkdir(exist_ok=True)
    integrity = {}
    for name, path in files.items():
        shutil.copyfile(path, target / name)
        digest = hashlib.sha384((target / name).read_bytes()).digest()
        integrity[name] = f"sha384-{base64.b64encode(digest).decode()}"
    record = {"address": f"{target.name}/", "integrity": integrity}
    (folder / RUNTIME).write_text(json.dumps(record))


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder with the headers of a page that shares nothing with others."""

    def end_headers(self) -> None:
        for name, value in _ISOLATED.items():
            self.send_header(name, value)
        super().end_headers()


def _serve(folder: str, port: int) -> None:
    """Serve a folder to this machine until the user stops it.

    Raises:
        ArtifactError: the port is taken.
    """
    handler = partial(_Handler, directory=folder)
    try:
        server = ThreadingHTTPServer(("localhost", port), handler)
    except (OSError, OverflowError) as error:
        raise ArtifactError(
            f"port {port}: it cannot be served ({error}); choose another with --port"
        ) from error
    with server:
        print(f"open http://localhost:{port}; Ctrl-C ends it", flush=True)
        server.serve_forever()
