"""What is exported: one module a task, named as the task is, with its ``SUBJECT``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converters.subjects.subject import Subject


def get_subject(task: str) -> Subject[Any, Any]:
    """What exporting knows of a task.

    Raises:
        UnknownModelError: there is no such task.
    """
    from zoo.tasks import get_task

    get_task(task)
    subject: Subject[Any, Any] = importlib.import_module(f"{__name__}.{task}").SUBJECT
    return subject
