"""Pages of the command line, from the parsers themselves."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from functools import cache

from zoo.cli import GROUPS, parsers

EXAMPLES = re.compile(r"^examples?:\n(.*)", re.M | re.S)


@cache
def pages() -> dict[str, tuple[str, str]]:
    """Headings and texts by the pages' names: an overview, and a page a command."""
    found = parsers()
    parts = ["# Command line\n\nAs `speechzoo --help` and `speechzoo COMMAND --help` have it.\n"]
    for group in GROUPS:
        parts.append(f"\n## {group.capitalize()}\n\n| command | what |\n|---|---|\n")
        for name, parser in found.items():
            module = importlib.import_module(f"zoo.cli.{name.replace('-', '_')}")
            if group == module.GROUP:
                summary = (parser.description or "").partition("\n")[0]
                parts.append(f"| [`speechzoo {name}`]({name}.md) | {summary} |\n")
    made = {f"command-line/{name}.md": (name, _page(parser)) for name, parser in found.items()}
    return {"command-line/index.md": ("", "".join(parts)), **made}


def _page(parser: argparse.ArgumentParser) -> str:
    """A command: what it does, its examples, and its options by group."""
    description = (parser.description or "").strip()
    examples = EXAMPLES.search(description)
    prose = description[: examples.start()].strip() if examples else description
    parts = [f"# {parser.prog}\n", *_prose(prose)]
    if examples:
        block = "\n".join(line.removeprefix("  ") for line in examples[1].rstrip().splitlines())
        parts.append(f"```sh\n{block}\n```\n")
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    parts.append(f"```text\n{usage}\n```\n")
    for group in parser._action_groups:
        rows = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if rows:
            parts.append(f"## {(group.title or 'options').capitalize()}\n")
            parts.append("| word | what |\n|---|---|\n" + "".join(_row(action, parser) for action in rows))
    return "\n".join(parts)


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; one with an indented line as it stands, since it is a table or a list of words."""
    for paragraph in re.split(r"\n\s*\n", text):
        if any(line.startswith(" ") for line in paragraph.splitlines()):
            yield f"```text\n{paragraph}\n```\n"
        else:
            yield f"{paragraph}\n"


def _row(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """An argument and its help, as a row of a table."""
    formatter = parser._get_formatter()
    value = formatter._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
    if action.option_strings:
        words = ", ".join(action.option_strings) + (f" {value}" if value else "")
    else:
        words = value
    told = formatter._expand_help(action) if action.help else ""
    return f"| `{_cell(words)}` | {_cell(told, prose=True)} |\n"


def _cell(text: str, *, prose: bool = False) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text.replace("<", "&lt;") if prose else text
