"""A short training run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.training_run import arguments


@pytest.fixture(scope="session")
def finished(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without interruption."""
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    from scripts import train

    out = tmp_path_factory.mktemp("whole")
    assert train.main(arguments(folders, out)) == 0
    return out
