"""TensorRT's own bindings, with empty libraries behind them: every name that is used is there.

The bindings' wheel is small and on PyPI; the libraries are neither. So a compiler makes libraries that
have the symbols and do nothing, which is enough to look at classes and enums, and to see how a start without
a GPU is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.converters.tensorrt.bindings import empty_libraries, packaged
from tests.data import ROOT

CODE = """
import ctypes, glob, sys
from pathlib import Path
for name in glob.glob(sys.argv[1] + "/*.so.*"):
    ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
import tensorrt_bindings.tensorrt as trt
sys.modules["tensorrt"] = trt
trt.__version__ = "11"
from converters.tensorrt.builder import BUILDER_FLAGS, Job, build
from zoo.errors import MissingExtraError

for owner, names in {
    trt.BuilderFlag: ("TF32", *BUILDER_FLAGS.values()),
    trt.NetworkDefinitionCreationFlag: ("STRONGLY_TYPED",),
    trt.MemoryPoolType: ("WORKSPACE",),
    trt.ILogger: ("ERROR", "INTERNAL_ERROR", "WARNING"),
    trt.Builder: ("create_network", "create_builder_config", "create_optimization_profile"),
    trt.IBuilderConfig: ("clear_flag", "set_flag", "set_memory_pool_limit", "add_optimization_profile",
                         "create_timing_cache", "set_timing_cache", "get_timing_cache", "progress_monitor"),
    trt.OnnxParser: ("parse_from_file", "num_errors", "get_error"),
    trt.ParserError: ("node_operator", "node_name", "desc"),
    trt.INetworkDefinition: ("num_layers",),
    trt.IProgressMonitor: ("phase_start", "step_complete", "phase_finish"),
    trt.Runtime: ("deserialize_cuda_engine",),
    trt.ICudaEngine: ("num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_shape",
                      "get_tensor_dtype", "create_execution_context"),
    trt.IExecutionContext: ("set_input_shape", "set_tensor_address", "execute_async_v3", "get_tensor_shape"),
    trt.TensorIOMode: ("INPUT", "OUTPUT"),
}.items():
    missing = [name for name in names if not hasattr(owner, name)]
    assert not missing, (owner, missing)
try:
    build(Job(flavour="tensorrt", onnx=sys.argv[2], name="x", plan=sys.argv[3], profiles={}), trt)
except MissingExtraError as error:
    print(error)
"""


def test_names_and_a_start_without_a_gpu(tmp_path: Path) -> None:
    libraries = empty_libraries(tmp_path)
    words = [str(libraries), str(packaged("gtcrn")), str(tmp_path / "x.engine")]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
    )
    assert done.returncode == 0, done.stderr
    assert "its builder needs an NVIDIA GPU and a driver" in done.stdout and "--rtx" in done.stdout
    assert not (tmp_path / "x.engine").exists()
