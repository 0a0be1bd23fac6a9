/* Multiply-adds of 32 bits in vectors that wait for nothing: as many as a core can do. */
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));

SPEECHZOO_API float speechzoo_peak(long rounds, float factor);

SPEECHZOO_API int speechzoo_multiply_adds(void);

/* Of a round. */
int speechzoo_multiply_adds(void) { return 12 * LANES; }

float speechzoo_peak(long rounds, float factor)
{
    const lanes x = factor + (lanes){0};
    lanes a = x, b = 2 * x, c = 3 * x, d = 4 * x, e = 5 * x, f = 6 * x;
    lanes g = 7 * x, h = 8 * x, i = 9 * x, j = 10 * x, k = 11 * x, l = 12 * x;
    for (long n = 0; n < rounds; n++) {
        a = a * x + x, b = b * x + x, c = c * x + x, d = d * x + x, e = e * x + x, f = f * x + x;
        g = g * x + x, h = h * x + x, i = i * x + x, j = j * x + x, k = k * x + x, l = l * x + x;
    }
    const lanes sum = a + b + c + d + e + f + g + h + i + j + k + l;
    return sum[0];
}
