"""Clients of a Triton server that serves the models' artifacts; needs neither torch nor ONNX Runtime."""
