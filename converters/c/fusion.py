"""Joins elementwise operators of one shape into groups that are one loop each."""

from __future__ import annotations

from dataclasses import dataclass, field

from converters.c.ir import Op, Program, Shape, Value, squeezed


@dataclass(eq=False)
class Group:
    """Operators that are computed together, in this order: elementwise ones, or a single one of another kind.

    Attributes:
        ops: those.
        shape: of the elementwise ones' results, without ones; empty of others.
    """

    ops: list[Op] = field(default_factory=list)
    shape: Shape = ()

    @property
    def is_elementwise(self) -> bool:
        return self.ops[0].is_elementwise

    @property
    def layer(self) -> str:
        return self.ops[-1].layer


def fuse(program: Program) -> list[Group]:
    """The program's operators in groups, in an order in which they can be computed."""
    makers: dict[Value, Group] = {}
    users = program.users()
    groups: list[Group] = []
    for op in program.ops:
        group = _home(op, makers, users) if op.is_elementwise else None
        if group is None:
            group = Group([], squeezed(op.output.shape) if op.is_elementwise else ())
            groups.append(group)
        group.ops.append(op)
        makers.update({value: group for value in op.outputs if value is not None})
        if op.is_elementwise:
            _absorb(group, op, makers)
    return _ordered([group for group in groups if group.ops], makers)


def _home(op: Op, makers: dict[Value, Group], users: dict[Value, list[Op]]) -> Group | None:
    """The group that an operator can join: of what it reads, else of what reads the same."""
    shape = squeezed(op.output.shape)
    beside = [
        other.output
        for value in op.inputs
        if value in users
        for other in users[value]
        if other.is_elementwise
    ]
    near = [value for value in (*op.inputs, *beside) if value in makers]
    for group in dict.fromkeys(makers[value] for value in near):
        if not group.is_elementwise or group.shape != shape:
            continue
        others = [makers[value] for value in op.inputs if value in makers and makers[value] is not group]
        if not any(_needs(other, group, makers) for other in others):
            return group
    return None


def _absorb(group: Group, op: Op, makers: dict[Value, Group]) -> None:
    """Join to an operator's group the others that it reads from, where nothing lies between."""
    for value in op.inputs:
        other = makers.get(value) if value is not None else None
        if other is None or other is group or not other.is_elementwise or other.shape != group.shape:
            continue
        between = [
            makers[v] for o in group.ops for v in o.inputs if v in makers and makers[v] not in (other, group)
        ]
        back = [makers[v] for o in other.ops for v in o.inputs if v in makers and makers[v] is not other]
        if any(_needs(g, other, makers) for g in between) or any(_needs(g, group, makers) for g in back):
            continue
        group.ops[:0] = other.ops
        makers.update({v: group for o in other.ops for v in o.outputs if v is not None})
        other.ops = []


def _needs(group: Group, target: Group, makers: dict[Value, Group]) -> bool:
    """Whether a group reads, perhaps through others, from a target."""
    seen, waiting = {group}, [group]
    while waiting:
        current = waiting.pop()
        if current is target:
            return True
        for op in current.ops:
            for value in op.inputs:
                maker = makers.get(value) if value is not None else None
                if maker is not None and maker not in seen:
                    seen.add(maker)
                    waiting.append(maker)
    return False


def _ordered(groups: list[Group], makers: dict[Value, Group]) -> list[Group]:
    """Groups after what they read, else in the order of their last operators."""
    done: dict[Group, None] = {}

    def visit(group: Group) -> None:
        if group in done:
            return
        inside = {value for op in group.ops for value in op.outputs}
        for op in group.ops:
            for value in op.inputs:
                if value in makers and value not in inside:
                    visit(makers[value])
        group.ops = _sorted(group.ops)
        done[group] = None

    for group in groups:
        visit(group)
    return list(done)


def _sorted(ops: list[Op]) -> list[Op]:
    """A group's operators after what they read."""
    made, rest, result = {op.output for op in ops}, list(ops), []
    while rest:
        op = next(op for op in rest if not made.intersection(v for v in op.inputs if v))
        rest.remove(op)
        made.remove(op.output)
        result.append(op)
    return result
