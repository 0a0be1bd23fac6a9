"""Lowers attention: all of a head's positions side by side, so that a softmax is computed of many at once."""

from __future__ import annotations

from converters.c.builder import Builder, Place
from converters.c.ir import Op
from converters.c.products import PANEL, packed_size
from converters.c.statements import Call, Ref, Table
from converters.c.views import View, dense, loops
from zoo.errors import ArtifactError


def lower_attention(builder: Builder) -> None:
    """Attention over the positions of one sequence, all heads in one loop."""
    op = builder.group.ops[0]
    _check(op)
    _, length, width = op.input(0).shape
    heads, others = op.attributes["q_num_heads"], op.input(1).shape[1]
    size = width // heads
    scale = float(op.attributes.get("scale", size**-0.5))
    query, key, item = (_heads(builder, op, number, heads, size) for number in range(3))
    if not builder.alone:
        _one_by_one(builder, op, (query, key, item), scale)
        return
    if query.stride(1) != 1 or query.buffer.place not in ("work", "memory"):
        query = builder.copied(query, (0, 2, 1))
    out = builder.allocate(op.output, (0, 2, 1))
    seen = out.reshaped((length, heads, size))
    target = None if seen is None else seen.transposed((1, 0, 2))
    if target is None or target.stride(1) != 1 or target.stride(2) is None:
        rows = builder.buffer(f"{op.output.name}_rows", op.output.size)
        target = dense(rows, (heads, length, size), (0, 2, 1))
    wide = -(-length // PANEL) * PANEL
    scores = Ref(builder.buffer(f"{op.output.name}_scores", others * wide))
    to = target

    def body(at: Place) -> list[Call]:
        numbers = (
            length, others, size, scale, at(0, query), query.stride(2) or 0,
            at(1, key), key.stride(2) or 0, key.stride(1) or 0,
            at(2, item), item.stride(2) or 0, item.stride(1) or 0, scores, at(3, to), to.stride(2) or 0,
        )  # fmt: skip
        return [Call("attention", numbers)]

    builder.nest(loops([View(v.buffer, v.offset, v.dims[:1]) for v in (query, key, item, to)]), body)
    if to.buffer is not out.buffer:
        whole = to.transposed((1, 0, 2)).reshaped(out.shape)
        assert whole is not None, "heads lie one after the other"
        builder.copy(whole, out)


def _one_by_one(builder: Builder, op: Op, parts: tuple[View, View, View], scale: float) -> None:
    """The same by products of packed matrices, of each position by itself."""
    query, key, item = parts
    heads, length, size = query.shape
    others = key.shape[1]
    seen = builder.allocate(op.output).reshaped((length, heads, size))
    if seen is None or seen.stride(2) not in (0, 1):
        raise ArtifactError(
            f"{op.layer}: the result of its Attention lies in an order that C has no kernel for"
        )
    seen = seen.transposed((1, 0, 2))
    name = op.output.name
    keys = Ref(builder.buffer(f"{name}_keys", packed_size(size, others)))
    items = Ref(builder.buffer(f"{name}_items", packed_size(others, size)))
    scores = Ref(builder.buffer(f"{name}_scores", length * others))
    strides = [(view.stride(1), view.stride(2)) for view in (query, key, item, seen)]

    def body(at: Place) -> list[Call]:
        return [
            Call("pack", (size, others, at(1, key), strides[1][1], strides[1][0], keys)),
            Call("product", (length, others, size, 1, Table((0,)), at(0, query), *strides[0], keys, None, 0,
                             scores, others)),
            Call("softmax", (length, others, scale, scores, others, scores, others)),
            Call("pack", (others, size, at(2, item), *strides[2], items)),
            Call("product", (length, size, others, 1, Table((0,)), scores, others, 1, items, None, 0,
                             at(3, seen), strides[3][0])),
        ]  # fmt: skip

    builder.nest(loops([View(v.buffer, v.offset, v.dims[:1]) for v in (query, key, item, seen)]), body)


def _check(op: Op) -> None:
    """See that it is of a kind that the kernel knows.

    Raises:
        ArtifactError: it is not.
    """
    heads = op.attributes["q_num_heads"]
    if len(op.input(0).shape) != 3 or any(op.inputs[3:]) or op.attributes.get("is_causal") or op.optional(6):
        raise ArtifactError(f"{op.layer}: C cannot be made of an Attention with a mask or a past yet")
    if op.attributes.get("kv_num_heads", heads) != heads or op.input(0).shape[0] != 1:
        raise ArtifactError(f"{op.layer}: C cannot be made of an Attention with shared heads yet")


def _heads(builder: Builder, op: Op, number: int, heads: int, size: int) -> View:
    """Queries, keys or items as (heads, positions, size), a single stride each."""
    value = op.input(number)
    view = builder.seen(value, (value.shape[1], heads, size))
    view = view if all(len(dim) <= 1 for dim in view.dims) else builder.copied(view)
    return view.transposed((1, 0, 2))
