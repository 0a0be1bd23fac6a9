KERNEL void sum_of(int count, const float *x, long step, float *y)
{
    float found = 0;
    for (int i = 0; i < count; i++) found += x[i * step];
    *y = found;
}

KERNEL void sum_of_squares(int count, const float *x, long step, float *y)
{
    float found = 0;
    int i = 0;
    if (step == 1) {
        lanes side = {0};
        for (; i + LANES <= count; i += LANES) side += load(x + i) * load(x + i);
        found = total(side);
    }
    for (; i < count; i++) found += x[i * step] * x[i * step];
    *y = found;
}

/* Each row of exponentials of scale x over their sum; x and y may be one. */
KERNEL void softmax(int rows, int count, float scale, const float *x, long x_row, float *y, long y_row)
{
    for (int m = 0; m < rows; m++, x += x_row, y += y_row) {
        float most = x[0], sum = 0;
        for (int i = 1; i < count; i++) most = larger(most, x[i]);
        ALONE for (int i = 0; i < count; i++) y[i] = exponential(scale * (x[i] - most));
        for (int i = 0; i < count; i++) sum += y[i];
        const float share = 1.0f / sum;
        for (int i = 0; i < count; i++) y[i] *= share;
    }
}

/* Each row less its mean, over its standard deviation, times a gain, plus a bias. */
INLINE void layer_norm(const int rows, const int count, const float epsilon, const float *x, const long x_row,
                       const float *gain, const float *bias, float *y, const long y_row)
{
    const int whole = count / LANES * LANES;
    for (int m = 0; m < rows; m++, x += x_row, y += y_row) {
        lanes side = {0};
        float sum = 0;
        for (int i = 0; i < whole; i += LANES) side += load(x + i);
        for (int i = whole; i < count; i++) sum += x[i];
        const float mean = (total(side) + sum) / (float)count;
        side = (lanes){0};
        sum = 0;
        for (int i = 0; i < whole; i += LANES) {
            const lanes off = load(x + i) - mean;
            side += off * off;
        }
        for (int i = whole; i < count; i++) sum += (x[i] - mean) * (x[i] - mean);
        const float factor = 1.0f / root((total(side) + sum) / (float)count + epsilon);
        for (int i = 0; i < count; i++) y[i] = (x[i] - mean) * factor * gain[i] + bias[i];
    }
}
