"""A generated model through ctypes: python denoise.py libgtcrn.so < noisy.f32 > clean.f32

The library is that of ``speechzoo build gtcrn.c -o libgtcrn.so``; the samples are 32-bit floats at its rate.
"""

import ctypes
import sys

import numpy as np

library, hop = ctypes.CDLL(sys.argv[1]), 256  # samples of a call: <NAME>_IN of the header
state = ctypes.create_string_buffer(1 << 23)  # at least <name>_state_size() bytes
library.speechzoo_init(state)
noisy = np.frombuffer(sys.stdin.buffer.read(), np.float32)
noisy = np.pad(noisy, (0, -len(noisy) % hop))
clean = np.empty_like(noisy)
for start in range(0, len(noisy), hop):
    given, result = noisy[start : start + hop], clean[start : start + hop]
    library.speechzoo_process(state, ctypes.c_void_p(given.ctypes.data), ctypes.c_void_p(result.ctypes.data))
sys.stdout.buffer.write(clean.tobytes())
