/* A filter for each channel: the sum over taps of a column's channels, side by side, with their weights. */
INLINE void depthwise(const int width, const int channels, const int taps, const int *tap, const float *x,
                      const long x_column, const float *weight, const float *bias, float *y, const long y_column)
{
    for (int f = 0; f < width; f++, x += x_column, y += y_column) {
        const int whole = channels / LANES * LANES;
        for (int c = 0; c < whole; c += LANES) {
            lanes sum = load(bias + c);
            for (int t = 0; t < taps; t++) sum += load(weight + t * channels + c) * load(x + tap[t] + c);
            store(y + c, sum);
        }
        for (int c = whole; c < channels; c++) {
            float sum = bias[c];
            for (int t = 0; t < taps; t++) sum += weight[t * channels + c] * x[tap[t] + c];
            y[c] = sum;
        }
    }
}
