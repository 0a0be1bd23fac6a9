/* Gated recurrent units: z, r and n of each, as ONNX has them. `input` holds the products of all steps. */
INLINE void gru(const int steps, const int batch, const int hidden, const int backwards, const float *input, const float *recurrent,
                const float *bias, const float *before, long before_row, float *sums, float *y, long y_step,
                long y_row)
{
    static const int whole[1] = {0};
    for (int n = 0; n < steps; n++) {
        const int t = backwards ? steps - 1 - n : n;
        const float *x = input + (long)t * batch * 3 * hidden;
        float *now = y + t * y_step;
        product(batch, 3 * hidden, hidden, 1, whole, before, before_row, 1, recurrent, bias, 0, sums, 3 * hidden);
        for (int b = 0; b < batch; b++) {
            const float *xs = x + b * 3 * hidden, *hs = sums + b * 3 * hidden, *h = before + b * before_row;
            float *to = now + b * y_row;
            ALONE for (int i = 0; i < hidden; i++) {
                const float z = sigmoid(xs[i] + hs[i]);
                const float r = sigmoid(xs[hidden + i] + hs[hidden + i]);
                const float fresh = hyperbolic_tangent(xs[2 * hidden + i] + r * hs[2 * hidden + i]);
                to[i] = fresh + z * (h[i] - fresh);
            }
        }
        before = now;
        before_row = y_row;
    }
}

/* Long short-term memory: i, o, f and c of each, as ONNX has them; `cell` goes from step to step. */
INLINE void lstm(const int steps, const int batch, const int hidden, const int backwards, const float *input, const float *recurrent,
                 const float *bias, const float *before, long before_row, float *sums, float *y, long y_step,
                 long y_row, float *cell)
{
    static const int whole[1] = {0};
    for (int n = 0; n < steps; n++) {
        const int t = backwards ? steps - 1 - n : n;
        const float *x = input + (long)t * batch * 4 * hidden;
        float *now = y + t * y_step;
        product(batch, 4 * hidden, hidden, 1, whole, before, before_row, 1, recurrent, bias, 0, sums, 4 * hidden);
        for (int b = 0; b < batch; b++) {
            const float *xs = x + b * 4 * hidden, *hs = sums + b * 4 * hidden;
            float *to = now + b * y_row, *c = cell + b * hidden;
            ALONE for (int i = 0; i < hidden; i++) {
                const float in = sigmoid(xs[i] + hs[i]);
                const float out = sigmoid(xs[hidden + i] + hs[hidden + i]);
                const float keep = sigmoid(xs[2 * hidden + i] + hs[2 * hidden + i]);
                c[i] = keep * c[i] + in * hyperbolic_tangent(xs[3 * hidden + i] + hs[3 * hidden + i]);
                to[i] = out * hyperbolic_tangent(c[i]);
            }
        }
        before = now;
        before_row = y_row;
    }
}
