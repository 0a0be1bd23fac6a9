"""Compiles our streaming ONNX graphs to self-contained C.

A graph passes through these, each a file of its own:

    front_end    ONNX to operators with static shapes and the layer that each belongs to
    folding      operators of constants become constants
    transforms   products of matrices that are a Fourier transform become one
    expansion    operators that others can say: short sums, products with a bias, gates that are sliced
    fusion       chains of elementwise operators become one loop
    layout       the order and the zero padding in which an operator's result is wanted
    lowering     operators become loops and calls of kernels, over views of buffers
    interleaving every number becomes one of each of several streams, where that is asked for
    cost         which of several ways to lower a graph is the cheapest
    memory       buffers share memory where their lives do not meet
    instances    a function for each size that a kernel is called with
    emitter      the C
"""
