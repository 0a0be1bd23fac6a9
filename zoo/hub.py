"""The only code that touches the network: downloads, pinned and checked by sha256."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zoo.errors import CheckpointError, MissingExtraError
from zoo.spec import Weights

TIMEOUT = 20  # seconds without an answer or a byte


def cache_folder() -> Path:
    """Where downloads and exports are kept: ``SPEECHZOO_CACHE``, or the user's cache folder."""
    import pooch

    return Path(os.environ.get("SPEECHZOO_CACHE") or pooch.os_cache("speechzoo"))


def download(weights: Weights) -> Path:
    """A local file with these weights, from the cache or the network.

    Raises:
        CheckpointError: not reachable, or its bytes do not match the descriptor's sha256.
    """
    try:
        import pooch
    except ImportError as error:
        raise MissingExtraError('downloads need pooch: pip install "speechzoo"') from error
    import requests

    try:
        file = pooch.retrieve(
            weights.url,
            known_hash=f"sha256:{weights.sha256}",
            path=cache_folder() / "weights",
            downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT),
        )
    except (requests.RequestException, OSError) as error:
        raise CheckpointError(
            f"weights {weights.tag}: {weights.url} cannot be downloaded ({type(error).__name__}); fetch the "
            f"file yourself and pass its path"
        ) from error
    except ValueError as error:
        raise CheckpointError(
            f"weights {weights.tag}: {weights.url} does not have the sha256 that the package knows, "
            f"{weights.sha256}; it is not used ({error})"
        ) from error
    return Path(file)
