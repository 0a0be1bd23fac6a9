"""Writes the C: the interface, the kernels that are needed, the constants, and a function a layer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from converters.c.builder import Builder
from converters.c.instances import Instance, Key, constant_argument, instance_key, instances_of
from converters.c.interface import Interface, after_header, header, library_functions, public_functions
from converters.c.interleaving import SUFFIX
from converters.c.kernels import kernels_for
from converters.c.memory import Sizes
from converters.c.statements import (
    Argument,
    Block,
    Call,
    Nest,
    Ref,
    Statement,
    Table,
    buffers,
    kernels,
    tables,
)
from converters.c.views import Buffer
from converters.c.weights import PLACE, Apart, key_of, set_apart

WIDTH = 110
_TYPES = {"float32": "float", "float64": "double"}
_OF_STATE = {"work", "memory", PLACE}  # places that a state holds or knows


class Names(NamedTuple):
    """What is known by a name in C: tables, and kernels with their numbers."""

    numbers: dict[Table, str]
    instances: dict[Key, Instance]


@dataclass
class Function:
    """What is computed of one layer at one time.

    Attributes:
        name: in C.
        blocks: what it computes.
    """

    name: str
    blocks: list[Block]

    @property
    def statements(self) -> list[Statement]:
        return [statement for block in self.blocks for statement in block.statements]

    @property
    def buffers(self) -> list[Buffer]:
        """What it reads and writes, besides constants, in the order of use."""
        found = dict.fromkeys(b for s in self.statements for b in buffers(s) if b.place != "constant")
        return list(found)


def emit(builder: Builder, sizes: Sizes, interface: Interface) -> str:
    """The C file."""
    functions = _functions(builder)
    numbers, instances = _numbers(builder), instances_of(builder)
    names = Names(numbers, instances)
    body = [_function(function, interface, names) for function in functions]
    shaped = [instance.text(numbers) for instance in instances.values()]
    called = [
        word for block in builder.blocks for statement in block.statements for word in kernels(statement)
    ]
    if interface.apart:
        called.append("check_weights")
    count = sum(multiply_adds(statement) for block in builder.blocks for statement in block.statements)
    parts = [
        header(interface, sizes, count * interface.streams),
        "#include <stdint.h>\n#include <string.h>",
        f"#define STREAMS {interface.streams}" if interface.streams > 1 else "",
        *kernels_for([*called, *shaped]),
        *_constants(builder),
        *(_table(table, name) for table, name in numbers.items()),
        *shaped,
        *body,
        public_functions(interface, _calls(functions, interface)),
        library_functions(interface),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def emit_apart(builder: Builder, sizes: Sizes, interface: Interface) -> tuple[str, bytes]:
    """The C file without the constants, and the file that they are in."""
    apart = Apart(0, *set_apart(_used(builder)))
    text = emit(builder, sizes, replace(interface, apart=apart))
    keyed = replace(apart, key=key_of(after_header(text, interface)))
    return text.replace(apart.word, keyed.word), keyed.file(interface.manifest.to_json())


def multiply_adds(statement: Statement) -> int:
    """Products of two numbers that are added up in a statement's products."""
    if isinstance(statement, Nest):
        return math.prod(count for _, count in statement.counts) * sum(map(multiply_adds, statement.body))
    if not isinstance(statement, Call):
        return 0
    numbers = [number for number in statement.arguments[:4] if isinstance(number, int)]
    kernel = statement.kernel.removesuffix(SUFFIX)
    if kernel.startswith("product") or kernel == "combine":
        return math.prod(numbers)
    if kernel == "attention":
        return 2 * math.prod(numbers)
    if kernel == "depthwise":
        return math.prod(numbers[:3])
    if kernel in ("gru", "lstm"):
        steps, batch, hidden, _ = numbers
        return steps * batch * hidden * hidden * (3 if kernel == "gru" else 4)
    return 0


# Functions


def _functions(builder: Builder) -> list[Function]:
    """Blocks that follow each other and are of one layer."""
    found = []
    blocks = [block for block in builder.blocks if block.statements]
    for layer, group in groupby(blocks, key=lambda block: block.layer):
        found.append(Function(builder.name(f"layer.{layer}" if layer else "ends"), list(group)))
    return found


def _function(function: Function, interface: Interface, names: Names) -> str:
    layer = function.blocks[0].layer
    about = "; ".join(dict.fromkeys(block.about for block in function.blocks))
    lines = [
        *_comment(f"{layer or 'before and after the layers'}: {about}"),
        _signature(function, interface),
        "{",
    ]
    for buffer in function.buffers:
        if buffer.place in _OF_STATE:
            lines.append(f"    {_pointer(buffer)}")
    for statement in function.statements:
        lines += [f"    {line}" for line in _statement(statement, names)]
    return "\n".join([*lines, "}"])


def _signature(function: Function, interface: Interface) -> str:
    places = {buffer.place for buffer in function.buffers}
    given = []
    if places & _OF_STATE:
        given.append(f"{interface.name}_state *s")
    if "in" in places:
        given.append("const float *in")
    if "out" in places:
        given.append("float *out")
    return f"static void {function.name}({', '.join(given)})"


