"""A connection to a Triton server by gRPC: what it serves, and errors that name the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import Manifest
from zoo.errors import ServerError
from zoo.extras import extra

Record = TypeVar("Record", bound=Manifest)
Result = TypeVar("Result")

URL = "localhost:8001"
TIMEOUT = 30.0  # seconds for one answer
PARAMETER = "speechzoo"  # of a model's configuration: its manifest
_LOADING = "has no available versions"  # a model that is being loaded, or was unloaded
_FORGOTTEN = "must specify the START flag"  # of a request of a sequence that it does not know
_CRASHED = "is not healthy"  # of the process of a model in Python that died


class Connection:
    """A server. An asynchronous context manager.

    Args:
        url: host and port for gRPC.
        timeout: seconds for one answer.

    Raises:
        ServerError: a time-out that is not above 0.
        MissingExtraError: the client library is not installed.
    """

    def __init__(self, url: str = URL, *, timeout: float = TIMEOUT) -> None:
        if not timeout > 0:
            raise ServerError(f"a time-out of {timeout} s is not above 0; pass seconds for one answer")
        self.url, self.timeout = url, timeout
        self._library = library()

    async def __aenter__(self) -> Connection:
        from tritonclient.grpc import aio

        self._client = aio.InferenceServerClient(self.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def manifest(self, model: str, kind: type[Record]) -> Record:
        """Read the record of a model that is ready.

        Args:
            model: its name on the server.
            kind: the task's class of records; ``Manifest`` for any.

        Raises:
            ServerError: no server there, no such model, one that speechzoo did not write, or one for another
                task.
        """
        if not await self.call(self._client.is_model_ready(model, client_timeout=self.timeout), model):
            raise ServerError(f"{self.url}: no model {model} is ready; {await self._advice()}")
        parameters = await self.parameters(model)
        if PARAMETER not in parameters:
            raise ServerError(
                f"{self.url}: the configuration of {model} holds no speechzoo manifest; serve a model "
                f"repository that speechzoo serve wrote"
            )
        manifest = Manifest.from_json(parameters[PARAMETER], f"{self.url}/{model}")
        if not isinstance(manifest, kind):
            raise ServerError(f"{self.url}: {model} is for {manifest.task}, not for {kind.task}")
        return manifest

    async def parameters(self, model: str) -> dict[str, str]:
        """The parameters in a model's configuration, by name.

        Raises:
            ServerError: no server there, or no such model.
        """
        answer = await self.call(
            self._client.get_model_config(model, as_json=True, client_timeout=self.timeout), model
        )
        given = answer["config"].get("parameters", {})
        return {name: value.get("string_value", "") for name, value in given.items()}

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]], output: str) -> Array:
        """One request by itself.

        Raises:
            ServerError: an error, or no answer in time.
        """
        request = self._client.infer(model, tensors(inputs), client_timeout=self.timeout)
        return output_of(await self.call(request, model), output, model)

    def exchange(self, requests: AsyncIterator[dict[str, Any]]) -> Any:
        """A stream of requests, answered in their order by (result, error)."""
        return self._client.stream_infer(requests)

    async def call(self, answer: Awaitable[Result], model: str) -> Result:
        """Wait for an answer, no longer than the time-out.

        Raises:
            ServerError: an error, or nothing in time.
        """
        try:
            return await asyncio.wait_for(answer, self.timeout)
        except asyncio.TimeoutError as error:
            raise ServerError(
                f"{self.url}: {model} gave no answer within {self.timeout:g} s; is the server busy or "
                f"stopped, or all its places for streams taken? Wait longer with --timeout",
                temporary=True,
            ) from error
        except Exception as error:
            if not isinstance(error, (self._library.InferenceServerException, self._library.grpc.RpcError)):
                raise
            raise self.failure(error, model) from error

    def failure(self, error: Exception, model: str) -> ServerError:
        """What an error of the client library means."""
        if isinstance(error, self._library.InferenceServerException):
            status, reason = str(error.status()), error.message()
        else:  # gRPC's own: a stream broke
            status, reason = "UNAVAILABLE", getattr(error, "details", lambda: "")()
        reason = " ".join(str(reason or error).split())[:400]
        if "UNAVAILABLE" in status:
            return ServerError(
                f"{self.url}: the server cannot be reached ({reason}); check --url and that it runs",
                temporary=True,
            )
        if _FORGOTTEN in reason:
            return ServerError(
                f"{self.url}: {model}: the server does not know this stream: it forgets one that sends "
                f"nothing for some time (--idle of speechzoo serve), and all when it starts anew; begin "
                f"another ({reason})"
            )
        if _CRASHED in reason:
            return ServerError(
                f"{self.url}: {model}: {reason} Load the model again or restart the server: it still calls "
                f"itself ready, but does not recover",
                temporary=True,
            )
        temporary = "DEADLINE_EXCEEDED" in status or _LOADING in reason
        return ServerError(f"{self.url}: {model}: {reason}", temporary=temporary)

    async def _advice(self) -> str:
        index = await self.call(
            self._client.get_model_repository_index(as_json=True, client_timeout=self.timeout), "its index"
        )
        models = index.get("models", [])
        ready = sorted({entry["name"] for entry in models if entry.get("state") == "READY"})
        failed = [f"{e['name']} did not load ({e['reason']})" for e in models if e.get("reason")]
        return "; ".join([f"ready are {', '.join(ready) or 'none'}", *failed])


def library() -> Any:
    """The client library.

    Raises:
        MissingExtraError: it is not installed.
    """
    with extra("triton", "zoo.triton"):
        import tritonclient.grpc
    return tritonclient.grpc


def tensors(inputs: Mapping[str, NDArray[Any]]) -> list[Any]:
    """Arrays of float32 or int64 as the client library's tensors."""
    made = []
    for name, value in inputs.items():
        tensor = library().InferInput(name, value.shape, "INT64" if value.dtype == np.int64 else "FP32")
        tensor.set_data_from_numpy(np.ascontiguousarray(value))
        made.append(tensor)
    return made


def output_of(result: Any, output: str, model: str) -> Array:
    """An answer's tensor; a copy.

    Raises:
        ServerError: it is not there, or not all of it.
    """
    try:
        value = result.as_numpy(output)
    except ValueError as error:
        raise ServerError(f"{model}: its {output} is damaged ({error}); see the server's log") from error
    if value is None:
        raise ServerError(f"{model}: the answer has no {output}; is it a model of another kind?")
    return np.array(value, np.float32)


async def retrying(
    attempt: Callable[[], Awaitable[Result]], retries: int, first_pause: float = 0.2
) -> Result:
    """The result of an attempt; what failed only for now is tried again, each time after a longer pause."""
    for turn in range(retries):
        try:
            return await attempt()
        except ServerError as error:
            if not error.temporary:
                raise
        await asyncio.sleep(first_pause * 2**turn)
    return await attempt()
