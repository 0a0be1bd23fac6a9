"""What generated C is wrapped in where a host has an interface of its own: C beside the generated file."""

from __future__ import annotations

import hashlib
from importlib import resources

from converters.c.interface import header_of, quoted
from zoo.artifact.manifest import EnhancementManifest

SYMBOL = "model"  # what the public names of a file begin with that is wrapped


def ladspa_source(text: str, manifest: EnhancementManifest) -> str:
    """The C of a LADSPA plug-in.

    Args:
        text: the generated file beside which it is compiled, whose names begin with ``SYMBOL``.
        manifest: of the model.
    """
    weights = manifest.weights
    known = "\n".join((manifest.model, weights.get("sha256", "")))
    # LADSPA's identifiers have 24 bits; those of two plug-ins are taken, far from the registered ones.
    number = 0x800000 | int.from_bytes(hashlib.sha256(known.encode()).digest()[:3], "big") & 0x7FFFFE
    defined = {
        "PLUGIN_ID": str(number),
        "PLUGIN_LABEL": quoted(manifest.model),
        "PLUGIN_NAME": quoted(f"{manifest.model}, speech enhancement"),
        "PLUGIN_MAKER": quoted(f"speechzoo {manifest.toolchain.get('speechzoo', '')}".rstrip()),
        "PLUGIN_COPYRIGHT": quoted(weights.get("licence", "None")),
    }
    lines = "\n".join(f"#define {name} {value}" for name, value in defined.items())
    wrapper = resources.files(__name__).joinpath("ladspa.c").read_text()
    return f"{header_of(text)}\n{lines}\n\n{wrapper}"
