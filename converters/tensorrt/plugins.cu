// The layers of zoo/layers/length.py as kernels of TensorRT's plugins.
//
// C but for the lines for NVRTC, so that a C compiler can check them on a processor: it defines KERNEL, T, sum
// and CUDA's four names itself.

#ifdef __CUDACC_RTC__
#define KERNEL extern "C" __global__ void
#ifdef HALF
typedef unsigned short T;  // its bits: NVRTC brings no cuda_fp16.h
static __device__ T sum(T a, T b) {
  T c;
  asm("add.rn.f16 %0, %1, %2;" : "=h"(c) : "h"(a), "h"(b));
  return c;
}
#else
typedef float T;
static __device__ T sum(T a, T b) { return a + b; }
#endif
#endif

// x (B, T, C), code (T, C), mask (B, T) -> y (B, T, C): a thread for each of the elements.
KERNEL add_positions(const T* x, const T* code, const unsigned char* mask, int tokens, int channels,
                     int elements, T* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < elements) y[i] = sum(x[i], mask[i / channels] ? code[i % (tokens * channels)] : (T)0);
}

// x (B, T, C), counts (B, T) -> y (B, frames, C): a block for each frame, its threads along the channels.
// The element that a frame repeats is the number of running sums up to the frame; behind the last are zeros.
KERNEL repeat(const T* x, const float* counts, int tokens, int channels, T* y) {
  int frame = blockIdx.x, row = blockIdx.y, token = 0;
  float end = 0;
  for (int i = 0; i < tokens; i++) {
    end += counts[row * tokens + i];
    token += end <= frame;
  }
  x += (row * tokens + token) * channels;
  y += (row * gridDim.x + frame) * channels;
  for (int i = threadIdx.x; i < channels; i += blockDim.x) y[i] = token < tokens ? x[i] : (T)0;
}
