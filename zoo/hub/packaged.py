"""The parameters that come with the package, of which some are put together when they are first asked for."""

from __future__ import annotations

from pathlib import Path

from zoo.builtin import packaged_file, packaged_recipe
from zoo.errors import ArtifactError
from zoo.files import atomic, sha256_of
from zoo.hub import client
from zoo.parts import join
from zoo.spec import Weights


def packaged_parameters(weights: Weights) -> Path:
    """The file of weights in the package: there as it is, or in the cache, made of its graph and the rest.

    Raises:
        ArtifactError: it is absent or damaged, or the cache cannot be written.
    """
    recipe = packaged_recipe(weights.url)
    if recipe is None:
        return packaged_file(weights.url, weights.sha256)
    made = client.cache_folder() / "packaged" / weights.sha256[:16] / weights.file.name
    if made.is_file() and sha256_of(made) == weights.sha256:
        return made
    content = _joined(recipe)
    if sha256_of(content) != weights.sha256:
        raise ArtifactError(
            f"{recipe}: what it gives should have the sha256 {weights.sha256}, found {sha256_of(content)}; "
            f"install speechzoo again"
        )
    with atomic(made) as temporary:
        temporary.write_bytes(content)
    return made


def _joined(recipe: Path) -> bytes:
    try:
        return join(recipe)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{recipe}: it is damaged ({error}); install speechzoo again") from error
