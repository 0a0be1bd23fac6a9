"""Many recordings on many cores or machines, by Ray Data; and a record of results, to go on from."""

from __future__ import annotations

import argparse
import json
import logging
import os
import pickle
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError, SpeechZooError
from zoo.extras import extra

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL = "local"
_BLOCKS = 2000  # at most, of a run; the results of a block come together
_TIMEOUT = 5.0  # seconds in which a cluster must answer
_STORE = 256 << 20  # bytes of shared memory of a cluster of our own: items are names, results are small


def add_ray_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ray",
        nargs="?",
        const=LOCAL,
        type=_address,
        metavar="ADDRESS",
        help="work on a Ray cluster: all cores of this machine, or host:port of a cluster that shares the "
        "file system; what is done already is not done again",
    )


def work_on_ray(
    open_work: Callable[[], Callable[[list[Item]], list[Result]]],
    items: Sequence[Item],
    *,
    address: str = LOCAL,
    threads: int = 1,
    batch: int = 1,
) -> Iterator[tuple[Item, Result]]:
    """Do some work for every item, by actors that are set up once.

    Args:
        open_work: makes what does the work; called once in each actor, in a folder of the same path as the
            current one here. It gives a result for every item that it gets.
        items: what to do; as ``open_work`` and the results, something that pickles.
        address: ``local`` starts a cluster for this call; else ``auto``, ``host:port`` or ``ray://host:port``.
            A cluster that this process is connected to already is used as it is.
        threads: that an actor uses; it takes as many CPUs of the cluster.
        batch: items that ``open_work``'s result gets at once.

    Yields:
        items with their results, as they come.

    Raises:
        MissingExtraError: Ray Data is not installed.
        SpeechZooError: the cluster cannot be reached, has too few CPUs, or what is done there fails.
    """
    ray = _ray()
    own = not ray.is_initialized()
    try:
        if own:
            _connect(ray, address)
        for row in _rows(ray, open_work, items, threads, batch):
            index, result = pickle.loads(row["result"])
            yield items[index], result
    except (ray.exceptions.RayError, OSError, RuntimeError) as error:
        raise SpeechZooError(f"--ray {address}: {_reason(error)}; what is done is kept") from error
    finally:
        if own:
            ray.shutdown()


class Record:
    """Results in a file, so that a command that was interrupted goes on where it was.

    A result counts for the path, size and time of change of its recording.
    """

    def __init__(self, path: Path, origin: Mapping[str, Any], *, force: bool = False) -> None:
        """
        Args:
            path: of the file, which is made where there is none.
            origin: what the results depend on beside the recordings.
            force: forget what the file holds.

        Raises:
            ArtifactError: the file holds results of another origin, or cannot be read or written.
        """
        self.path = path
        text = json.dumps(origin, sort_keys=True)
        try:
            if force or (path.is_file() and not path.stat().st_size):  # no room was left for its first page
                path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path)
            with self._file as file:
                file.execute("CREATE TABLE IF NOT EXISTS origin (text TEXT)")
                file.execute(
                    "CREATE TABLE IF NOT EXISTS done (name TEXT PRIMARY KEY, source TEXT, result BLOB)"
                )
                found = file.execute("SELECT text FROM origin").fetchone()
                if found is None:
                    file.execute("INSERT INTO origin VALUES (?)", (text,))
        except (OSError, sqlite3.Error) as error:
            raise ArtifactError(
                f"{path}: it cannot be read or written ({error}); make room if the disk is full, "
                f"else remove it"
            ) from error
        if found and found[0] != text:
            self.close()
            raise ArtifactError(
                f"{path}: it holds what was done with another model or other options; pass another output, "
                f"or --force to begin anew"
            )

    def add(self, name: str, source: str, embedding: Array) -> None:
        """Keep an embedding (E,) of the recording at the path ``source``.

        Raises:
            ArtifactError: the file cannot be written; what it holds already stays.
        """
        row = (name, file_state(source), np.asarray(embedding, "<f4").tobytes())
        try:
            with self._file as file:
                file.execute("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", row)
        except sqlite3.Error as error:
            raise ArtifactError(
                f"{self.path}: it cannot be written ({error}); what is done is kept: make room, and give the "
                f"same command again"
            ) from error

    def read(self, recordings: Mapping[str, str]) -> dict[str, Array]:
        """Read the embeddings (E,) by name, of the recordings (paths by name) that have not changed since.

        Raises:
            ArtifactError: the file is damaged.
        """
        found: dict[str, Array] = {}
        try:
            with closing(self._file.execute("SELECT name, source, result FROM done")) as rows:
                for name, source, result in rows:
                    if name in recordings and source == file_state(recordings[name]):
                        found[name] = np.frombuffer(result, "<f4").astype(np.float32)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise ArtifactError(
                f"{self.path}: it is damaged ({error}); pass --force to begin anew"
            ) from error
        return found

    def close(self) -> None:
        self._file.close()

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def file_state(path: str) -> str:
    """What tells a file from what it was before: its path, size and time of change; a folder has none."""
    try:
        stat = os.stat(path)
    except OSError:
        return os.path.abspath(path)
    return f"{os.path.abspath(path)} {stat.st_size} {stat.st_mtime_ns}"


