"""Takes the place of Triton's onnxruntime backend, which the server's wheel does not hold.

A backend written in Python: Triton gives it every model whose configuration says ``onnxruntime``. It makes
the checks of graph against configuration that the real one makes, and, since Triton keeps implicit state
for native backends only, it carries the states of sequences itself.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb

TYPES = {"TYPE_FP32": "tensor(float)", "TYPE_INT64": "tensor(int64)", "TYPE_INT32": "tensor(int32)"}


class TritonPythonModel:
    def initialize(self, args: dict) -> None:
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        threads = config["parameters"].get("intra_op_thread_count", {"string_value": "1"})
        options.intra_op_num_threads = int(threads["string_value"])
        path = folder / (config["default_model_filename"] or "model.onnx")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        batching = config.get("sequence_batching", {})
        self.inputs = [entry["name"] for entry in config["input"]]
        self.outputs = [entry["name"] for entry in config["output"]]
        self.states = batching.get("state", [])
        self.sequential = bool(batching)
        self.memory: dict[int, list[np.ndarray]] = {}  # states by sequence
        check(config, self.session)

    def execute(self, requests: list) -> list:
        responses: list = [None] * len(requests)
        rows, taken = [], []
        for index, request in enumerate(requests):
            try:
                feed = [pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs]
                rows.append(feed + self.recall(request))
                taken.append(index)
            except KeyError:
                responses[index] = failure(f"sequence {request.correlation_id()} has no state here")
        if taken:
            for index, response in zip(taken, self.run([requests[i] for i in taken], rows), strict=True):
                responses[index] = response
        return responses

    def recall(self, request) -> list:
        """States of a request's sequence: zeros at its start, as the configuration asks for."""
        if not self.sequential:
            return []
        if request.flags() & pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
            return [np.zeros((1, *map(int, state["dims"])), np.float32) for state in self.states]
        return self.memory[request.correlation_id()]

    def run(self, requests: list, rows: list) -> list:
        """All requests in one call of the graph, and each one's response."""
        names = self.inputs + [state["input_name"] for state in self.states]
        asked = self.outputs + [state["output_name"] for state in self.states]
        feed = {
            name: np.concatenate(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)
        }
        cuts = np.cumsum([len(row[0]) for row in rows])[:-1]
        try:
            values = [np.split(value, cuts) for value in self.session.run(asked, feed)]
        except Exception as error:
            return [failure(f"onnx runtime error: {error}") for _ in requests]
        responses = []
        for request, parts in zip(requests, zip(*values, strict=True), strict=True):
            if self.sequential:
                self.memory[request.correlation_id()] = list(parts[len(self.outputs) :])
                if request.flags() & pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END:
                    del self.memory[request.correlation_id()]
            tensors = [pb.Tensor(*pair) for pair in zip(self.outputs, parts, strict=False)]
            responses.append(pb.InferenceResponse(output_tensors=tensors))
        return responses


def failure(message: str):
    return pb.InferenceResponse(output_tensors=[], error=pb.TritonError(message))


def check(config: dict, session: onnxruntime.InferenceSession) -> None:
    """What the real backend holds against each other when it loads a model."""
    batching = config.get("sequence_batching", {})
    controls = [control["name"] for control in batching.get("control_input", [])]
    states = batching.get("state", [])
    graph_inputs = {value.name: value for value in session.get_inputs()}
    graph_outputs = {value.name: value for value in session.get_outputs()}
    for name in controls:
        if name not in graph_inputs:
            raise pb.TritonModelException(
                f"configuration specified sequence control '{name}', but model does not provide that input"
            )
    expected = len(config["input"]) + len(controls) + len(states)
    if expected != len(graph_inputs):
        raise pb.TritonModelException(
            f"configuration expects {expected} inputs, model provides {len(graph_inputs)}"
        )
    batched = config["max_batch_size"] > 0
    for state in states:
        fits(state["input_name"], state, graph_inputs, batched, exact=False)
        fits(state["output_name"], state, graph_outputs, batched, exact=True)
    for entry in config["input"]:
        fits(entry["name"], entry, graph_inputs, batched, exact=False)
    for entry in config["output"]:
        fits(entry["name"], entry, graph_outputs, batched, exact=True)


def fits(name: str, entry: dict, values: dict, batched: bool, *, exact: bool) -> None:
    """One tensor of the configuration against the graph's: type, free axis 0, and dimensions."""
    if name not in values:
        raise pb.TritonModelException(f"unexpected inference tensor '{name}', the model has {sorted(values)}")
    value = values[name]
    shape = [n if isinstance(n, int) else -1 for n in value.shape]
    dims = entry["reshape"]["shape"] if "reshape" in entry else entry["dims"]
    wanted = ([-1] if batched else []) + [int(n) for n in dims]
    same = len(shape) == len(wanted) and all(
        a == b or (not exact and -1 in (a, b)) for a, b in zip(shape, wanted, strict=True)
    )
    if batched and shape[:1] != [-1]:
        raise pb.TritonModelException(f"tensor '{name}': the model's axis 0 is {shape[0]}, not free")
    if not same or value.type != TYPES[entry["data_type"]]:
        raise pb.TritonModelException(
            f"tensor '{name}': the model expects {value.type} {shape}, the configuration "
            f"{entry['data_type']} {wanted}"
        )
