"""`speechzoo convert`: to a file that knows whose it is, and back, without losing a bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import zoo
from tests.data import ROOT
from zoo.checkpoint import METADATA_KEY, read_parameters, read_record
from zoo.cli import main
from zoo.errors import CheckpointError

CONFIG = """
model: fastenhancer.default
data: {sampling_rate: 16000}
model_kwargs:
  {channels: 16, kernel_size: [8, 3], stride: 4, n_fft: 512, hop_size: 256, win_size: 512,
   pre_post_init: linear_fixed, input_compression: 0.3,
   rnnformer_kwargs: {channels: 8, freq: 12, num_blocks: 1, num_heads: 2}}
"""


def convert(*words: str) -> int:
    return main(["convert", *words])


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", ["gtcrn", "dpcrn", "fastenhancer_t"])
def test_there_and_back(name: str, weights_for: Callable[[str], Path], tmp_path: Path) -> None:
    ours, public = tmp_path / "ours.safetensors", tmp_path / "back.tar"
    terms = ["--licence", "MIT", "--training-data", "made up"]
    assert convert(str(weights_for(name)), "--model", name, "-o", str(ours), *terms) == 0
    model = zoo.create_model(name, ours)
    assert same(model.state_dict(), zoo.create_model(name, weights_for(name)).state_dict())
    assert model.provenance["licence"] == "MIT" and model.provenance["training_data"] == "made up"
    record = read_record(ours)
    assert record is not None and record.model == name
    assert record.weights["sha256"] == model.provenance["sha256"]
    assert (record.options, record.front_end) == (dict(model.spec.options), model.spec.front_end)
    assert convert(str(ours), "-o", str(public)) == 0  # the file says itself whose it is
    assert list(torch.load(public, weights_only=True)) == ["model"]
    assert same(read_parameters(public), model.state_dict())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.tar", "ours.safetensors"]


def test_sizes_of_a_training_folder_stay_with_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs/small"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    sizes = {"channels": 16, "kernel_sizes": (8, 3), "block_channels": 8, "block_bins": 12, "blocks": 1}
    from dataclasses import replace

    from zoo.create import build

    spec = zoo.get_spec("fastenhancer_t")
    small = build(replace(spec, options={**spec.options, **sizes, "heads": 2}))
    torch.save({"model": small.state_dict()}, folder / "00001.pth")
    out = tmp_path / "small.safetensors"
    assert convert(str(folder), "-o", str(out)) == 0
    shutil.rmtree(folder)
    model = zoo.create_model("fastenhancer_t", out)
    assert same(model.state_dict(), small.state_dict()) and model.spec.options["channels"] == 16
    with pytest.raises(CheckpointError, match="holds weights of fastenhancer_t, not of gtcrn"):
        zoo.create_model("gtcrn", out)


def test_what_cannot_be_converted(
    weights_for: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gtcrn, out = str(weights_for("gtcrn")), str(tmp_path / "out.safetensors")

    def fails(*words: str) -> str:
        assert convert(*words) == 1
        assert not Path(out).exists()
        return capsys.readouterr().err

    assert "missing.tar: there is no such file" in fails(f"{tmp_path}/missing.tar", "-o", out)
    assert "does not say which model it is one of" in fails(gtcrn, "-o", out)
    assert "not a checkpoint of dpcrn" in fails(gtcrn, "--model", "dpcrn", "-o", out)
    assert "there is no model 'gtcm'" in fails(gtcrn, "--model", "gtcm", "-o", out)
    assert "ends in .safetensors, .tar" in fails(gtcrn, "--model", "gtcrn", "-o", f"{tmp_path}/out.bin")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(Path(gtcrn).read_bytes()[:5000])
    assert "cut.tar: it cannot be read as a checkpoint" in fails(str(cut), "--model", "gtcrn", "-o", out)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(b"\x10\x00")
    assert "cut.safetensors: not a safetensors file" in fails(str(cut), "-o", out)
    assert "cannot be written" in fails(gtcrn, "--model", "gtcrn", "-o", f"{cut}/out.pt")
    Path(tmp_path / "there.pt").touch()
    assert "it exists; pass --force" in fails(gtcrn, "--model", "gtcrn", "-o", f"{tmp_path}/there.pt")


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_a_full_disk_leaves_nothing(weights_for: Callable[[str], Path], tmp_path: Path, ending: str) -> None:
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); " + (
        "from zoo.cli import main; sys.exit(main(['convert', *sys.argv[1:]]))"
    )
    words = [str(weights_for("gtcrn")), "--model", "gtcrn", "-o", str(tmp_path / f"out{ending}")]
    run = subprocess.run([sys.executable, "-c", limited, *words], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1 and "it cannot be written (File too large)" in run.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "record has version 2, this package reads version 1"),
        ({"front_end": {"hop": 1}}, r"record cannot be read \(TypeError"),
        ({"options": None}, "record cannot be read"),
    ],
)
def test_a_damaged_record_is_named(
    weights_for: Callable[[str], Path], tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "ours.safetensors"
    convert(str(weights_for("gtcrn")), "--model", "gtcrn", "-o", str(path))
    with safe_open(path, "pt") as file:
        record = json.loads(file.metadata()[METADATA_KEY])
    save_file(load_file(path), path, {METADATA_KEY: json.dumps({**record, **change})})
    with pytest.raises(CheckpointError, match=message):
        zoo.create_model("gtcrn", path)
