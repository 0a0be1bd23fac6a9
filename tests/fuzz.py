"""Mutated files and texts at every door: nothing but our own errors, no hang, no more than a gigabyte.

    python -m tests.fuzz --minutes 30 [--seed 1] [--kinds text audio]
    python -m tests.fuzz --again KIND SEED NUMBER        (one input again, with its traceback)

An input is made from its kind, the seed and its number, so that what is found needs no file. They run in a
process of their own, which is begun anew behind one that it does not survive.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

import zoo
from tests.checkpoints import CONFIG
from tests.data import ROOT
from zoo.artifact.engine import EngineRecord
from zoo.artifact.golden import unpack
from zoo.artifact.manifest import METADATA_KEY, EnhancementManifest, Manifest
from zoo.builtin import folder, packaged_artifact
from zoo.errors import SpeechZooError
from zoo.hub.index import File, Index
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.runtime.program_archive import read_program
from zoo.runtime.torch_files import read_record
from zoo.signal.audio import AudioReader
from zoo.tasks import verify_graph
from zoo.tasks.limits import check_limits
from zoo.tasks.speaker.embeddings import Origin, read_embeddings, write_embeddings
from zoo.tasks.speaker.trials import read_trials
from zoo.text.normalise import normalise
from zoo.text.sentences import split
from zoo.text.symbols import encode

SECONDS = 10.0  # of the processor, for one input
PATIENCE = 60.0  # seconds by the clock, after which nothing more is expected
MEMORY = 1 << 30  # bytes, of the process with all that it imported

Door = Callable[[random.Random, Path], None]  # makes an input, and opens it, in a folder of its own

_NUMBERS = (0, 1, -1, 2, 255, 256, 65535, 1 << 31, -(1 << 31), 1 << 63, 10**18, 0.5, 1e308, -0.0)
_VALUES: tuple[Any, ...] = (
    *_NUMBERS, float("nan"), float("inf"), "", "x", "256", "\0", "é", "../x", "/etc/passwd", "x" * 5000, None,
    True, False, [], {}, [[]], {"a": {}}, [1, 2], ["x"], {"x": 1},
)  # fmt: skip
_WORDS = (
    "a", "the", "Dr. ", "St. ", "1", "20", "1,234", "3.14", "$5", "£1.50", "10:30", "1/2", "2026-11-28",
    "1st", "90s", "50%", "5km", "{AA1}", "{", "}", "{XX}", "a@b.com", "www.x.org", "http://", "p.m.", "é",
    "中", "😀", "\0", "\n", "\t", "'", '"', "-", "--", "...", "(", ")", "#", "~", "½", "٣", "\ud800",
    "\U000f0000", "&", "@", ".", ",",
)  # fmt: skip


def bytes_of(content: bytes, rng: random.Random) -> bytes:
    """Bytes with some of them changed, moved, doubled, lost or cut off."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not made:
            break
        place = rng.randrange(len(made))
        size = min(rng.choice((1, 2, 4, 8, 64, 1000)), len(made) - place)
        match rng.randrange(6):
            case 0:
                made[place] ^= 1 << rng.randrange(8)
            case 1:
                made[place : place + size] = bytes(rng.choice((0, 255, 127, 128)) for _ in range(size))
            case 2:
                del made[place : place + size]
            case 3:
                made[place:place] = made[place : place + size] * rng.choice((1, 1, 50))
            case 4:
                other = rng.randrange(len(made))
                made[place : place + size] = made[other : other + size]
            case _:
                if rng.random() < 0.3:
                    del made[place:]
                else:
                    made[place : place + 4] = rng.randrange(1 << 32).to_bytes(4, "little")
    return bytes(made)


def data_of(data: Any, rng: random.Random) -> Any:
    """JSON's data, with something in it that is something else, lost or doubled."""
    made = json.loads(json.dumps(data))
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = made
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.7:
                at = at[key]
                continue
            if rng.random() < 0.15:
                del at[key]
            elif isinstance(at, dict) and rng.random() < 0.1:
                at[rng.choice(("x", "", "version", "task"))] = copy.deepcopy(rng.choice(_VALUES))
            else:
                at[key] = copy.deepcopy(rng.choice(_VALUES))
            break
    return made


