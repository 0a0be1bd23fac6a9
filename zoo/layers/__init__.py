"""Layers shared by the networks, each beside its streaming twin.

A layer whose arithmetic should differ in a graph has ``streaming_twin()``, which builds the twin
from the layer's hyper-parameters, and ``streaming_parameters(own)``, which turns the layer's
parameter dict into the twin's. All others are kept as they are.
"""
