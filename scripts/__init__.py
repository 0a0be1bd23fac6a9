"""Entry points for a clone of the project: ``python -m scripts.<name>``; none is installed."""

import zoo as zoo  # before ONNX Runtime, whose telemetry it turns off
