#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4 /* SSE, NEON, WebAssembly; and what compilers make of it elsewhere */
#endif

#define INLINE static inline __attribute__((always_inline, unused))

#ifdef __clang__
#define KERNEL static __attribute__((noinline))
#else
#define KERNEL static __attribute__((noinline, noclone)) /* once in the code, for all sizes */
#endif

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#define ALONE _Pragma("clang loop vectorize(assume_safety)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define ALONE _Pragma("GCC ivdep") /* no step of the loop reads what another one writes */
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));

typedef float lanes_anywhere __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE lanes load(const float *from) { return *(const lanes_anywhere *)from; }

INLINE void store(float *to, lanes x) { *(lanes_anywhere *)to = x; }

INLINE float total(lanes x)
{
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += x[i];
    return sum;
}

typedef int whole_lanes __attribute__((vector_size(4 * LANES)));

INLINE lanes highest(lanes a, lanes b)
{
    const whole_lanes mask = a < b;
    return (lanes)(((whole_lanes)b & mask) | ((whole_lanes)a & ~mask));
}