def json_of(data: Any, rng: random.Random) -> str:
    """A JSON text, mostly of changed data, else with changed characters."""
    if rng.random() < 0.8:
        return json.dumps(data_of(data, rng))
    if rng.random() < 0.1:
        return rng.choice(("[", '{"a":')) * rng.choice((100, 100_000))
    return bytes_of(json.dumps(data).encode(), rng).decode(errors="replace")


@cache
def graphs() -> tuple[bytes, ...]:
    found = (packaged_artifact(get_spec(name)) for name in ("gtcrn", "fastenhancer_t"))
    return tuple(path.read_bytes() for path in found if path is not None)


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    found = []
    for name in ("gtcrn", "fastspeech_small"):
        path = packaged_artifact(get_spec(name))
        assert path is not None
        manifest = OnnxGraph(path).manifest
        assert manifest is not None
        found.append(json.loads(manifest.to_json()))
    return tuple(found)


def open_manifest(rng: random.Random, place: Path) -> None:
    manifest = Manifest.from_json(json_of(rng.choice(manifests()), rng), "model.onnx")
    manifest.contradiction()
    check_limits(manifest, place / "model.onnx")
    if isinstance(manifest, EnhancementManifest) and manifest.golden is not None:
        unpack(manifest.golden, "model.onnx", manifest.front_end.sample_rate)


def open_artifact(rng: random.Random, place: Path) -> None:
    import onnx

    path, content = place / "model.onnx", rng.choice(graphs())
    if rng.random() < 0.4:
        model = onnx.load_from_string(content)
        entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
        entry.value = json_of(json.loads(entry.value), rng)
        content = model.SerializeToString()
    else:
        content = bytes_of(content, rng)
    path.write_bytes(content)
    verify_graph(OnnxGraph(path))


