"""What is installed names only what is installed, and every command that a text shows can be typed."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from tests.data import ROOT
from zoo.cli import _parser

PACKAGES = ("zoo", "converters")
DOCUMENTS = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "zoo/models").glob("*/README.md")),
    *sorted((ROOT / "zoo/models").glob("*/packaged/*.md")),
    *sorted((ROOT / "converters").rglob("README*.md")),
)
RECORDS = (ROOT / "docs/precision.md",)  # of a study that answered its question and went
SOURCES = tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
ABSENT = re.compile(r"(?<!\w)(?:scripts|tests)(?:[./]\w| --)|-m scripts")
COMMAND = re.compile(
    r"(?<![\w./\[-])speechzoo (?P<name>[a-z][a-z-]*)(?P<rest>[^`]*?)(?=`|;|\. |, or |$|speechzoo )", re.S
)
BLOCK = re.compile(r"```sh\n(.*?)```", re.S)


def strings(path: Path) -> Iterator[str]:
    """Texts in a module, docstrings among them; what is filled in when it runs is called X."""
    tree = ast.parse(path.read_text())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def parser_of(name: str, words: list[str]) -> argparse.ArgumentParser:
    """The parser of a command, or of the command inside it that the words begin with."""
    parser: argparse.ArgumentParser = COMMANDS[name]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            return action.choices[words[0]]
    return parser


def wrong_options(text: str) -> list[str]:
    """Commands in a text that are not there, and options that theirs do not take."""
    wrong = []
    for found in COMMAND.finditer(text):
        name, rest = found["name"], found["rest"]
        options = re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", rest)
        typed = text[found.start() - 1 : found.start()] == "`" or bool(options)
        if name not in COMMANDS:
            wrong += [f"speechzoo {name}"] if typed else []
            continue
        known = parser_of(name, rest.split())._option_string_actions
        wrong += [f"speechzoo {name} {option}" for option in options if option not in known]
    return wrong


COMMANDS = _parser()[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_installed_names_what_is_installed(package: str) -> None:
    """Model cards excepted, which tell how the project made the weights."""
    named = {}
    for path in sorted((ROOT / package).rglob("*")):
        text = path.suffix in (".py", ".md", ".cu") or path.name.startswith("Dockerfile")
        if text and "packaged" not in path.parts and (found := ABSENT.findall(path.read_text())):
            named[str(path)] = found
    assert named == {}


def test_commands_in_the_code_are_there_and_take_their_options() -> None:
    wrong = {path: [word for text in strings(path) for word in wrong_options(text)] for path in SOURCES}
    assert {str(path): found for path, found in wrong.items() if found} == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents(path: Path) -> None:
    """Those in a block are parsed as they stand; those in a sentence have their options."""
    text = path.read_text()
    for line in "\n".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|\|", line):
            words = shlex.split(command, comments=True)
            if words[:1] == ["speechzoo"] and words[1:2] != ["--version"]:
                given = takewhile(lambda word: word not in ("<", ">"), words[1:])
                _parser()[0].parse_args(["1" if word.startswith("$") else word for word in given])
    assert wrong_options(BLOCK.sub("", text)) == []
    for name in re.findall(r"\bscripts\.(\w+)", text) if path not in RECORDS else ():
        assert (ROOT / "scripts" / f"{name}.py").is_file(), name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_help_has_examples_that_can_be_typed(name: str) -> None:
    help_text = COMMANDS[name].description or ""
    _, heading, examples = help_text.partition("\nexamples:\n")
    assert heading, f"speechzoo {name} --help shows no example"
    lines = [line.strip() for line in examples.replace("\\\n", " ").splitlines() if line.strip()]
    typed = [line for line in lines if line.startswith("speechzoo ")]
    assert typed and any(line.startswith(f"speechzoo {name}") for line in typed)
    for line in typed:
        _parser()[0].parse_args(shlex.split(line, comments=True)[1:])


def test_the_check_of_texts_sees() -> None:
    assert wrong_options("write it with `speechzoo exprot`") == ["speechzoo exprot"]
    assert wrong_options("speechzoo export --config X, engines with speechzoo build --confg X") == [
        "speechzoo build --confg"
    ]
    assert wrong_options("it has no speechzoo manifest; `speechzoo client load --concurrency 1`") == []
    assert ABSENT.findall("see scripts.score") and not ABSENT.findall("subscripts, and other scripts. So")
