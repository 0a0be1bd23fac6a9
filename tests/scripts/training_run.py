"""The words of a short training run."""

from __future__ import annotations

from pathlib import Path

STEPS = 6


def arguments(folders: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    speech, noise = map(str, folders)
    given = ["fastenhancer_t", "--speech", speech, "--noise", noise, "--valid-speech", speech]
    given += [
        "--valid-noise",
        noise,
        "--out",
        str(out),
        "--steps",
        str(STEPS),
        "--batch",
        "2",
        "--seconds",
        "0.4",
    ]
    given += ["--warm-up", "2", "--valid-count", "1", "--validate-every", "3", "--device", "cpu"]
    return [*given, *more]
