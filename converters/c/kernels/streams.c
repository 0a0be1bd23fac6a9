/* For STREAMS streams side by side: a number in memory is one of each, and all steps are in such numbers. */
#if LANES == 16 || defined(__aarch64__)
#define ABREAST 8 /* columns of a tile: with 3 rows what registers there are for */
#else
#define ABREAST 4
#endif

KERNEL void spread_streams(int count, const float *from, float *to)
{
    for (int i = 0; i < count; i++)
        for (int lane = 0; lane < STREAMS; lane++) to[i * STREAMS + lane] = from[i];
}

/* rows x columns of start + a b for the streams of a vector. b has rows of `wide` numbers; it and start are the same
   for all streams, or lie b_lanes and start_lanes apart as every stream has its own. */
INLINE void tile_streams(const int rows, const int columns, const int b_lanes, int segments, const int *segment,
                         int inner, const float *a, long a_row, long a_step, const float *b, int wide,
                         const float *start, long start_row, int start_lanes, float *c, long c_row, int stored)
{
    lanes sum[3][8];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int n = 0; n < columns; n++) {
            const float *from = start + (m * start_row + n) * start_lanes;
            sum[m][n] = (lanes){0};
            if (start && n < stored) sum[m][n] += start_lanes > 1 ? load(from) : *from + (lanes){0};
        }
    for (int s = 0; s < segments; s++) {
        const float *from = a + (long)segment[s] * STREAMS;
        for (int k = 0; k < inner; k++, from += a_step * STREAMS, b += wide * b_lanes) {
            lanes x[3];
            UNROLL for (int m = 0; m < rows; m++) x[m] = load(from + m * a_row * STREAMS);
            UNROLL for (int n = 0; n < columns; n++) {
                const lanes y = b_lanes > 1 ? load(b + n * b_lanes) : b[n] + (lanes){0};
                UNROLL for (int m = 0; m < rows; m++) sum[m][n] += x[m] * y;
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int n = 0; n < columns; n++)
            if (n < stored) store(c + (m * c_row + n) * STREAMS, sum[m][n]);
}

#ifdef __wasm__ /* calls cost there too */
#define ONE_TILE inline __attribute__((always_inline))
#else
#define ONE_TILE __attribute__((noinline))
#endif

#define TILE_STREAMS(ROWS, COLUMNS, OWN)                                                                     \
    case 100 * OWN + 10 * ROWS + COLUMNS:                                                                    \
        tile_streams(ROWS, COLUMNS, OWN ? STREAMS : 1, segments, segment, inner, a, a_row, a_step, b, wide,  \
                     start, start_row, start_lanes, c, c_row, stored);                                       \
        break

static ONE_TILE void one_tile_streams(int which, int segments, const int *segment, int inner, const float *a,
                                      long a_row, long a_step, const float *b, int wide, const float *start,
                                      long start_row, int start_lanes, float *c, long c_row, int stored)
{
    switch (which) {
        TILE_STREAMS(1, 4, 0);
        TILE_STREAMS(2, 4, 0);
        TILE_STREAMS(3, 4, 0);
        TILE_STREAMS(1, 4, 1);
        TILE_STREAMS(2, 4, 1);
        TILE_STREAMS(3, 4, 1);
#if ABREAST == 8
        TILE_STREAMS(1, 8, 0);
        TILE_STREAMS(2, 8, 0);
        TILE_STREAMS(3, 8, 0);
#endif
    }
}

/* c = start + a b, b packed; own_b, own_start: whether b and start are every stream's own. */
KERNEL void product_streams(int rows, int columns, int inner, int segments, const int *segment, const float *a,
                            long a_row, long a_step, const float *b, const float *start, long start_row,
                            float *c, long c_row, int own_b, int own_start)
{
    const int b_lanes = own_b ? STREAMS : 1, start_lanes = own_start ? STREAMS : 1;
    for (int begin = 0; begin < columns; begin += PANEL) {
        const int wide = columns - begin <= 8 ? 8 : PANEL;
        const int end = columns - begin < wide ? columns : begin + wide;
        for (int n = begin; n < end;) {
            const int abreast = own_b || end - n <= 4 ? 4 : ABREAST;
            const int stored = end - n < abreast ? end - n : abreast;
            for (int m = 0, count = 0; m < rows; m += count) {
                count = rows - m < 3 ? rows - m : 3;
                for (int lane = 0; lane < STREAMS; lane += LANES) {
                    const float *add = start + (m * start_row + n) * start_lanes + (own_start ? lane : 0);
                    one_tile_streams(100 * own_b + 10 * count + abreast, segments, segment, inner,
                                     a + m * a_row * STREAMS + lane, a_row, a_step,
                                     b + (n - begin) * b_lanes + (own_b ? lane : 0), wide, start ? add : start,
                                     start_row, start_lanes, c + (m * c_row + n) * STREAMS + lane, c_row, stored);
                }
            }
            n += abreast;
        }
        b += (long)segments * inner * wide * b_lanes;
    }
}

KERNEL void product_double_streams(int rows, int columns, int inner, int segments, const int *segment,
                                   const double *a, long a_row, long a_step, const double *b,
                                   const double *start, long start_row, double *c, long c_row)
{
    for (int n = 0; n < columns; n++) {
        const int panel = n / PANEL * PANEL, wide = columns - panel <= 8 ? 8 : PANEL;
        const double *packed = b + (long)segments * inner * panel + n % PANEL;
        for (int m = 0; m < rows; m++) {
            const double *column = packed;
            double sum[STREAMS];
            for (int lane = 0; lane < STREAMS; lane++) sum[lane] = start ? start[m * start_row + n] : 0;
            for (int s = 0; s < segments; s++) {
                const double *from = a + (m * a_row + segment[s]) * STREAMS;
                for (int k = 0; k < inner; k++, from += a_step * STREAMS, column += wide)
                    for (int lane = 0; lane < STREAMS; lane++) sum[lane] += from[lane] * *column;
            }
            for (int lane = 0; lane < STREAMS; lane++) c[(m * c_row + n) * STREAMS + lane] = sum[lane];
        }
    }
}

KERNEL void pack_streams(int inner, int columns, const float *from, long inner_step, long column_step, float *to)
{
    for (int n = 0; n < columns; n += PANEL) {
        const int wide = columns - n <= 8 ? 8 : PANEL;
        for (int k = 0; k < inner; k++)
            for (int i = 0; i < wide; i++, to += STREAMS) {
                const float *number = from + (k * inner_step + (n + i) * column_step) * STREAMS;
                for (int lane = 0; lane < STREAMS; lane++) to[lane] = n + i < columns ? number[lane] : 0.0f;
            }
    }
}

KERNEL void depthwise_streams(int width, int channels, int taps, const int *tap, const float *x, long x_column,
                              const float *weight, const float *bias, float *y, long y_column)
{
    for (int f = 0; f < width; f++, x += x_column * STREAMS, y += y_column * STREAMS)
        for (int c = 0; c < channels; c++)
            for (int lane = 0; lane < STREAMS; lane += LANES) {
                lanes sum = bias[c] + (lanes){0};
                for (int t = 0; t < taps; t++)
                    sum += weight[t * channels + c] * load(x + (tap[t] + c) * STREAMS + lane);
                store(y + c * STREAMS + lane, sum);
            }
}

KERNEL void gru_streams(int steps, int batch, int hidden, int backwards, const float *input,
                        const float *recurrent, const float *bias, const float *before, long before_row,
                        float *sums, float *y, long y_step, long y_row)
{
    static const int whole[1] = {0};
    const int all = hidden * STREAMS;
    for (int n = 0; n < steps; n++) {
        const int t = backwards ? steps - 1 - n : n;
        float *now = y + t * y_step * STREAMS;
        product_streams(batch, 3 * hidden, hidden, 1, whole, before, before_row, 1, recurrent, bias, 0, sums,
                        3 * hidden, 0, 0);
        for (int b = 0; b < batch; b++) {
            const float *xs = input + ((long)t * batch + b) * 3 * all, *hs = sums + b * 3 * all;
            const float *h = before + b * before_row * STREAMS;
            float *to = now + b * y_row * STREAMS;
            ALONE for (int i = 0; i < all; i++) {
                const float z = sigmoid(xs[i] + hs[i]);
                const float r = sigmoid(xs[all + i] + hs[all + i]);
                const float fresh = hyperbolic_tangent(xs[2 * all + i] + r * hs[2 * all + i]);
                to[i] = fresh + z * (h[i] - fresh);
            }
        }
        before = now;
        before_row = y_row;
    }
}

KERNEL void lstm_streams(int steps, int batch, int hidden, int backwards, const float *input,
                         const float *recurrent, const float *bias, const float *before, long before_row,
                         float *sums, float *y, long y_step, long y_row, float *cell)
{
    static const int whole[1] = {0};
    const int all = hidden * STREAMS;
    for (int n = 0; n < steps; n++) {
        const int t = backwards ? steps - 1 - n : n;
        float *now = y + t * y_step * STREAMS;
        product_streams(batch, 4 * hidden, hidden, 1, whole, before, before_row, 1, recurrent, bias, 0, sums,
                        4 * hidden, 0, 0);
        for (int b = 0; b < batch; b++) {
            const float *xs = input + ((long)t * batch + b) * 4 * all, *hs = sums + b * 4 * all;
            float *to = now + b * y_row * STREAMS, *c = cell + b * all;
            ALONE for (int i = 0; i < all; i++) {
                const float in = sigmoid(xs[i] + hs[i]);
                const float out = sigmoid(xs[all + i] + hs[all + i]);
                const float keep = sigmoid(xs[2 * all + i] + hs[2 * all + i]);
                c[i] = keep * c[i] + in * hyperbolic_tangent(xs[3 * all + i] + hs[3 * all + i]);
                to[i] = out * hyperbolic_tangent(c[i]);
            }
        }
        before = now;
        before_row = y_row;
    }
}

KERNEL void sum_of_streams(int count, const float *x, long step, float *y)
{
    for (int lane = 0; lane < STREAMS; lane += LANES) {
        lanes found = {0};
        for (int i = 0; i < count; i++) found += load(x + i * step * STREAMS + lane);
        store(y + lane, found);
    }
}

KERNEL void sum_of_squares_streams(int count, const float *x, long step, float *y)
{
    for (int lane = 0; lane < STREAMS; lane += LANES) {
        lanes found = {0};
        for (int i = 0; i < count; i++) {
            const lanes value = load(x + i * step * STREAMS + lane);
            found += value * value;
        }
        store(y + lane, found);
    }
}

KERNEL void softmax_streams(int rows, int count, float scale, const float *x, long x_row, float *y, long y_row)
{
    for (int m = 0; m < rows; m++, x += x_row * STREAMS, y += y_row * STREAMS) {
        float most[STREAMS], sum[STREAMS] = {0};
        for (int lane = 0; lane < STREAMS; lane++) most[lane] = x[lane];
        for (int i = 1; i < count; i++)
            for (int lane = 0; lane < STREAMS; lane++) most[lane] = larger(most[lane], x[i * STREAMS + lane]);
        for (int i = 0; i < count; i++)
            ALONE for (int lane = 0; lane < STREAMS; lane++) {
                const float weight = exponential(scale * (x[i * STREAMS + lane] - most[lane]));
                y[i * STREAMS + lane] = weight;
                sum[lane] += weight;
            }
        for (int lane = 0; lane < STREAMS; lane++) sum[lane] = 1.0f / sum[lane];
        for (int i = 0; i < count; i++)
            for (int lane = 0; lane < STREAMS; lane++) y[i * STREAMS + lane] *= sum[lane];
    }
}

KERNEL void layer_norm_streams(int rows, int count, float epsilon, const float *x, long x_row, const float *gain,
                               const float *bias, float *y, long y_row)
{
    for (int m = 0; m < rows; m++, x += x_row * STREAMS, y += y_row * STREAMS) {
        float mean[STREAMS] = {0}, factor[STREAMS] = {0};
        for (int i = 0; i < count; i++)
            for (int lane = 0; lane < STREAMS; lane++) mean[lane] += x[i * STREAMS + lane];
        for (int lane = 0; lane < STREAMS; lane++) mean[lane] /= (float)count;
        for (int i = 0; i < count; i++)
            for (int lane = 0; lane < STREAMS; lane++) {
                const float off = x[i * STREAMS + lane] - mean[lane];
                factor[lane] += off * off;
            }
        for (int lane = 0; lane < STREAMS; lane++)
            factor[lane] = 1.0f / root(factor[lane] / (float)count + epsilon);
        for (int i = 0; i < count; i++)
            for (int lane = 0; lane < STREAMS; lane++)
                y[i * STREAMS + lane] =
                    (x[i * STREAMS + lane] - mean[lane]) * factor[lane] * gain[i] + bias[i];
    }
}

KERNEL void gather_streams(int pieces, int count, const int *table, const float *from, float *to, long step)
{
    for (int n = 0; n < pieces; n++)
        memcpy(to + n * step * STREAMS, from + (long)table[n] * STREAMS, (size_t)(count * STREAMS) * sizeof *to);
}