def open_archive(rng: random.Random, place: Path) -> None:
    path = place / rng.choice(("model.pt2", "model.ts"))
    program = {
        "graph_module": {
            "graph": {"nodes": [], "inputs": []},
            "metadata": {},
            "treespec_namedtuple_fields": {},
        },
        "guards_code": [],
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        archive.writestr(f"model/extra/{METADATA_KEY}.json", json_of(rng.choice(manifests()), rng))
        archive.writestr("model/models/model.json", json_of(program, rng))
        archive.writestr("model/data/weights/weight_0", bytes(64))
    path.write_bytes(bytes_of(content.getvalue(), rng) if rng.random() < 0.6 else content.getvalue())
    read_record(path)
    try:
        read_program(path)
    except SpeechZooError:
        raise
    except Exception as error:  # which TorchGraph tells as a damaged file's, whatever it is
        if isinstance(error, (MemoryError, AssertionError)):
            raise


def open_index(rng: random.Random, place: Path) -> None:
    files = (
        File("onnx/x.onnx", "onnx", 10, "0" * 64, "wav2wav", True),
        File("golden.json", "golden", 5, "1" * 64),
    )
    index = Index("gtcrn", "enhancement", {"sha256": "2" * 64}, files, {"torch": "2.10"})
    found = Index.from_json(json_of(json.loads(index.to_json()), rng).encode(errors="replace"), "config.json")
    found.contents()
    found.usual_form()


def open_record(rng: random.Random, place: Path) -> None:
    record = EngineRecord(
        flavour="tensorrt", library="10.15", onnx_sha256="0" * 64, precision="fp32", flags=("no_tf32",),
        profiles={"wav_in": ((1, 256), (8, 256), (32, 256))}, workspace=0, targets=("8.9",), gpu=None,
        system="Linux x86_64", manifest=manifests()[0],
    )  # fmt: skip
    EngineRecord.from_json(json_of(json.loads(record.to_json()), rng), "x.json")


@cache
def checkpoints() -> dict[str, bytes]:
    import torch

    params = zoo.create_model("fastenhancer_t", None).state_dict()
    content = io.BytesIO()
    torch.save({"model": params, "step": 3}, content)
    own = folder(get_spec("fastenhancer_t")) / "fastenhancer_t.safetensors"
    return {".pt": content.getvalue(), ".safetensors": own.read_bytes()}


def open_checkpoint(rng: random.Random, place: Path) -> None:
    ending = rng.choice(list(checkpoints()))
    content = checkpoints()[ending]
    if ending == ".safetensors" and rng.random() < 0.5:
        length = int.from_bytes(content[:8], "little")
        header = json_of(json.loads(content[8 : 8 + length]), rng).encode(errors="replace")
        content = len(header).to_bytes(8, "little") + header + content[8 + length :]
    else:
        content = bytes_of(content, rng)
    path = place / f"x{ending}"
    path.write_bytes(content)
    zoo.create_model("fastenhancer_t", path)


def open_config(rng: random.Random, place: Path) -> None:
    wespeaker = {"model": "ResNet34", "model_args": {"embed_dim": 256, "feat_dim": 80}, "dataset_args": {}}
    config = data_of(rng.choice((CONFIG, wespeaker)), rng)
    content = yaml.dump(config, allow_unicode=True).encode(rng.choice(("utf-8", "utf-16")), "replace")
    path = place / "config.yaml"
    path.write_bytes(bytes_of(content, rng) if rng.random() < 0.4 else content)
    (place / "00001.pth").write_bytes(checkpoints()[".pt"])
    zoo.create_model(rng.choice(("fastenhancer_t", "resnet34")), place)


@cache
def embeddings() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        vectors = {f"v{n}": np.arange(8, dtype=np.float32) + n for n in range(4)}
        for ending in (".npz", ".ark"):
            write_embeddings(Path(name) / f"x{ending}", vectors, Origin("gtcrn", False))
        return {path.suffix: path.read_bytes() for path in Path(name).iterdir()}


def open_embeddings(rng: random.Random, place: Path) -> None:
    changed = rng.choice(list(embeddings()))
    for ending, content in embeddings().items():
        (place / f"x{ending}").write_bytes(bytes_of(content, rng) if ending == changed else content)
    read_embeddings(place / f"x{'.ark' if changed == '.json' else changed}")


@cache
def recordings() -> dict[str, bytes]:
    noise = np.random.default_rng(0).standard_normal(4000) / 10
    found = {}
    for ending, kind in ((".wav", "PCM_16"), (".flac", "PCM_16"), (".ogg", "VORBIS"), (".aiff", "PCM_24")):
        content = io.BytesIO()
        soundfile.write(content, noise, 16000, format=ending[1:].upper(), subtype=kind)
        found[ending] = content.getvalue()
    return found


def open_audio(rng: random.Random, place: Path) -> None:
    ending = rng.choice(list(recordings()))
    path = place / f"x{ending}"
    path.write_bytes(bytes_of(recordings()[ending], rng))
    with AudioReader(path) as reader:
        for count, block in enumerate(reader.blocks(1 << 14)):
            if not np.isfinite(block).all() or count > 1000:
                break


def open_list(rng: random.Random, place: Path) -> None:
    lines = [
        rng.choice(("a b target", "a b nontarget", "1 a b", "a b", "", "a  b\ttarget")) for _ in range(9)
    ]
    (place / "trials").write_bytes(bytes_of("\n".join(lines).encode(), rng))
    read_trials(place / "trials")


def open_text(rng: random.Random, place: Path) -> None:
    words = [rng.choice(_WORDS) for _ in range(rng.choice((1, 5, 50)))]
    text = rng.choice(("", " ")).join(words)
    if rng.random() < 0.2:
        text = (text * 4000)[:8000]
    said = normalise(text)
    encode(said)
    split(said, lambda part: len(encode(part).ids), 128)


@cache
def stored_graph() -> bytes:
    from tests.converters.c.graphs import stored_model

    return stored_model()


def open_graph(rng: random.Random, place: Path) -> None:
    """C is made of a graph, which is read and lowered by code of ours."""
    from converters.c.compiler import compile_graph

    path = place / "x.onnx"
    path.write_bytes(bytes_of(stored_graph(), rng))
    compile_graph(path, streams=rng.choice((1, 16)))


DOORS: dict[str, Door] = {
    "manifest": open_manifest,
    "artifact": open_artifact,
    "archive": open_archive,
    "index": open_index,
    "record": open_record,
    "checkpoint": open_checkpoint,
    "config": open_config,
    "embeddings": open_embeddings,
    "audio": open_audio,
    "list": open_list,
    "text": open_text,
    "graph": open_graph,
}


def attempt(kind: str, seed: int, number: int) -> str:
    """What is wrong with how an input was taken; empty if it was opened, or refused by an error of ours."""
    rng = random.Random(f"{kind} {seed} {number}")
    started = time.process_time()
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            DOORS[kind](rng, Path(place))
        except SpeechZooError:
            pass
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:160]}"
    seconds = time.process_time() - started
    return f"took {seconds:.1f} s" if seconds > SECONDS else ""


