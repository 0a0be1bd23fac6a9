"""Finds the models: every folder of ``zoo/models`` that defines ``SPECS``."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from typing import TypeVar, overload

from zoo import models
from zoo.builtin import with_packaged_weights
from zoo.errors import UnknownModelError
from zoo.spec import DEFAULT, ModelSpec, Weights

Spec = TypeVar("Spec", bound=ModelSpec)


@cache
def _specs() -> dict[str, ModelSpec]:
    found: dict[str, ModelSpec] = {}
    for family in pkgutil.iter_modules(models.__path__):
        if not family.ispkg:
            continue
        for spec in importlib.import_module(f"zoo.models.{family.name}").SPECS:
            if spec.name in found:
                raise ValueError(
                    f"model name {spec.name!r} is registered twice: "
                    f"by {found[spec.name].family} and by {family.name}"
                )
            found[spec.name] = with_packaged_weights(spec)
    return found


def list_models(task: str | None = None) -> list[str]:
    """Names of all registered models, in the families' order; only those of ``task`` if given."""
    return [name for name, spec in _specs().items() if task in (None, spec.task)]


@overload
def get_spec(name: str) -> ModelSpec: ...


@overload
def get_spec(name: str, kind: type[Spec]) -> Spec: ...


def get_spec(name: str, kind: type[ModelSpec] = ModelSpec) -> ModelSpec:
    """Return the record of a model.

    Args:
        name: registered name.
        kind: of the record, for callers that want models for one task only.

    Raises:
        UnknownModelError: no such model, with the closest names, or one for another task.
    """
    specs = _specs()
    if name in specs:
        spec = specs[name]
        if not isinstance(spec, kind):
            raise UnknownModelError(
                f"{name} is a model for {spec.task}, used by {spec.entry}; expected one for {kind.task}, see "
                f"`speechzoo list --task {kind.task}`"
            )
        return spec
    close = difflib.get_close_matches(str(name).lower(), specs, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are: {', '.join(specs)}"
    raise UnknownModelError(f"there is no model {name!r}; {hint}")


def find_weights(spec: ModelSpec, tag: str) -> Weights:
    """The descriptor of one of a model's weight tags; of its first for ``default``.

    Raises:
        UnknownModelError: the model has no such tag; the message lists those it has.
    """
    for weights in spec.weights:
        if tag in (weights.tag, DEFAULT):
            return weights
    tags = ", ".join(w.tag for w in spec.weights) or "none"
    raise UnknownModelError(
        f"{spec.name} has no weights {tag!r} (known tags: {tags}) and there is no file or folder of "
        f"that name; pass a tag or the path of a checkpoint"
    )
