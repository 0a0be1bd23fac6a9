/* One pass of a Fourier transform (Stockham) of each of `step` columns that lie side by side: `count` rows become
   four times as few, `turn` has the cosines and sines of `all` parts of a turn. */
INLINE void pass_of_four(const int all, const int count, const int step, const float *turn, const float *re,
                         const float *im, float *to_re, float *to_im)
{
    const int part = count / 4;
    UNROLL for (int p = 0; p < part; p++) {
        const int at = p * (all / count);
        const float c1 = turn[at], s1 = turn[all + at], c2 = turn[2 * at], s2 = turn[all + 2 * at];
        const float c3 = turn[3 * at], s3 = turn[all + 3 * at];
        const int from = p * step, to = 4 * p * step, far = part * step;
        ALONE for (int q = 0; q < step; q++) {
            const float ar = re[from + q], ai = im[from + q], br = re[from + far + q], bi = im[from + far + q];
            const float cr = re[from + 2 * far + q], ci = im[from + 2 * far + q];
            const float dr = re[from + 3 * far + q], di = im[from + 3 * far + q];
            const float er = ar + cr, ei = ai + ci, fr = ar - cr, fi = ai - ci;
            const float gr = br + dr, gi = bi + di, hr = br - dr, hi = bi - di;
            const float xr = fr + hi, xi = fi - hr, yr = er - gr, yi = ei - gi, zr = fr - hi, zi = fi + hr;
            to_re[to + q] = er + gr;
            to_im[to + q] = ei + gi;
            to_re[to + step + q] = c1 * xr + s1 * xi;
            to_im[to + step + q] = c1 * xi - s1 * xr;
            to_re[to + 2 * step + q] = c2 * yr + s2 * yi;
            to_im[to + 2 * step + q] = c2 * yi - s2 * yr;
            to_re[to + 3 * step + q] = c3 * zr + s3 * zi;
            to_im[to + 3 * step + q] = c3 * zi - s3 * zr;
        }
    }
}

/* The last pass where the number of rows is no power of four. */
INLINE void pass_of_two(const int step, const float *re, const float *im, float *to_re, float *to_im)
{
    ALONE for (int q = 0; q < step; q++) {
        const float ar = re[q], ai = im[q], br = re[step + q], bi = im[step + q];
        to_re[q] = ar + br;
        to_im[q] = ai + bi;
        to_re[step + q] = ar - br;
        to_im[step + q] = ai - bi;
    }
}

/* The Fourier transform of each column of rows x columns, real parts first; 1 if it is in `other` then, else 0. */
INLINE int transformed(const int rows, const int columns, const float *turn, float *x, float *other)
{
    const int size = rows * columns;
    int passes = 0;
    UNROLL for (int count = rows; count > 1; count /= 4, passes++) {
        float *from = passes % 2 ? other : x, *to = passes % 2 ? x : other;
        const int step = size / count;
        if (count == 2)
            pass_of_two(step, from, from + size, to, to + size);
        else
            pass_of_four(rows, count, step, turn, from, from + size, to, to + size);
    }
    return passes % 2;
}

#define COLUMNS 16 /* of a signal seen as a matrix, for its Fourier transform */

/* The Fourier transform of half = rows x COLUMNS complex numbers, real parts first, all in `x`, which is overwritten;
   where the result is. Columns first, then, turned and transposed, rows (Cooley and Tukey). `turn` has those of
   `rows` parts, of COLUMNS parts, and of both together. */
INLINE float *fourier(const int half, const float *turn, float *x, float *other)
{
    const int rows = half / COLUMNS;
    const float *of_columns = turn + 2 * rows, *twist = of_columns + 2 * COLUMNS;
    const int moved = transformed(rows, COLUMNS, turn, x, other);
    float *const now = moved ? other : x, *const next = moved ? x : other;
    for (int k = 0; k < rows; k++)
        for (int c = 0; c < COLUMNS; c++) {
            const int at = k * COLUMNS + c;
            const float re = now[at], im = now[half + at], co = twist[at], si = twist[half + at];
            next[c * rows + k] = co * re + si * im;
            next[half + c * rows + k] = co * im - si * re;
        }
    return transformed(COLUMNS, rows, of_columns, next, now) ? now : next;
}

/* Real and imaginary parts of the size / 2 + 1 bins of a windowed signal, whose even samples are taken as real
   and odd ones as imaginary parts. `turn` has those of size / 2 bins first, then what `fourier` needs; `window`
   has that of the even samples first. */
INLINE void spectrum(const int size, const float *x, const float *window, const float *turn, float *work, float *y,
                     const long y_row)
{
    const int half = size / 2;
    for (int i = 0; i < half; i++) {
        work[i] = x[2 * i] * window[i];
        work[half + i] = x[2 * i + 1] * window[half + i];
    }
    const float *re = fourier(half, turn + size, work, work + size), *im = re + half;
    float *to = y + y_row;
    y[0] = re[0] + im[0];
    y[half] = re[0] - im[0];
    to[0] = 0.0f;
    to[half] = 0.0f;
    ALONE for (int k = 1; k < half; k++) {
        const float ar = re[k], ai = im[k], br = re[half - k], bi = im[half - k];
        const float co = turn[k], si = turn[half + k];
        const float odd_re = 0.5f * (ai + bi), odd_im = 0.5f * (br - ar);
        y[k] = 0.5f * (ar + br) + co * odd_re + si * odd_im;
        to[k] = 0.5f * (ai - bi) + co * odd_im - si * odd_re;
    }
}

/* The windowed signal of such bins; `window` is divided by size / 2. */
INLINE void waveform(const int size, const float *x, const long x_row, const float *window, const float *turn,
                     float *work, float *y)
{
    const int half = size / 2;
    const float *from = x + x_row;
    float *im = work, *re = work + half; /* exchanged, so that the transform is the inverse one */
    re[0] = 0.5f * (x[0] + x[half]);
    im[0] = 0.5f * (x[0] - x[half]);
    ALONE for (int k = 1; k < half; k++) {
        const float ar = x[k], ai = from[k], br = x[half - k], bi = from[half - k];
        const float co = turn[k], si = turn[half + k];
        const float re_off = 0.5f * (ar - br), im_off = 0.5f * (ai + bi);
        re[k] = 0.5f * (ar + br) - re_off * si - im_off * co;
        im[k] = 0.5f * (ai - bi) + re_off * co - im_off * si;
    }
    const float *found = fourier(half, turn + size, work, work + size);
    for (int i = 0; i < half; i++) {
        y[2 * i] = found[half + i] * window[i];
        y[2 * i + 1] = found[i] * window[half + i];
    }
}
