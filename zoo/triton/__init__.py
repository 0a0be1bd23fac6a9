"""Clients of models on a Triton Inference Server."""
