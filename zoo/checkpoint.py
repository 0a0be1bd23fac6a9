"""Reads checkpoints: ours and those of the public implementations, safely and strictly.

Files are read by safetensors, or by ``torch.load`` restricted to tensors and plain containers; nothing in
a checkpoint is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.configs.yaml_file import read_yaml
from zoo.errors import CheckpointError, printable
from zoo.extras import extra
from zoo.hub.folder import config_file, newest_checkpoint
from zoo.limits import check_fields, check_front_end, check_options, parse_json
from zoo.registry import get_spec
from zoo.spec import ModelSpec
from zoo.state_dicts import COUNTER, Params, find_parameters, strip_names, tell, without_numpy

METADATA_KEY = "speechzoo"  # of a safetensors file's header
VERSION = 1
_MOST_TENSORS = 20_000  # of a file; a network here has at most some thousand
_LONGEST_HEADER = 1 << 22  # bytes of a safetensors file; a network's has some ten thousand


@dataclass(frozen=True)
class Record:
    """What a safetensors file of ours says of its parameters, in its header.

    Attributes:
        model: registered name.
        options: of the network.
        front_end: what the network reads.
        weights: sha256 of the parameters; source, licence and training data if known.
    """

    model: str
    options: Mapping[str, Any]
    front_end: Any
    weights: Mapping[str, str]
    version: int = VERSION


def read_parameters(path: Path) -> Params:
    """Parameters from a file, or from the newest checkpoint of a training folder.

    Args:
        path: ``.safetensors``; anything that ``torch.save`` wrote (``.pt``, ``.pth``, ``.tar``), holding
            the parameters themselves or dicts around them, see ``find_parameters``; or a folder.

    Raises:
        CheckpointError: nothing there, unreadable, or no parameters in it.

    Warns:
        UserWarning: see ``find_parameters``.
    """
    if path.is_dir():
        path = newest_checkpoint(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    if path.suffix == ".safetensors":
        with extra("torch", str(path)):
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        _check_header(path)
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: not a safetensors file ({error}); copy it again") from error
    _check_archive(path)
    try:
        with without_numpy():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader fails in many ways on what is no checkpoint
        told = printable(str(error).partition("\n")[0])[:160]
        # some errors are only the byte that pickle does not know, some advise to load without safety
        reason = f" ({told})" if " " in told and "weights_only" not in told else ""
        raise CheckpointError(
            f"{path}: it cannot be read as a checkpoint of tensors{reason}; it is damaged, or holds "
            f"pickled objects, which are not loaded: save the state dict alone"
        ) from error
    return find_parameters(content, str(path))


def rename(params: Params, renames: Mapping[str, str]) -> Params:
    """Parameters with each regular expression in their names replaced, in the order given.

    Raises:
        CheckpointError: two of them get one name.
    """
    renamed: Params = {}
    for name, value in params.items():
        new = name
        for pattern, replacement in renames.items():
            new = re.sub(pattern, replacement, new)
        if new in renamed:
            raise CheckpointError(f"two parameters become {new}, the second from {name}; mend the renames")
        renamed[new] = value
    return renamed


def write_parameters(
    model: nn.Module, spec: ModelSpec, weights: Mapping[str, str], path: Path, *, half: bool = False
) -> None:
    """Write a network's parameters to a safetensors file that says whose they are.

    Args:
        model: in training form.
        spec: the record it was built from.
        weights: what is known of them: source, licence, training data.
        path: the file; the caller sees to it that it is not half written.
        half: store those in 16 bits that lose nothing so.
    """
    from safetensors.torch import save

    params = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    record = Record(spec.name, spec.options, spec.front_end, {**weights, "sha256": digest(params)})
    if half:
        halves = {name: value.half() for name, value in params.items()}
        params |= {
            name: h for name, h in halves.items() if torch.equal(h.to(params[name].dtype), params[name])
        }
    header = {"format": "pt", METADATA_KEY: json.dumps(asdict(record), sort_keys=True)}
    path.write_bytes(save(params, header))  # whose errors are those of files, unlike save_file's


def _check_header(path: Path) -> None:
    """Refuse a safetensors file whose header is longer than any, before that is parsed.

    Raises:
        CheckpointError: it is, or there is none.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error}); copy it again") from error
    if length > _LONGEST_HEADER:
        raise CheckpointError(
            f"{path}: not a safetensors file of a network: its header would have {length:,} bytes, more than "
            f"{_LONGEST_HEADER:,}; copy it again"
        )


