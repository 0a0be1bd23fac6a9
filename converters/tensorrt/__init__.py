"""Engines of TensorRT and of TensorRT for RTX."""
