"""Checks that the TensorRT of this container is the one that built the engines it is to serve.

    python3 check_tensorrt.py /models

An engine runs on the version that built it and on no other. Ends with 1, and says which container to take
instead, if an engine is of another version.
"""

import ctypes
import struct
import sys
from pathlib import Path

LIBRARIES = ("libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so")


def engine_version(path: Path) -> str:
    """``major.minor.patch`` in an engine's header."""
    with open(path, "rb") as file:
        header = file.read(28)
    if len(header) < 28 or struct.unpack("<4sI", header[:8]) != (b"ftrt", 0):
        raise ValueError(f"{path}: it is not a TensorRT engine; build it again")
    return ".".join(map(str, header[24:27]))


def library_version(names: "tuple[str, ...]" = LIBRARIES) -> str:
    """``major.minor.patch`` of the TensorRT library that is installed."""
    for name in names:
        try:
            number = ctypes.CDLL(name).getInferLibVersion()
        except OSError:
            continue
        return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    raise ValueError(f"there is no TensorRT here ({', '.join(names)}); take a container that serves engines")


def main(folder: str, *libraries: str) -> int:
    engines = sorted(Path(folder).rglob("*.plan"))
    try:
        if not engines:
            raise ValueError(f"{folder}: there are no engines (*.plan) in it")
        installed = library_version(libraries or LIBRARIES)
        for path in engines:
            built = engine_version(path)
            if built != installed:
                raise ValueError(
                    f"{path}: it was built by TensorRT {built}, and this container has {installed}; take the "
                    f"tritonserver container with TensorRT {built} (NVIDIA's support matrix lists them), or "
                    f"build the engine in this one"
                )
            print(f"{path}: TensorRT {built}, as in this container")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
