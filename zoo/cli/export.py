"""Export a model, checked against its training form.

Without --target the ending of --output decides:

  .onnx      a graph
  .ts        TorchScript
  .pt2       an exported program of PyTorch
  .engine    TensorRT, for the GPU at hand; with --rtx for RTX cards, none of which is needed
  .c         C that needs no library, and its header

--target ladspa makes a library of plug-ins for audio programs, mono and stereo. C and plug-ins are also made
of a streaming .onnx file in place of a model, without PyTorch. If an export does not compute what the
training form computes, no file is left.

Text to speech has one file a size, of the model's sizes or of those that --buckets names, in the folder
--output; with --buckets free it has one ONNX file for texts of any size, which computes no more than a text
needs. --config takes sizes, batch and paths from a configuration file like the public trt.yaml; each graph is
then written beside its engine, with the ending .onnx. A graph that is there already is kept if it has these
weights and this size.

examples:
  speechzoo export --model gtcrn --weights dns3 -o gtcrn.onnx
  speechzoo export fastenhancer_t --weights speechzoo --target c -o fastenhancer_t.c
  speechzoo export gtcrn.onnx --target c -o gtcrn.c
  speechzoo export gtcrn --weights speechzoo --target c -o gtcrn.c --weights-file gtcrn.weights
  speechzoo export gtcrn --weights speechzoo --target ladspa -o gtcrn_ladspa.so
  speechzoo export -n fastenhancer_t --form spec2spec --onnx-path fastenhancer_t.onnx  # logs/fastenhancer_t
  speechzoo export --model dpcrn --checkpoint dpcrn.pt --offline --frames 563 -o dpcrn.onnx
  speechzoo export gtcrn --weights dns3 --for sherpa-onnx -o gtcrn.sherpa.onnx
  speechzoo export --model fastenhancer_t --weights mine.safetensors --compiled -o mine.pt2
  speechzoo export --folder exp/resnet --mean-vec mean_vec.npy --form wav -o resnet34.onnx
  speechzoo export --model fastspeech --weights checkpoint_012000.pt --buckets 32/256 64/512 -o graphs/
  speechzoo export --model fastspeech --weights checkpoint_012000.pt --buckets free -o fastspeech.onnx
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.targets import TARGETS, get_target, target_for
from zoo.artifact.manifest import METADATA_KEY
from zoo.cli._arguments import Misuse, bucket_or_free, one_sentence, positive
from zoo.cli._model import add_model_arguments, load_model, named_model
from zoo.extras import extra
from zoo.files import atomic
from zoo.registry import get_spec
from zoo.runtime.artifact import LIBRARIES

if TYPE_CHECKING:
    from converters.c.footprint import Board
    from zoo.spec import ModelSpec

GROUP = "make artifacts"
_OF_MODELS = (  # options that a finished graph has no use for
    "model", "weights", "checkpoint", "folder", "name", "form", "opset", "compiled", "fp16", "int8", "rtx",
    "profile", "streams", "hops", "offline", "frames", "mean_vec", "language", "buckets", "batch", "config",
    "for", "force", "sidecar",
)  # fmt: skip
OF_FILES = ("c", "ladspa")  # what is also made of a finished graph
FREE = "; 0 leaves the number free (default 1)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from zoo.tasks import get_task, list_tasks

    forms = dict.fromkeys(form for task in list_tasks() for form in get_task(task).manifest.forms)
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        metavar="MODEL|ONNX",
        help="as --model; for C and ladspa also a streaming .onnx file",
    )
    add_model_arguments(parser)
    add("--target", choices=tuple(TARGETS), help="default: what --output ends in, else onnx")
    add(
        "-o",
        "--output",
        "--onnx-path",
        "--out",
        type=Path,
        metavar="PATH",
        help="the file or folder to write",
    )
    add(
        "--form",
        choices=tuple(forms),
        help="of enhancers (default wav2wav), of speaker models (default feats)",
    )
    add("--sidecar", action="store_true", default=None, help="of ONNX: its record as JSON beside it")
    add(
        "--for", choices=("sherpa-onnx",), help="of ONNX: whose programs are to read it; docs/integrations.md"
    )
    add("--opset", type=positive, metavar="N", help="of ONNX, 18 to 23 (default: the lowest that is fast)")
    add("--compiled", action="store_true", default=None, help="a program as machine code for such processors")
    add("--symbol", metavar="NAME", help="of C: what all public names begin with (default: the model's)")
    add("--weights-file", type=Path, metavar="FILE", help="of C: the weights go there, loaded at run time")
    add("--report", action="store_true", default=None, help="of C: what it takes of two microcontrollers")
    add("--march", metavar="NAME", help="of ladspa: native (default), portable, or as the compiler has it")
    more = parser.add_argument_group("engines").add_argument
    more("--fp16", action="store_true", default=None, help="in 16 bits")
    more("--int8", action="store_true", default=None, help="in 8 bits")
    more("--rtx", action="store_true", default=None, help="of TensorRT for RTX")
    more(
        "--profile", action="append", metavar="NAME:MIN/OPT/MAX",
        help="shapes of an input with free dimensions; by default what the model declares",
    )  # fmt: skip
    more = parser.add_argument_group("enhancement").add_argument
    more("--streams", type=int, metavar="N", help=f"streams of a call{FREE}")
    more("--hops", type=int, metavar="N", help=f"frames of a call{FREE}")
    more("--offline", action="store_true", default=None, help="whole recordings instead of states")
    more("--frames", type=int, metavar="N", help="fixes the length of an offline graph")
    more = parser.add_argument_group("speakers").add_argument
    more("--mean-vec", type=Path, metavar="NPY", help="vector to subtract in the graph")
    more("--language", metavar="NAME", help="of the training data, for sherpa-onnx")
    more = parser.add_argument_group("text to speech").add_argument
    more("--buckets", type=bucket_or_free, nargs="+", metavar="TOKENS/FRAMES", help="sizes, or: free")
    more("--batch", type=int, metavar="N", help=f"texts of a call{FREE}")
    more("--config", type=Path, metavar="YAML", help="sizes, batch and paths from such a file")
    more("--force", action="store_true", default=None, help="replace files that exist")


def run(args: argparse.Namespace) -> int:
    if bool(args.config) == bool(args.output):
        raise Misuse("either --output PATH (--onnx-path) or, for text to speech, --config YAML is needed")
    if args.config and (args.buckets or args.batch is not None):
        raise Misuse("--config has sizes and batch inside; leave --buckets and --batch out")
    if args.source and args.source.endswith(".onnx"):
        return _export_file(args)
    if args.source:
        if args.model not in (None, args.source):
            raise Misuse(f"{args.source} and --model {args.model}: name one model")
        args.model = args.source
    with one_sentence():
        spec = get_spec(named_model(args)[0])
        target = get_target(args.target or _target(args.output))
        if getattr(args, "for") and target.name != "onnx":
            raise Misuse(f"--for goes with --target onnx, not with {target.name}")
        with extra(target.brought_by, f"exporting {spec.name}"):
            from converters.exporters import export_files
        options = _options(args, spec, target.name)
        if args.sidecar and target.name != "onnx":
            raise Misuse(f"--sidecar goes with --target onnx, not with {target.name}")
        boards = _boards(options.pop("report", None))
        model = load_model(args, target.brought_by)
        reports = export_files(model, args.output, target, options, partial(print, file=sys.stderr))
        for path, report in reports.items():
            print(f"{path}: {_size(path)}, {report or 'there already, the same'}")
            _tell(path, boards)
            if args.sidecar:
                print(f"{_write_sidecar(path)}: its record")
    return 0


def _write_sidecar(path: Path) -> Path:
    """Write the record of an ONNX file beside it, without its recording, for what cannot read metadata.

    Raises:
        ArtifactError: it cannot be written.
    """
    import onnx

    text = {p.key: p.value for p in onnx.load(path, load_external_data=False).metadata_props}[METADATA_KEY]
    record = {name: value for name, value in json.loads(text).items() if name != "golden"}
    sidecar = path.with_suffix(".json")
    with atomic(sidecar) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    return sidecar


def _export_file(args: argparse.Namespace) -> int:
    """C, or plug-ins, of an ONNX file."""
    target = args.target or _target(args.output)
    if target not in OF_FILES:
        raise Misuse(
            f"{args.source}: of a finished graph only C is made, and plug-ins (--target c, --target ladspa); "
            f"for the rest name its model"
        )
    words = get_target(target).words
    for name in (*_OF_MODELS, *(word for other in OF_FILES for word in get_target(other).words)):
        if name not in words and getattr(args, name) is not None:
            why = f"{args.source} is finished" if name in _OF_MODELS else f"{target} has no use for it"
            raise Misuse(f"--{name.replace('_', '-')}: {why}; leave it out")
    options = {word: getattr(args, word) for word in words if getattr(args, word) is not None}
    with one_sentence():
        boards = _boards(options.pop("report", None))
        report = get_target(target).export(
            args.source, args.output, progress=partial(print, file=sys.stderr), **options
        )
        print(f"{args.output}: {_size(args.output)}, {report}")
        _tell(args.output, boards)
    return 0


def _boards(wanted: bool | None) -> Sequence[Board]:
    """The microcontrollers that a report is about, if one is wanted.

    Raises:
        ArtifactError: there is no compiler for them.
    """
    if not wanted:
        return ()
    from converters.c.footprint import BOARDS, find_board_compiler

    find_board_compiler()
    return BOARDS


def _tell(path: Path, boards: Sequence[Board]) -> None:
    """What C takes of boards."""
    if boards:
        from converters.c.footprint import measure

        for board in boards:
            print(f"{path}: {measure(path, board)}")


def _target(output: Path | None) -> str:
    """The target whose files end as the output does.

    Raises:
        Misuse: it ends as what no target alone is meant by.
    """
    if output and output.suffix in (*LIBRARIES, ".wasm"):
        raise Misuse(
            f"{output}: a {output.suffix} is built of C: speechzoo export -o {output.stem}.c, then speechzoo "
            f"build {output.stem}.c -o {output}; a library of plug-ins is made with --target ladspa"
        )
    found = target_for(output) if output else None
    return found.name if found else "onnx"


def _options(args: argparse.Namespace, spec: ModelSpec, target: str) -> dict[str, Any]:
    """The options that were given.

    Raises:
        Misuse: one does not go with the task or the target.
    """
    from converters.exporters import takers, words_of
    from converters.subjects import get_subject
    from zoo.tasks import list_tasks

    pairs = [(task, name) for task in list_tasks() for name in TARGETS]
    known = sorted({word for pair in pairs for word in words_of(*pair)})
    options = {name: getattr(args, name) for name in known if getattr(args, name) is not None}
    model, forms = f"{spec.name} is a model for {spec.task}", get_subject(spec.task).forms
    for name in options:
        if name in words_of(spec.task, target):
            continue
        option = f"--{name.replace('_', '-')}"
        tasks = [task for task in list_tasks() if name in get_subject(task).words]
        tasks = tasks or list(dict.fromkeys(task for task, _ in takers(name)))
        if spec.task not in tasks:
            raise Misuse(f"{option} is for {' and '.join(tasks)}; {model}")
        targets = [other for task, other in takers(name) if task == spec.task]
        raise Misuse(f"{option} goes with --target {' or '.join(targets)}, not with {target}")
    if "form" in options and args.form not in forms:
        raise Misuse(f"--form {args.form}: {model}, whose forms are {' and '.join(forms)}")
    return options


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