def _calls(functions: Sequence[Function], interface: Interface) -> list[str]:
    """The call of each function."""
    calls = []
    for function in functions:
        places = {buffer.place for buffer in function.buffers}
        given = (["s"] if places & _OF_STATE else []) + [p for p in ("in", "out") if p in places]
        calls.append(f"{function.name}({', '.join(given)});")
    return calls


def _pointer(buffer: Buffer) -> str:
    """A buffer by its own name."""
    narrow, wide = ("weights", "wide_weights") if buffer.place == PLACE else ("work", "wide")
    place = "memory" if buffer.place == "memory" else narrow if buffer.dtype == "float32" else wide
    about = f" /* {buffer.about} */" if buffer.about else ""
    type_ = f"{'const ' if buffer.place == PLACE else ''}{_TYPES[buffer.dtype]}"
    return f"{type_} *const {buffer.name} = s->{place} + {buffer.offset};{about}"


# Statements


def _statement(statement: Statement, names: Names) -> Iterator[str]:
    if isinstance(statement, Nest):
        depth = 0
        *outer, last = statement.counts
        for name, count in outer:
            yield f"{'    ' * depth}for (int {name} = 0; {name} < {count}; {name}++)"
            depth += 1
        name, count = last
        yield f"{'    ' * depth}for (int {name} = 0; {name} < {count}; {name}++) {{"
        for inner in statement.body:
            for line in _statement(inner, names):
                yield f"{'    ' * (depth + 1)}{line}"
        yield f"{'    ' * depth}}}"
    elif isinstance(statement, Call):
        instance, arguments = names.instances.get(instance_key(statement)), statement.arguments
        if instance is not None:
            arguments = tuple(argument for argument in arguments if isinstance(argument, Ref))
        called = instance.name if instance is not None else statement.kernel
        yield f"{called}({', '.join(_argument(argument, names.numbers) for argument in arguments)});"
    else:
        yield "".join(_part(part, names.numbers) for part in statement.parts)


def _argument(argument: Argument, numbers: dict[Table, str]) -> str:
    if not isinstance(argument, Ref):
        return constant_argument(argument, numbers)
    index = _index(argument)
    return argument.buffer.name if index == "0" else f"{argument.buffer.name} + {index}"


def _part(part: str | Ref | Table, numbers: dict[Table, str]) -> str:
    if isinstance(part, str):
        return part
    return numbers[part] if isinstance(part, Table) else f"{part.buffer.name}[{_index(part)}]"


def _index(ref: Ref) -> str:
    terms = [name if stride == 1 else f"{stride} * {name}" for name, stride in ref.terms]
    if ref.offset or not terms:
        terms.append(str(ref.offset))
    return " + ".join(terms).replace("+ -", "- ")


# Constants


def _used(builder: Builder) -> list[Buffer]:
    """The constants that are used."""
    used = {b for block in builder.blocks for s in block.statements for b in buffers(s)}
    return [buffer for buffer in builder.constants.values() if buffer in used]


def _constants(builder: Builder) -> Iterator[str]:
    """The arrays in the C."""
    for buffer in _used(builder):
        if buffer.place == "constant":
            type_ = _TYPES[buffer.dtype]
            yield f"static const {type_} {buffer.name}[{buffer.size}] = {{\n{_listed(buffer)}\n}};"


def _listed(buffer: Buffer) -> str:
    """Numbers that are read back as they are."""
    assert buffer.data is not None, "of a constant"
    suffix = "f" if buffer.dtype == "float32" else ""
    return _filled([_number(text, suffix) for text in map(str, buffer.data.ravel())])


def _number(text: str, suffix: str) -> str:
    if text.endswith(".0"):
        text = text[:-1]
    return f"{text if '.' in text or 'e' in text else f'{text}.'}{suffix}"


def _filled(words: Sequence[str]) -> str:
    """Words with commas, in lines of some length."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join([*lines, line])


def _numbers(builder: Builder) -> dict[Table, str]:
    """A name for each table."""
    found = dict.fromkeys(t for block in builder.blocks for s in block.statements for t in tables(s))
    return {table: builder.name("begin" if table.numbers == (0,) else "begins") for table in found}


def _table(table: Table, name: str) -> str:
    numbers = [str(number) for number in table.numbers]
    if len(numbers) <= 12:
        return f"static const int {name}[{len(numbers)}] = {{{', '.join(numbers)}}};"
    return f"static const int {name}[{len(numbers)}] = {{\n{_filled(numbers)}\n}};"


def _comment(text: str) -> list[str]:
    """A comment in lines of some length."""
    words, lines = re.sub(r"\*/", "", text).split(), ["/*"]
    for word in words:
        if len(lines[-1]) + len(word) + 4 > WIDTH:
            lines.append("  ")
        lines[-1] += f" {word}"
    lines[-1] += " */"
    return lines
