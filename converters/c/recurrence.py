"""Lowers recurrent layers: one product for all steps' inputs, then a kernel that goes through the steps."""

from __future__ import annotations

import numpy as np

from converters.c.builder import Builder
from converters.c.ir import Op, Value
from converters.c.products import emit_product, packed, padded
from converters.c.statements import Call, Ref
from converters.c.views import View, dense
from zoo.errors import ArtifactError

GATES = {"GRU": 3, "LSTM": 4}


def lower_recurrent(builder: Builder) -> None:
    """GRU or LSTM, in one direction or both."""
    op = builder.group.ops[0]
    if op.kind == "GRU" and not op.attributes.get("linear_before_reset", 0):
        raise ArtifactError(f"{op.layer}: C cannot be made of a GRU that resets before its product yet")
    if op.optional(4) is not None:
        raise ArtifactError(f"{op.layer}: C cannot be made of a {op.kind} with lengths yet")
    steps, batch, _ = op.input(0).shape
    hidden, directions = op.attributes["hidden_size"], op.input(1).shape[0]
    out, last = op.outputs[0], [*op.outputs[1:], None, None][:2]
    used = out is not None and (out in builder.users or out in builder.program.outputs)
    shape = (steps, directions, batch, hidden)
    whole: View | None = None
    if out is not None and used:
        whole = builder.allocate(out).reshaped(shape)
    elif steps == 1 and last[0] is not None:  # the only result is the state
        state = builder.allocate(last[0]).reshaped((1, directions, batch, hidden))
        whole = state
    if whole is None or whole.stride(3) not in (0, 1):
        own = dense(builder.buffer(f"{op.input(1).name}_rows", int(np.prod(shape))), shape)
        _directions(builder, op, own, last)
        if out is not None and used:
            builder.copy(own, builder.allocate(out).reshaped(shape) or own)
    else:
        _directions(builder, op, whole, last)


def _directions(builder: Builder, op: Op, out: View, last: list[Value | None]) -> None:
    """Each direction, and what is left at the end."""
    directions = op.input(1).shape[0]
    direction = op.attributes.get("direction", "forward")
    for index in range(directions):
        backwards = direction == "reverse" or index == 1
        part = out.sliced(1, index, 1)
        assert part is not None, "an axis of its own is cut evenly"
        cell = _steps(builder, op, index, backwards, part)
        end = part.sliced(0, 0 if backwards else out.shape[0] - 1, 1)
        assert end is not None, "likewise"
        for value, source in ((last[0], end), (last[1], cell)):
            if (
                value is None
                or source is None
                or not (value in builder.users or value in builder.program.outputs)
            ):
                continue
            target = builder.allocate(value).sliced(0, index, 1)
            assert target is not None, "likewise"
            seen = source.reshaped(target.shape)
            assert seen is not None, "only ones differ"
            if seen != target:
                builder.copy(seen, target)


def _steps(builder: Builder, op: Op, index: int, backwards: bool, out: View) -> View | None:
    """One direction: ``out`` (T, 1, B, H); what an LSTM keeps beside, (B, H)."""
    steps, batch, width = op.input(0).shape
    gates, hidden = GATES[op.kind], op.attributes["hidden_size"]
    weight, recurrent = op.input(1), op.input(2)
    name = f"{op.layer}.{op.kind.lower()}" if op.layer else weight.name
    side = "_back" if backwards else ""
    of_input, of_hidden = _biases(op, index, gates * hidden)
    rows = dense(
        builder.buffer(f"{name}_input{side}", steps * batch * gates * hidden), (steps * batch, gates * hidden)
    )
    start = dense(builder.constant(f"{name}.bias{side}", padded(of_input)), (1, gates * hidden))
    emit_product(builder, builder.seen(op.input(0), (steps * batch, width)), weight.constant[index].T, rows,
                 start.broadcast(rows.shape), f"{name}.weight{side}")  # fmt: skip
    sums = builder.buffer(f"{name}_hidden{side}", batch * gates * hidden)
    before = _initial(builder, op, 5, index, name)
    matrix = builder.constant(f"{name}.recurrent{side}", packed(recurrent.constant[index].T))
    bias = (
        Ref(builder.constant(f"{name}.recurrent_bias{side}", padded(of_hidden)))
        if of_hidden is not None
        else None
    )
    numbers = (
        steps, batch, hidden, int(backwards), Ref(rows.buffer), Ref(matrix), bias,
        Ref(before.buffer, before.offset), before.stride(0) or 0, Ref(sums), Ref(out.buffer, out.offset),
        out.stride(0) or 0, out.stride(2) or 0,
    )  # fmt: skip
    if op.kind == "GRU":
        builder.emit(Call("gru", numbers))
        return None
    cell = dense(builder.buffer(f"{name}_cell{side}", batch * hidden), (batch, hidden))
    builder.copy(_initial(builder, op, 6, index, name), cell)
    builder.emit(Call("lstm", (*numbers, Ref(cell.buffer))))
    return cell


def _biases(op: Op, index: int, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """What is added to the input's product, and what to the hidden one's because the reset gate weighs it."""
    given = op.optional(3)
    bias = np.zeros(2 * size, np.float32) if given is None else given.constant[index]
    of_input, of_hidden = bias[:size].copy(), bias[size:].copy()
    if op.kind == "LSTM":
        return of_input + of_hidden, None
    plain = size * 2 // 3
    of_input[:plain] += of_hidden[:plain]
    of_hidden[:plain] = 0
    return of_input, of_hidden


def _initial(builder: Builder, op: Op, number: int, index: int, name: str) -> View:
    """(B, H) at the start of a direction; zeros where none is given."""
    given, (_, batch, _), hidden = op.optional(number), op.input(0).shape, op.attributes["hidden_size"]
    if given is None:
        return dense(
            builder.constant(f"{name}.zeros", np.zeros((batch, hidden), np.float32)), (batch, hidden)
        )
    part = builder.view(given).sliced(0, index, 1)
    assert part is not None, "an axis of its own is cut evenly"
    view = View(part.buffer, part.offset, part.dims[1:])
    if any(len(dim) > 1 for dim in view.dims) or view.stride(1) not in (0, 1):
        view = builder.copied(view)
    return view
