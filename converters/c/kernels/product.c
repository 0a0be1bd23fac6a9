#define PANEL 8 /* columns of a packed matrix that lie together, row by row; zeros fill up the last ones */

#define PARTS (PANEL / LANES) /* vectors of a panel's row */

/* rows x panels of start + a b, held in registers: a[m a_row + segment + k a_step] b[k of all, n], of which so
   many columns are stored. */
INLINE void tile(const int rows, const int panels, int segments, const int *segment, int inner,
                        const float *a, long a_row, long a_step, const float *b, long b_panel,
                        const float *start, long start_row, float *c, long c_row, int columns)
{
    lanes sum[8][8];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < panels * PARTS; v++) sum[m][v] = (lanes){0};
    for (int s = 0; s < segments; s++) {
        const float *from = a + segment[s];
        for (int k = 0; k < inner; k++, from += a_step, b += PANEL) {
            lanes column[8];
            UNROLL for (int v = 0; v < panels * PARTS; v++)
                column[v] = load(b + v / PARTS * b_panel + v % PARTS * LANES);
            UNROLL for (int m = 0; m < rows; m++) {
                const float x = from[m * a_row];
                UNROLL for (int v = 0; v < panels * PARTS; v++) sum[m][v] += x * column[v];
            }
        }
    }
    const int whole = columns / PANEL;
    UNROLL for (int m = 0; m < rows; m++) {
        float *to = c + m * c_row;
        const float *add = start + m * start_row;
        UNROLL for (int p = 0; p < panels; p++) {
            if (p < whole) {
                UNROLL for (int v = p * PARTS; v < (p + 1) * PARTS; v++)
                    store(to + v * LANES, start ? sum[m][v] + load(add + v * LANES) : sum[m][v]);
            } else {
                float row[PANEL];
                UNROLL for (int v = 0; v < PARTS; v++) store(row + v * LANES, sum[m][p * PARTS + v]);
                for (int n = p * PANEL; n < columns; n++)
                    to[n] = start ? row[n - p * PANEL] + add[n] : row[n - p * PANEL];
            }
        }
    }
}

#define TILE(ROWS, PANELS)                                                                                   \
    case 10 * ROWS + PANELS:                                                                                 \
        tile(ROWS, PANELS, segments, segment, inner, a, a_row, a_step, b, b_panel, start, start_row, c,      \
             c_row, columns);                                                                                \
        break

/* One tile; at most 12 vectors of sums, so that there are registers for all. */
KERNEL void one_tile(int rows, int panels, int segments, const int *segment, int inner, const float *a, long a_row,
                     long a_step, const float *b, long b_panel, const float *start, long start_row, float *c,
                     long c_row, int columns)
{
    switch (10 * rows + panels) {
        TILE(1, 1);
        TILE(2, 1);
        TILE(3, 1);
        TILE(4, 1);
        TILE(5, 1);
        TILE(6, 1);
        TILE(1, 2);
        TILE(2, 2);
        TILE(3, 2);
#if LANES == 8
        TILE(4, 2);
        TILE(5, 2);
        TILE(6, 2);
        TILE(1, 3);
        TILE(2, 3);
        TILE(3, 3);
        TILE(4, 3);
        TILE(2, 4);
        TILE(1, 8);
#endif
        TILE(1, 4);
    }
}

INLINE int panels_of_tile(int rows, int left)
{
    if (rows == 1) return LANES == 8 && left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    if (LANES == 4) return left >= 2 && rows <= 3 ? 2 : 1;
    if (rows == 2 && left >= 4) return 4;
    return left == 4 || left == 2 ? 2 : left >= 3 ? 3 : left;
}

/* c = start + a b. The rows of a are made of segments of `inner` elements, a_step apart; b is packed; start may be
   null, or one row for all (start_row 0). */
KERNEL void product(int rows, int columns, int inner, int segments, const int *segment, const float *a, long a_row,
                    long a_step, const float *b, const float *start, long start_row, float *c, long c_row)
{
    const long b_panel = (long)segments * inner * PANEL;
    int panels = 0;
    for (int n = 0; n < columns; n += panels * PANEL) {
        panels = panels_of_tile(rows, (columns - n + PANEL - 1) / PANEL);
        const int most = LANES == 4 ? (panels == 1 ? 6 : 3) : panels == 3 ? 4 : panels > 3 ? 2 : 6;
        const int stored = columns - n < panels * PANEL ? columns - n : panels * PANEL;
        int count = 0;
        for (int m = 0; m < rows; m += count) {
            const int left = rows - m;
            count = left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
            one_tile(count, panels, segments, segment, inner, a + m * a_row, a_row, a_step,
                     b + n / PANEL * b_panel, b_panel, start ? start + m * start_row + n : start, start_row,
                     c + m * c_row + n, c_row, stored);
        }
    }
}

/* The same in 64 bits, a row and a panel at a time. */
KERNEL void product_double(int rows, int columns, int inner, int segments, const int *segment, const double *a,
                           long a_row, long a_step, const double *b, const double *start, long start_row, double *c,
                           long c_row)
{
    for (int n = 0; n < columns; n += PANEL, b += (long)segments * inner * PANEL) {
        const int stored = columns - n < PANEL ? columns - n : PANEL;
        for (int m = 0; m < rows; m++) {
            double sum[PANEL] = {0};
            const double *column = b;
            for (int s = 0; s < segments; s++) {
                const double *from = a + m * a_row + segment[s];
                for (int k = 0; k < inner; k++, column += PANEL)
                    for (int i = 0; i < PANEL; i++) sum[i] += from[k * a_step] * column[i];
            }
            for (int i = 0; i < stored; i++)
                c[m * c_row + n + i] = start ? sum[i] + start[m * start_row + n + i] : sum[i];
        }
    }
}

/* (inner, columns), of which each element lies where the strides say, as `product` reads it. */
KERNEL void pack(int inner, int columns, const float *from, long inner_step, long column_step, float *to)
{
    for (int n = 0; n < columns; n += PANEL)
        for (int k = 0; k < inner; k++, to += PANEL)
            for (int i = 0; i < PANEL; i++)
                to[i] = n + i < columns ? from[k * inner_step + (n + i) * column_step] : 0.0f;
}