def most_memory() -> int:
    """The most bytes that this process has had; 0 where the system does not tell.

    ``getrusage`` would count what the process that started this one had.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def work(kinds: list[str], seed: int, number: int) -> None:
    """Take one input after the other, each kind in turn; tell before and after each."""
    for kind in kinds:  # what is made once does not count
        attempt(kind, seed, -1)
    while True:
        for kind in kinds:
            print(json.dumps({"kind": kind, "number": number}), flush=True)
            fault = attempt(kind, seed, number)
            used = most_memory()
            if not fault and used > MEMORY:
                fault = f"took {used >> 20} MB"
            print(json.dumps({"kind": kind, "number": number, "fault": fault}), flush=True)
        number += 1


@dataclass
class Found:
    """What came of it.

    Attributes:
        inputs: taken, by kind.
        faults: as (kind, seed, number, what is wrong).
    """

    inputs: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, int, int, str]] = field(default_factory=list)


def fuzz(seconds: float, seed: int, kinds: list[str]) -> Found:
    """Take inputs for so long, in processes of their own."""
    found, number, until = Found(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        number = _run_worker(found, seed, number, kinds, until) + 1
    return found


def _run_worker(found: Found, seed: int, number: int, kinds: list[str], until: float) -> int:
    """Run one process until it ends, is too slow, or the time is up; the number of its last input."""
    words = [sys.executable, "-m", "tests.fuzz", "--work", str(seed), str(number), "--kinds", *kinds]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    child = subprocess.Popen(words, cwd=ROOT, env=environment, **pipes)
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in child.stdout or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    running: dict[str, Any] | None = None
    try:
        while time.monotonic() < until:
            try:
                line = lines.get(timeout=min(PATIENCE, max(0.1, until - time.monotonic())))
            except queue.Empty:
                if time.monotonic() < until:
                    _note(found, running, seed, f"no end after {PATIENCE:g} s")
                    break
                continue
            if not line:
                _note(found, running, seed, f"the process died ({child.wait()})")
                break
            if not line.startswith('{"kind"'):
                continue  # some library speaks
            told = json.loads(line)
            running, number = told if "fault" not in told else None, told["number"]
            if "fault" in told:
                found.inputs[told["kind"]] += 1
                if told["fault"]:
                    found.faults.append((told["kind"], seed, number, told["fault"]))
                    if "MB" in told["fault"]:
                        break  # its memory counts from here on
    finally:
        child.kill()
        child.wait()
    return number


def _note(found: Found, running: dict[str, Any] | None, seed: int, fault: str) -> None:
    if running is not None:
        found.faults.append((running["kind"], seed, running["number"], fault))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(DOORS), default=list(DOORS))
    parser.add_argument("--again", nargs=3, metavar=("KIND", "SEED", "NUMBER"))
    parser.add_argument("--work", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.kinds, *args.work)
    if args.again:
        kind, seed, number = args.again[0], int(args.again[1]), int(args.again[2])
        with tempfile.TemporaryDirectory() as place:
            DOORS[kind](random.Random(f"{kind} {seed} {number}"), Path(place))
        return 0
    found = fuzz(60 * args.minutes, args.seed, args.kinds)
    print(f"{sum(found.inputs.values()):,} inputs: {dict(found.inputs)}")
    for fault in found.faults:
        print(*fault)
    print(f"{len(found.faults)} faults")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
