"""Makes of each kernel that is written for all sizes a function for every size that it is called with.

A compiler then knows all numbers: it keeps the sums in registers, unrolls, and decides nothing at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from converters.c.builder import Builder
from converters.c.kernels import parameters_of
from converters.c.statements import Call, Nest, Ref, Statement, Table


@dataclass(frozen=True)
class Instance:
    """A kernel with its numbers.

    Attributes:
        name: in C.
        call: one of those that it stands for; of its references only that they are there matters.
    """

    name: str
    call: Call

    def text(self, numbers: Mapping[Table, str]) -> str:
        """Its definition; ``numbers`` has the names of the tables."""
        declared, given = [], []
        for parameter, argument in zip(parameters_of(self.call.kernel), self.call.arguments, strict=True):
            if isinstance(argument, Ref):
                declared.append(parameter)
                given.append(parameter.rpartition(" ")[2].lstrip("*"))
            else:
                given.append(constant_argument(argument, numbers))
        return (
            f"KERNEL void {self.name}({', '.join(declared)})\n"
            f"{{\n    {self.call.kernel}({', '.join(given)});\n}}"
        )


Key = tuple[object, ...]


def instances_of(builder: Builder) -> dict[Key, Instance]:
    """A function for each kernel and its numbers, by ``instance_key`` a call, in the order of use."""
    found: dict[Key, Instance] = {}
    for call in _calls(statement for block in builder.blocks for statement in block.statements):
        if parameters_of(call.kernel) and instance_key(call) not in found:
            sizes = [str(number) for number in call.arguments if isinstance(number, int)][:3]
            found[instance_key(call)] = Instance(builder.name(f"{call.kernel}_{'x'.join(sizes)}"), call)
    return found


def instance_key(call: Call) -> Key:
    """What two calls have in common that one function can stand for."""
    return (call.kernel, *(Ref if isinstance(argument, Ref) else argument for argument in call.arguments))


def constant_argument(argument: Table | float | None, numbers: Mapping[Table, str]) -> str:
    """An argument that is known while compiling, in C."""
    if argument is None:
        return "0"
    if isinstance(argument, Table):
        return numbers[argument]
    return repr(argument) if isinstance(argument, int) else f"{argument!r}f"


def _calls(statements: Iterable[Statement]) -> Sequence[Call]:
    found: list[Call] = []
    for statement in statements:
        if isinstance(statement, Nest):
            found += _calls(statement.body)
        elif isinstance(statement, Call):
            found.append(statement)
    return found
