"""Each pass on graphs small enough to be read."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from converters.c.compiler import compile_program
from converters.c.expansion import expand
from converters.c.folding import fold
from converters.c.front_end import program_of, read_graph
from converters.c.fusion import fuse
from converters.c.layout import ACROSS, ROWS, Wish, find_wishes
from converters.c.lowering import lower, lower_best
from converters.c.memory import plan
from converters.c.statements import Block, Call, Nest, Ref
from converters.c.views import Buffer
from tests.converters.c.graphs import make_model, make_program, manifest_of
from zoo.errors import ArtifactError

node = helper.make_node
ONE = np.array([1], np.int64)


# Front end


def test_an_unknown_operator_is_an_error_that_names_its_layer() -> None:
    model = make_model(
        [node("Det", ["core.core.encoder.0.weight"], ["d"]), node("Add", ["x", "d"], ["y"])],
        {"x": (1, 4)}, {"y": (1, 4)}, {"core.core.encoder.0.weight": np.eye(3, dtype=np.float32)},
    )  # fmt: skip
    with pytest.raises(ArtifactError, match=r"small.onnx: encoder\.0: C cannot be made of the operator Det"):
        program_of(model, manifest_of(model), "small.onnx")


def test_free_sizes_are_refused() -> None:
    model = make_model([node("Neg", ["x"], ["y"])], {"x": (1, 4)}, {"y": (1, 4)})
    with pytest.raises(ArtifactError, match="for streams streams and 1 hops"):
        program_of(model, manifest_of(model, streams="streams"), "small.onnx")
    with pytest.raises(ArtifactError, match="takes whole recordings"):
        program_of(model, manifest_of(model, streaming=False, hops="frames"), "small.onnx")


def test_what_is_no_graph_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "no.onnx"
    path.write_bytes(b"not a graph at all")
    with pytest.raises(ArtifactError, match=r"no\.onnx: it is no ONNX graph"):
        read_graph(path)


def test_split_squeeze_and_slice_become_few_kinds_and_layers_have_names() -> None:
    program = make_program(
        [
            node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2),
            node("Slice", ["b", "start", "end", "axes"], ["c"]),
            node("MatMul", ["a", "core.encoder.fc.weight"], ["d"]),
            node("Add", ["c", "d"], ["y"]),
        ],
        {"x": (1, 6)}, {"y": (1, 3)},
        {"start": np.array([-3]), "end": np.array([9]), "axes": ONE,
         "core.encoder.fc.weight": np.eye(3, dtype=np.float32)},
    )  # fmt: skip
    kinds = [(op.kind, op.attributes.get("slices")) for op in program.ops]
    assert kinds[:3] == [
        ("Slice", ((1, 0, 3, 1),)), ("Slice", ((1, 3, 3, 1),)), ("Slice", ((1, 0, 3, 1),)),
    ]  # fmt: skip
    assert {op.layer for op in program.ops if op.kind in ("MatMul", "Add")} == {"encoder.fc"}


def test_what_nothing_needs_is_left_out() -> None:
    program = make_program(
        [node("Neg", ["x"], ["unused"]), node("Abs", ["x"], ["y"])], {"x": (1, 4)}, {"y": (1, 4)}
    )
    assert [op.kind for op in program.ops] == ["Abs"]


# Folding and expansion


def test_constants_are_computed_once() -> None:
    program = make_program(
        [node("Mul", ["a", "a"], ["b"]), node("Sqrt", ["b"], ["c"]), node("Add", ["x", "c"], ["y"])],
        {"x": (1, 2)}, {"y": (1, 2)}, {"a": np.array([3.0, -4.0], np.float32)},
    )  # fmt: skip
    fold(program)
    assert [op.kind for op in program.ops] == ["Add"]
    np.testing.assert_array_equal(program.ops[0].input(1).constant, [3, 4])


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2"])
def test_short_sums_are_written_out_and_long_ones_are_kept(kind: str) -> None:
    for size, kept in ((2, False), (5, True)):
        program = make_program(
            [node(kind, ["x", "axes"], ["y"], keepdims=1)],
            {"x": (1, size, 8)},
            {"y": (1, 1, 8)},
            {"axes": ONE},
        )
        expand(program)
        assert (kind in [op.kind for op in program.ops]) == kept


def test_gates_are_split_before_they_are_computed() -> None:
    program = make_program(
        [
            node("Sigmoid", ["x"], ["gates"]),
            node("Split", ["gates"], ["z", "r"], axis=1, num_outputs=2),
            node("Mul", ["z", "r"], ["y"]),
        ],
        {"x": (1, 8)}, {"y": (1, 4)},
    )  # fmt: skip
    expand(program)
    assert [op.kind for op in program.ops] == ["Slice", "Sigmoid", "Slice", "Sigmoid", "Mul"]
    groups = fuse(program)
    assert [len(group.ops) for group in groups if group.is_elementwise] == [3]


# Fusion


def test_a_chain_is_one_group_and_what_lies_between_keeps_two_apart() -> None:
    program = make_program(
        [
            node("Exp", ["x"], ["a"]),
            node("Neg", ["a"], ["b"]),
            node("MatMul", ["b", "w"], ["c"]),
            node("Add", ["b", "c"], ["d"]),
            node("Tanh", ["d"], ["y"]),
        ],
        {"x": (1, 4)}, {"y": (1, 4)}, {"w": np.eye(4, dtype=np.float32)},
    )  # fmt: skip
    assert [[op.kind for op in group.ops] for group in fuse(program)] == [
        ["Exp", "Neg"], ["MatMul"], ["Add", "Tanh"],
    ]  # fmt: skip


def test_groups_come_after_what_they_read() -> None:
    program = make_program(
        [
            node("Neg", ["x"], ["a"]),
            node("MatMul", ["x", "w"], ["b"]),
            node("Mul", ["a", "b"], ["c"]),
            node("MatMul", ["c", "w"], ["d"]),
            node("Sub", ["d", "a"], ["y"]),
        ],
        {"x": (1, 4)}, {"y": (1, 4)}, {"w": np.eye(4, dtype=np.float32)},
    )  # fmt: skip
    done: set[str] = {"x", "w"}
    for group in fuse(program):
        for op in group.ops:
            assert {value.name for value in op.inputs if value} <= done
            done.update(value.name for value in op.outputs if value)


# Layout


def test_a_convolution_wants_channels_last_and_its_zeros_also_through_a_transpose() -> None:
    program = make_program(
        [
            node("Neg", ["x"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3]),
            node("Conv", ["b", "w"], ["y"], pads=[0, 1, 0, 2]),
        ],
        {"x": (1, 1, 3, 8)}, {"y": (1, 2, 1, 8)}, {"w": np.ones((2, 3, 1, 4), np.float32)},
    )  # fmt: skip
    wishes = {value.name: wish for value, wish in find_wishes(program).items()}
    assert wishes["b"] == Wish(ROWS, 3, 1, 2)
    assert wishes["a"] == Wish((0, 1, 3, 2), 3, 1, 2)


def test_a_convolution_of_one_frame_may_want_frequencies_last_and_grouped_ones_do_not() -> None:
    def wish(group: int, stride: int) -> Wish:
        weight = np.ones((4, 4 // group, 1, 3), np.float32)
        conv = node("Conv", ["x", "w"], ["y"], pads=[0, 1, 0, 1], group=group, strides=[1, stride])
        program = make_program([conv], {"x": (1, 4, 1, 8)}, {"y": (1, 4, 1, 8 // stride)}, {"w": weight})
        return find_wishes(program, across=True)[program.signal]

    assert wish(1, 1) == Wish(ACROSS, 3, 1, 1)
    assert wish(1, 2) == Wish(ACROSS, 3)  # it takes its input apart, zeros too
    assert wish(4, 1) == Wish(ROWS, 3, 1, 1)


# Memory


def test_buffers_that_do_not_meet_share_memory_and_others_do_not() -> None:
    a, b, c = (Buffer(name, 100) for name in "abc")
    memory = Buffer("m", 20, "memory")
    calls = [Call("f", (Ref(a), Ref(b))), Call("f", (Ref(b), Ref(memory))), Call("f", (Ref(b), Ref(c)))]
    sizes = plan([Block("", "", [*calls])])
    assert a.offset == c.offset != b.offset
    assert (sizes.memory, sizes.work, sizes.wide) == (32, 224, 0)


# Lowering


def _kernels(builder) -> list[str]:  # type: ignore[no-untyped-def]
    found = []
    for block in builder.blocks:
        for statement in block.statements:
            inside = statement.body if isinstance(statement, Nest) else (statement,)
            found += [s.kernel if isinstance(s, Call) else "line" for s in inside]
    return found


def test_a_past_and_a_convolution_are_one_product_and_one_move() -> None:
    nodes = [
        node("Concat", ["past", "x"], ["cat"], axis=2),
        node("Slice", ["cat", "one", "end", "two"], ["past.next"]),
        node("Conv", ["cat", "w"], ["y"]),
    ]
    program = make_program(
        nodes, {"x": (1, 4, 1, 8), "past": (1, 4, 2, 8)}, {"y": (1, 16, 1, 8), "past.next": (1, 4, 2, 8)},
        {"one": ONE, "end": np.array([9]), "two": ONE * 2, "w": np.ones((16, 4, 3, 1), np.float32)},
    )  # fmt: skip
    builder = lower(program, fuse(program))
    # x goes beside the past, the result from channels last to the caller's order, and the past moves on
    assert _kernels(builder) == ["line", "product", "line", "copy"]


def test_a_state_is_written_in_place_only_when_nobody_reads_it_any_more() -> None:
    inputs, outputs = {"x": (1, 4), "h": (1, 4)}, {"y": (1, 4), "h.next": (1, 4)}
    late = [node("Add", ["x", "h"], ["h.next"]), node("MatMul", ["h", "w"], ["y"])]
    early = [node("MatMul", ["h", "w"], ["y"]), node("Add", ["y", "h"], ["h.next"])]
    weight = {"w": np.eye(4, dtype=np.float32)}
    copies = []
    for nodes in (late, early):
        program = make_program(nodes, inputs, outputs, weight)
        copies.append(_kernels(lower(program, fuse(program))).count("copy"))
    assert copies == [1, 0]


@pytest.mark.parametrize(("group", "kernel"), [(1, "combine"), (24, "depthwise")])
def test_the_cheaper_way_is_taken(group: int, kernel: str) -> None:
    """24 channels of 64 frequencies fill vectors with frequencies last; a filter each has channels last."""
    shape = (1, 24, 1, 64)
    nodes = [
        node("Neg", ["x"], ["a"]),
        node("Conv", ["a", "v"], ["b"], pads=[0, 1, 0, 1], group=group),
        node("Relu", ["b"], ["c"]),
        node("Conv", ["c", "w"], ["d"], pads=[0, 1, 0, 1], group=group),
        node("Neg", ["d"], ["y"]),
    ]
    weights = np.random.default_rng(0).standard_normal((2, 24, 24 // group, 1, 3)).astype(np.float32)
    program = make_program(nodes, {"x": shape}, {"y": shape}, {"v": weights[0], "w": weights[1]})
    assert _kernels(lower_best(program, fuse(program))).count(kernel) == 2


def test_a_state_lies_as_it_is_written() -> None:
    """Positions side by side where that fills vectors: nothing is turned around."""
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[1, 0]),
        node("MatMul", ["a", "v"], ["b"]),
        node("MatMul", ["h", "w"], ["c"]),
        node("Add", ["b", "c"], ["d"]),
        node("Tanh", ["d"], ["h.next"]),
        node("Transpose", ["h.next"], ["y"], perm=[1, 0]),
    ]
    weights = np.random.default_rng(0).standard_normal((2, 20, 20)).astype(np.float32)
    program = make_program(
        nodes, {"x": (20, 16), "h": (16, 20)}, {"y": (20, 16), "h.next": (16, 20)},
        {"v": weights[0], "w": weights[1]},
    )  # fmt: skip
    builder = lower_best(program, fuse(program))
    state = builder.view(program.states[0])
    assert (state.stride(0), state.stride(1)) == (1, 16)
    assert "combine" in _kernels(builder)


def test_equal_sizes_share_a_function() -> None:
    weights = np.random.default_rng(0).standard_normal((2, 8, 8)).astype(np.float32)
    nodes = [node("MatMul", ["x", "v"], ["a"]), node("Tanh", ["a"], ["b"]), node("MatMul", ["b", "w"], ["y"])]
    program = make_program(nodes, {"x": (2, 8)}, {"y": (2, 8)}, {"v": weights[0], "w": weights[1]})
    text = compile_program(program, "small")
    assert text.count("KERNEL void product_2x8x8") == 1 and text.count("product_2x8x8(") == 3
