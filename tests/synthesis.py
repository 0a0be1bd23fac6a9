"""Text to speech in small: sizes, texts, and configurations as the public implementation has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx

from zoo.artifact.manifest import Manifest, SynthesisManifest

SIZES = ((16, 128), (32, 256))
TEXT = "Hello there. It cost £20!"


def manifest_of(path: Path) -> SynthesisManifest:
    (record,) = onnx.load(path).metadata_props
    manifest = Manifest.from_json(record.value, str(path))
    assert isinstance(manifest, SynthesisManifest)
    assert manifest.to_json() == record.value
    return manifest


def changed(path: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    proto = onnx.load(path)
    change(proto)
    onnx.save(proto, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def write_configuration(folder: Path, engines: list[Path]) -> Path:
    """Files as the public implementation has them: a base, one engine, several engines."""
    (folder / "infer.yaml").write_text("batch_size: 4\nuse_fp16: False\nuse_trt: False\nd_model: 384\n")
    (folder / "trt.yaml").write_text(
        "parent_yaml: 'infer.yaml'\n# Inference\nbatch_size: 1\nuse_trt: True\nuse_fp16: True\n"
        f'trt_file_path: "{engines[0]}"\ntrt_max_input_seq_len: 16\ntrt_max_output_seq_len: 128\n'
        "trt_max_ws_size: 8\ntrt_multi_engine: False\ntrt_force_build: False\n"
        'waveglow_engine_path: "/workspace/waveglow.trt"\n'
    )
    paths = ", ".join(f'"{path}"' for path in engines)
    (folder / "multi.yaml").write_text(
        f"parent_yaml: 'trt.yaml'\ntrt_multi_engine: True\ntrt_file_path_list: [{paths}]\n"
        "trt_max_input_seq_len_list: [16, 32]\ntrt_max_output_seq_len_list: [128, 256]\n"
        'trt_file_path: ""\ntrt_max_input_seq_len: None\ntrt_max_output_seq_len: None\n'
    )
    return folder / "multi.yaml"


def own_name(name: str) -> str:
    """Where the network computes what the public code calls ``name``."""
    for theirs, ours in (
        ("act/act.", ""),
        ("add_pos_enc", "position"),
        ("scaled_dot", "fc input"),
        ("residual", "layer_norm input"),
        ("pos_ffn.ln", "pos_ffn.layer_norm"),
        ("slf_attn.ln", "slf_attn.layer_norm"),
        ("conv1", "w_1"),
        ("conv2", "w_2"),
        ("_side.seq", "_side"),
        ("length_regulator.seq", "length_regulator"),
        ("act/out.seq", "mel_linear"),
    ):
        name = name.replace(theirs, ours)
    return "word_emb" if name == "emb" else name
