"""All metadata is in setup.cfg, but for which distribution of ONNX Runtime is required.

Only one of them can be installed, and no marker of pip can choose: a requirement of the base would stand
beside that of an extra. So the environment chooses when the package is built:
``SPEECHZOO_ONNXRUNTIME=onnxruntime-gpu pip install .``
"""

import configparser
import os
import re
from pathlib import Path

from setuptools import setup

NAME = "onnxruntime"

chosen = os.environ.get("SPEECHZOO_ONNXRUNTIME") or NAME
if not re.fullmatch(rf"{NAME}(-[a-z0-9]+)*", chosen):
    raise SystemExit(f"SPEECHZOO_ONNXRUNTIME={chosen}: onnxruntime, onnxruntime-gpu or the like is meant")
config = configparser.ConfigParser()
config.read(Path(__file__).with_name("setup.cfg"), encoding="utf-8")
requirements = config["options"]["install_requires"].split("\n")
setup(
    install_requires=[
        re.sub(rf"^{NAME}\b", chosen, requirement) for requirement in requirements if requirement
    ]
)