def _check_archive(path: Path) -> None:
    """Refuse what is small as a file and large once it is unpacked; ``torch.save`` compresses nothing.

    Raises:
        CheckpointError: an archive holds more than it is long, or more tensors than any network has.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            sizes = [info.file_size for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # torch's reader says what is wrong
    if len(sizes) > _MOST_TENSORS:
        raise CheckpointError(f"{path}: it holds {len(sizes):,} tensors, more than any network here")
    if sum(sizes) > path.stat().st_size + (1 << 20):
        raise CheckpointError(
            f"{path}: it would unpack to {sum(sizes):,} bytes, and torch.save compresses nothing; save the "
            f"state dict again"
        )


def read_record(path: Path) -> Record | None:
    """What a safetensors file of ours says of itself; None for other files.

    Raises:
        CheckpointError: its record is damaged, or of a newer version.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    with extra("torch", str(path)):
        from safetensors import SafetensorError, safe_open
    _check_header(path)
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error}); copy it again") from error
    if text is None:
        return None
    try:
        data = parse_json(text)
        if data["version"] != VERSION:
            raise CheckpointError(
                f"{path}: its record has version {data['version']}, this package reads version {VERSION}; "
                f"use the speechzoo that made it, or convert the checkpoint again"
            )
        options = {name: _tuples(value) for name, value in data.pop("options").items()}
        front_end = type(get_spec(data["model"]).front_end)(**data["front_end"])
        check_options(options, get_spec(data["model"]).options)
        check_front_end(front_end)
        record = Record(**{**data, "options": options, "front_end": front_end})
        check_fields(record)
        return record
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its record cannot be read ({type(error).__name__}: {error}); convert it again"
        ) from error


def read_config(folder: Path) -> dict[str, Any] | None:
    """The parsed configuration file of a training folder, or None if it has none.

    Raises:
        CheckpointError: it is no mapping in YAML or JSON, or one beyond reason.
    """
    file = config_file(folder)
    if file is None:
        return None
    return read_yaml(file)


def load_strictly(
    model: nn.Module, params: Params, *, where: str, name: str, unread: tuple[str, ...] = ()
) -> None:
    """Load parameters into a model; every one must be there, fit, be of real numbers and finite, and none be
    left over. Nothing but counters of batch norms may be missing, as in files of other tools.

    Args:
        model: it is changed only if all is well.
        params: by name; see ``plain_names``.
        where, name: checkpoint and model, for errors.
        unread: beginnings of names that are passed over.

    Raises:
        CheckpointError: lists missing and surplus names, wrong shapes and types, and values that are not
            finite.

    Warns:
        UserWarning: names were read without a word before them, or counters were missing.
    """
    params, told = strip_names(params)
    params = {key: value for key, value in params.items() if not key.startswith(unread)}
    expected = model.state_dict()
    missing = [key for key in expected if key not in params]
    if missing and all(key.endswith(COUNTER) for key in missing):
        told.append(f"{len(missing)} counters of batch norms are missing, which only training reads")
        params, missing = {**params, **{key: expected[key] for key in missing}}, []
    problems = _list("missing", missing)
    problems += _list("surplus", [key for key in params if key not in expected])
    common = [key for key in expected if key in params]
    problems += _list(
        "of another shape",
        [
            f"{key} {tuple(params[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in common
            if params[key].shape != expected[key].shape
        ],
    )
    problems += _list(
        "of another type",
        [
            f"{key} {params[key].dtype} instead of {expected[key].dtype}"
            for key in common
            if not _holds(expected[key], params[key])
        ],
    )
    if not problems:  # of what has the right size
        problems = _list("not finite", [key for key in common if not params[key].isfinite().all()])
    if problems:
        raise CheckpointError(
            f"{where}: not a checkpoint of {name}: {'; '.join(problems)}. Is it one of another model or size?"
        )
    model.load_state_dict(params)
    tell(where, told)


def check_digest(params: Params, record: Record, where: str) -> None:
    """Hold parameters against the header of the file that they came in.

    Raises:
        CheckpointError: they are not those that it was written for.
    """
    expected, found = record.weights.get("sha256"), digest(params)
    if expected != found:
        raise CheckpointError(
            f"{where}: its parameters have the sha256 {found}, and its header says {expected}; "
            f"it was changed after it was written: get or convert it again"
        )


def plain_names(params: Params) -> Params:
    """The parameters without what training tools put before every name, see ``strip_names``."""
    return strip_names(params)[0]


def digest(params: Params) -> str:
    """sha256 over names, shapes and values, whatever file they came in."""
    sha = hashlib.sha256()
    for name in sorted(params):
        value = params[name].detach().cpu().contiguous()
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.numpy().tobytes())
    return sha.hexdigest()


def _holds(expected: Tensor, value: Tensor) -> bool:
    """Whether a parameter can take a value's numbers, whatever their bits; counts may come as reals."""
    if value.is_complex() or value.dtype == torch.bool:
        return value.dtype == expected.dtype
    if expected.is_floating_point() or not value.is_floating_point():
        return expected.is_floating_point() == value.is_floating_point()
    return bool((value == value.round()).all())


def _tuples(value: Any) -> Any:
    """JSON has lists where options have tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _list(kind: str, items: list[str]) -> list[str]:
    if not items:
        return []
    shown = ", ".join(printable(item[:100]) for item in items[:8])
    shown += f" and {len(items) - 8} more" if len(items) > 8 else ""
    return [f"{len(items)} {kind}: {shown}"]
