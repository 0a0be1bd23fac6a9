"""Hear the models in a browser: a page for recordings and the microphone, served here or in a folder.

The page computes by itself, in WebAssembly made of the models' graphs; no sound leaves the machine. The
folder holds static files, which any server can serve.

examples:
  speechzoo demo                       # then open http://localhost:8000
  speechzoo demo --folder site         # the same page; python -m http.server --directory site
  speechzoo demo --model gtcrn --port 8080
"""

from __future__ import annotations

import argparse
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
from zoo.registry import get_spec
from zoo.runtime.webassembly_compiler import build_webassembly
from zoo.spec import EnhancementSpec

GROUP = "run models"
MODELS = ("fastenhancer_t", "gtcrn")
PAGE = Path(__file__).parents[1] / "web"
SPEECH = Path(__file__).parents[1] / "artifact/speech.flac"
_NOT_SERVED = ("node.js",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", nargs="+", default=list(MODELS), metavar="NAME", help=f"default: {', '.join(MODELS)}")
    add("--folder", type=Path, help="write the page there, and serve nothing")
    add("--port", type=positive, default=8000, help="default 8000")


def run(args: argparse.Namespace) -> int:
    with one_sentence():
        if args.folder:
            write_page(args.folder, args.model)
            print(f"{args.folder}: written; python -m http.server --directory {args.folder}")
            return 0
        with tempfile.TemporaryDirectory() as folder:
            write_page(Path(folder), args.model)
            _serve(folder, args.port)
    return 0


def write_page(folder: Path, models: list[str]) -> None:
    """Write the page, its models and an example.

    Raises:
        ArtifactError: the weights of a model do not come with the package.
        MissingExtraError: what makes C or compiles it is not installed.
        UnknownModelError: there is no such model.
    """
    graphs = {}
    for name in models:
        found = packaged_artifact(get_spec(name, EnhancementSpec))
        if found is None:
            raise ArtifactError(
                f"{name}: its weights do not come with the package; export it to C, build a .wasm, and "
                f"choose that in the page"
            )
        graphs[name] = found
    with extra("native", "making C of a graph"):
        from converters.c.compiler import compile_graph
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in graphs.items():
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / f"{name}.c"
            source.write_text(compile_graph(path))
            build_webassembly(source, folder / f"{name}.wasm", bare=True)
    for file in PAGE.iterdir():
        if file.is_file() and file.name not in _NOT_SERVED:
            shutil.copyfile(file, folder / file.name)
    shutil.copyfile(SPEECH, folder / "example.flac")
    (folder / "models.json").write_text(json.dumps(list(graphs)))


def _serve(folder: str, port: int) -> None:
    """Serve a folder to this machine until the user stops it.

    Raises:
        ArtifactError: the port is taken.
    """
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    try:
        server = ThreadingHTTPServer(("localhost", port), handler)
    except (OSError, OverflowError) as error:
        raise ArtifactError(
            f"port {port}: it cannot be served ({error}); choose another with --port"
        ) from error
    with server:
        print(f"open http://localhost:{port}; Ctrl-C ends it", flush=True)
        server.serve_forever()
