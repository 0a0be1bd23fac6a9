"""A real Triton server on the loopback address, from the wheel ``nvidia-pytriton``."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np

BACKENDS = Path(__file__).parent / "backends"
INSTALL = "pip install --no-deps nvidia-pytriton==0.7.0"


def find_wheel() -> Path | None:
    """The folder that holds ``pytriton`` and ``nvidia_pytriton.libs``, if the wheel is installed.

    ``SPEECHZOO_TRITON`` names one that was installed apart, with ``pip install --target``.
    """
    named = os.environ.get("SPEECHZOO_TRITON")
    spec = None if named else find_spec("pytriton")
    if named:
        folder = Path(named)
    elif spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parents[1]
    else:
        return None
    return folder if (folder / "pytriton/tritonserver/bin/tritonserver").is_file() else None


def backend_folder(wheel: Path, folder: Path) -> Path:
    """A folder of backends: the wheel's for Python, and ours in the place of onnxruntime's."""
    source = wheel / "pytriton/tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "python"
    python.mkdir(parents=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        shutil.copy(source / "backends/python" / name, python)  # the server refuses links out of the folder
    if int(np.__version__.partition(".")[0]) >= 2:
        with open(python / "triton_python_backend_utils.py", "a") as file:
            file.write((BACKENDS / "numpy2.py").read_text())
    shutil.copy(source / "python_backend_stubs" / version / "triton_python_backend_stub", python)
    (python / "triton_python_backend_stub").chmod(0o755)
    shutil.copytree(BACKENDS / "onnxruntime", folder / "onnxruntime")
    return folder


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class TritonServer:
    """A running server. A context manager.

    Args:
        wheel: of ``find_wheel``.
        repositories: folders of models.
        work: a folder for its backends and its log.
        ready_within: seconds after which a server that is not ready is an error.

    Attributes:
        url: host and port for gRPC.
        log: the file of what it says.
    """

    def __init__(self, wheel: Path, repositories: list[Path], work: Path, ready_within: float = 120) -> None:
        self.grpc_port, self.http_port = free_ports(2)
        self.url = f"127.0.0.1:{self.grpc_port}"
        self.log = work / "server.log"
        self._command = [
            str(wheel / "pytriton/tritonserver/bin/tritonserver"),
            *(f"--model-repository={repository}" for repository in repositories),
            f"--backend-directory={backend_folder(wheel, work / 'backends')}",
            "--disable-auto-complete-config",
            "--model-control-mode=explicit",  # so that a test can load a model again
            "--load-model=*",
            "--allow-metrics=false",
            "--exit-timeout-secs=1",
            "--backend-config=python,shm-default-byte-size=1048576",
            *(f"--{kind}-address=127.0.0.1" for kind in ("http", "grpc")),
            f"--http-port={self.http_port}",
            f"--grpc-port={self.grpc_port}",
        ]
        # Without the wheel's libraries and Python's own the stub cannot start and the server hangs.
        libraries = f"{wheel / 'nvidia_pytriton.libs'}:{sysconfig.get_config_var('LIBDIR')}"
        self._environment = {
            **os.environ,
            "LD_LIBRARY_PATH": libraries,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the stub takes its python3
            "OMP_NUM_THREADS": "1",
        }
        self._ready_within = ready_within

    def __enter__(self) -> TritonServer:
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _wait(self) -> None:
        import tritonclient.grpc as triton

        deadline = time.monotonic() + self._ready_within
        with triton.InferenceServerClient(self.url) as client:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.tail()}")
                try:
                    if client.is_server_ready(client_timeout=1):
                        return
                except triton.InferenceServerException:
                    pass
                time.sleep(0.1)
        raise AssertionError(f"the server was not ready within {self._ready_within} s:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-60:])

    def stubs(self, model: str) -> list[int]:
        """Process ids of a model's Python processes."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except OSError:
                    continue
                if parent == self.process.pid and any(f"/{model}/".encode() in word for word in words):
                    found.append(int(entry.name))
        return found

    def stop(self) -> None:
        """End it and what it started."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
