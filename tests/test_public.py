"""What ``zoo`` and ``converters`` promise: their names, and what works after a plain import."""

from __future__ import annotations

import os
import pkgutil
import re
from types import ModuleType

import pytest

import converters
import zoo
from tests.interpreter import python
from zoo import errors, registry
from zoo.errors import SpeechZooError

MODULES = (
    "errors", "layers", "networks", "runtime", "signal", "spec", "streaming", "tags", "tasks", "triton",
)  # fmt: skip


def test_top_level_names() -> None:
    assert set(zoo.__all__) <= set(dir(zoo))
    for name in zoo.__all__:
        assert callable(getattr(zoo, name)), f"zoo.{name} is a module, not what bears its name"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = zoo.nothing
    assert registry.list_models is zoo.list_models


def test_nothing_else_is_public() -> None:
    assert set(dir(zoo)) == {*zoo.__all__, *MODULES, "__version__"}
    told = set(re.findall(r"``(\w+)``", zoo.__doc__ or ""))
    assert told == {*zoo.__all__, *MODULES}, "the docstring names what is public"
    assert list(zoo.__all__) == sorted(zoo.__all__) and list(converters.__all__) == sorted(converters.__all__)


def test_a_plain_import_is_enough() -> None:
    """Modules as well as names, each when it is asked for and not before."""
    code = (
        "import zoo\n"
        "early = {name for name in sys.modules if name.startswith('zoo.')}\n"
        f"print(*(getattr(zoo, name).__name__ for name in {MODULES!r}))\n"
        "print(*early)"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
    modules, early = done.stdout.splitlines()
    assert modules.split() == [f"zoo.{name}" for name in MODULES]
    assert early.split() == ["zoo.version"]
    assert all(isinstance(getattr(zoo, name), ModuleType) for name in MODULES)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_every_name_and_module_imports_alone() -> None:
    """As the first thing that a program asks for: what others import before it must not matter."""
    names = [f"zoo.{name}" for name in dir(zoo)]
    for module in MODULES:
        package = getattr(zoo, module)
        found = pkgutil.walk_packages(getattr(package, "__path__", ()), f"zoo.{module}.")
        names += [name.name for name in found]
    code = (
        "import importlib, os, traceback, numpy, onnxruntime, torch, zoo\n"
        f"for name in {names!r}:\n"
        "    if not (child := os.fork()):\n"
        "        top, _, rest = name.partition('.')\n"
        "        try:\n"
        "            found = getattr(zoo, rest) if rest in dir(zoo) else importlib.import_module(name)\n"
        "            assert found is not None\n"
        "        except BaseException as error:\n"
        "            print(name, repr(error), flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    done = python(code, hidden=())
    absent = [line for line in done.stdout.splitlines() if "MissingExtraError" not in line]
    absent = [line for line in absent if not re.search("No module named '(tensorrt|modelopt)", line)]
    assert (done.returncode, absent) == (0, [])


def test_converters_names() -> None:
    for name in converters.__all__:
        assert callable(getattr(converters, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = converters.nothing


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    drawn = dict(re.findall(r"^        (\w+Error)(?: \((\w+)\))?  ", errors.__doc__ or "", re.M))
    found = {
        name: ", ".join(base.__name__ for base in value.__bases__ if base is not SpeechZooError)
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SpeechZooError) and value is not SpeechZooError
    }
    assert drawn == found