class _Actor:
    """Holds what does the work, in a process of the cluster."""

    def __init__(self, folder: str, open_work: Callable[[], Callable[[list[Any]], list[Any]]]) -> None:
        os.chdir(folder)
        self._work = open_work()

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, list[bytes]]:
        indices, items = zip(*map(pickle.loads, batch["item"]), strict=True)
        results = self._work(list(items))
        return {"result": [pickle.dumps(pair) for pair in zip(indices, results, strict=True)]}


def _rows(
    ray: Any, open_work: Callable[[], Any], items: Sequence[Any], threads: int, batch: int
) -> Iterator[dict[str, bytes]]:
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < threads:
        raise SpeechZooError(f"--threads {threads}: the cluster has {cpus} CPUs; pass fewer threads")
    blocks = min(-(-len(items) // batch), _BLOCKS)
    actors = min(cpus // threads, blocks)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    rows = ray.data.from_items(
        [{"item": pickle.dumps(pair)} for pair in enumerate(items)], override_num_blocks=blocks
    ).map_batches(
        _Actor,
        fn_constructor_args=(os.getcwd(), open_work),
        batch_size=batch,
        num_cpus=threads,  # Ray sets OMP_NUM_THREADS to it
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
    )
    yield from rows.iter_rows()


def _connect(ray: Any, address: str) -> None:
    if ":" in address:
        _check_answers(address)  # Ray tries for minutes
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == LOCAL:
        options |= {"include_dashboard": False, "object_store_memory": _STORE}
    with _silence():  # its core writes to the terminal past Python that it will be silent
        ray.init(address=address, **options)


def _check_answers(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise SpeechZooError(
            f"--ray {address}: no cluster answers there ({error}); start one with `ray start --head`, or "
            f"leave the address out to use this machine"
        ) from error


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing is written to standard error, by whatever library."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _ray() -> Any:
    """Ray, which writes nothing to the terminal and sends no statistics of its use."""
    for name, value in (
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("RAY_BACKEND_LOG_LEVEL", "fatal"),
        ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),  # else it warns of a change to come
    ):
        os.environ.setdefault(name, value)
    with extra("ray", "--ray", package="Ray Data"):
        import ray
        import ray.data
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


def _reason(error: BaseException) -> str:
    """The last line of what went wrong in an actor, or the first of what Ray says itself."""
    cause = getattr(error, "cause", None)
    if cause is not None and str(cause):
        return _reason(cause)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].rstrip(".")


def _address(text: str) -> str:
    if text not in (LOCAL, "auto") and not text.rpartition(":")[2].isdigit():
        raise argparse.ArgumentTypeError(
            f"expected host:port, ray://host:port, auto or {LOCAL}, got {text}; put --ray behind the inputs"
        )
    return text
