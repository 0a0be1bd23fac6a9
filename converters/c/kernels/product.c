#define PANEL 16 /* columns of a packed matrix that lie together, row by row; up to 8 at the end are 8 wide */

/* vectors that are summed at once: there are registers for them. In WebAssembly calls cost too. */
#ifdef __wasm__
#define MOST_SUMS 8
#define ONE_TILE inline __attribute__((always_inline))
#else
#define MOST_SUMS (LANES == 16 ? 24 : 12)
#define ONE_TILE __attribute__((noinline))
#endif
#define MOST_ROWS (MOST_SUMS < 12 ? 4 : 6) /* of a slim tile */

KERNEL void store_some(int columns, const float *row, const float *start, float *to)
{
    for (int n = 0; n < columns; n++) to[n] = start ? row[n] + start[n] : row[n];
}

/* rows x panels of start + a b: a[m a_row + segment + k a_step] b[k of all, n], of which so many columns are
   stored. A panel is `wide` columns, in so many vectors; a vector that reaches into the next row sums up what
   nobody stores. */
INLINE void tile(const int rows, const int panels, const int vectors, const int wide, int segments,
                 const int *segment, int inner, const float *a, long a_row, long a_step, const float *b,
                 long b_panel, const float *start, long start_row, float *c, long c_row, int columns)
{
    lanes sum[8][8];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < panels * vectors; v++) sum[m][v] = (lanes){0};
    for (int s = 0; s < segments; s++) {
        const float *from = a + segment[s];
        for (int k = 0; k < inner; k++, from += a_step, b += wide) {
            lanes column[8];
            UNROLL for (int v = 0; v < panels * vectors; v++)
                column[v] = load(b + v / vectors * b_panel + v % vectors * LANES);
            UNROLL for (int m = 0; m < rows; m++) {
                const float x = from[m * a_row];
                UNROLL for (int v = 0; v < panels * vectors; v++) sum[m][v] += x * column[v];
            }
        }
    }
    UNROLL for (int m = 0; m < rows; m++) {
        float *to = c + m * c_row;
        const float *add = start + m * start_row;
        if (wide >= LANES && columns == panels * wide) {
            UNROLL for (int v = 0; v < panels * vectors; v++)
                store(to + v * LANES, start ? sum[m][v] + load(add + v * LANES) : sum[m][v]);
        } else {
            float row[8 * LANES];
            UNROLL for (int v = 0; v < panels * vectors; v++) store(row + v * LANES, sum[m][v]);
            if (wide < LANES && columns == wide)
                for (int n = 0; n < wide; n++) to[n] = start ? row[n] + add[n] : row[n];
            else
                store_some(columns, row, start ? add : start, to);
        }
    }
}

#define TILE(ROWS, PANELS)                                                                                   \
    case 10 * ROWS + PANELS:                                                                                 \
        tile(ROWS, PANELS, PANEL / LANES, PANEL, segments, segment, inner, a, a_row, a_step, b, b_panel,     \
             start, start_row, c, c_row, columns);                                                           \
        break

#define SLIM(ROWS)                                                                                           \
    case 10 * ROWS:                                                                                          \
        tile(ROWS, 1, LANES == 4 ? 2 : 1, 8, segments, segment, inner, a, a_row, a_step, b, b_panel, start,  \
             start_row, c, c_row, columns);                                                                  \
        break

/* One tile; no panels: the slim one at the end. */
static ONE_TILE void one_tile(int rows, int panels, int segments, const int *segment, int inner,
                              const float *a, long a_row, long a_step, const float *b, long b_panel,
                              const float *start, long start_row, float *c, long c_row, int columns)
{
    switch (10 * rows + panels) {
        SLIM(1);
        SLIM(2);
        SLIM(3);
        SLIM(4);
        SLIM(5);
        SLIM(6);
        TILE(1, 1);
        TILE(2, 1);
        TILE(3, 1);
        TILE(1, 2);
#if LANES >= 8
        TILE(4, 1);
        TILE(5, 1);
        TILE(6, 1);
        TILE(2, 2);
        TILE(3, 2);
        TILE(1, 4);
#endif
#if LANES == 16
        TILE(4, 2);
        TILE(5, 2);
        TILE(6, 2);
        TILE(2, 4);
        TILE(3, 4);
        TILE(4, 4);
        TILE(5, 4);
        TILE(6, 4);
        TILE(1, 8);
#endif
    }
}

/* Panels of a tile, of those that are left. */
INLINE int panels_of_tile(int rows, int left)
{
    const int most = MOST_SUMS / (PANEL / LANES) / (rows < 6 ? rows : 6);
    int panels = rows == 1 && LANES == 16 ? 8 : 4;
    while (panels > 1 && (panels > most || panels > left)) panels /= 2;
    return panels;
}

/* c = start + a b. The rows of a are made of segments of `inner` elements, a_step apart; b is packed; start may be
   null, or one row for all (start_row 0). */
KERNEL void product(int rows, int columns, int inner, int segments, const int *segment, const float *a,
                    long a_row, long a_step, const float *b, const float *start, long start_row, float *c,
                    long c_row)
{
    const long b_panel = (long)segments * inner * PANEL;
    while (columns > 0) {
        const int panels = columns <= 8 ? 0 : panels_of_tile(rows, (columns + 7) / PANEL);
        const int room = panels ? MOST_SUMS / (PANEL / LANES) / panels : MOST_ROWS;
        const int most = room < 6 ? room : 6, stored = panels ? panels * PANEL : 8;
        for (int m = 0, count = 0; m < rows; m += count) {
            const int left = rows - m;
            count = left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
            one_tile(count, panels, segments, segment, inner, a + m * a_row, a_row, a_step, b, b_panel,
                     start ? start + m * start_row : start, start_row, c + m * c_row, c_row,
                     columns < stored ? columns : stored);
        }
        b += panels * b_panel;
        c += stored;
        start = start ? start + stored : start;
        columns -= stored;
    }
}

/* The same in 64 bits, a row and a panel at a time. */
KERNEL void product_double(int rows, int columns, int inner, int segments, const int *segment,
                           const double *a, long a_row, long a_step, const double *b, const double *start,
                           long start_row, double *c, long c_row)
{
    for (int n = 0; n < columns; n += PANEL) {
        const int wide = columns - n <= 8 ? 8 : PANEL;
        const int stored = columns - n < wide ? columns - n : wide;
        for (int m = 0; m < rows; m++) {
            double sum[PANEL] = {0};
            const double *column = b;
            for (int s = 0; s < segments; s++) {
                const double *from = a + m * a_row + segment[s];
                for (int k = 0; k < inner; k++, column += wide)
                    for (int i = 0; i < wide; i++) sum[i] += from[k * a_step] * column[i];
            }
            for (int i = 0; i < stored; i++)
                c[m * c_row + n + i] = start ? sum[i] + start[m * start_row + n + i] : sum[i];
        }
        b += (long)segments * inner * wide;
    }
}

/* (inner, columns), of which each element lies where the strides say, as `product` reads it. */
KERNEL void pack(int inner, int columns, const float *from, long inner_step, long column_step, float *to)
{
    for (int n = 0; n < columns; n += PANEL) {
        const int wide = columns - n <= 8 ? 8 : PANEL;
        for (int k = 0; k < inner; k++, to += wide)
            for (int i = 0; i < wide; i++)
                to[i] = n + i < columns ? from[k * inner_step + (n + i) * column_step] : 0.0f;
    }
    for (int i = 0; i < 8; i++) to[i] = 0.0f;
}
