#define PANEL 16 /* columns of a packed matrix that lie together, row by row; up to 8 at the end are 8 wide */

/* Vectors that are summed at once, and of these in one row: there are registers for them. */
#if LANES == 16 || defined(__aarch64__)
#define MOST_SUMS 24
#define MOST_VECTORS 4
#elif defined(__wasm__) || defined(__ARM_ARCH_PROFILE)
#define MOST_SUMS 8
#define MOST_VECTORS 2
#else
#define MOST_SUMS 12
#define MOST_VECTORS 2
#endif

/* Of all, so many in a tile that those in the last one are not much fewer: of 5 by 4 first 3, then 2. */
#define TILE(ALL, MOST) (((ALL) + ((ALL) + (MOST)-1) / (MOST)-1) / (((ALL) + (MOST)-1) / (MOST)))

/* Vectors of a tile, of all that a row has; where a panel is several, tiles begin with panels. */
#define VECTORS(ALL) (LANES == PANEL ? TILE(ALL, MOST_VECTORS) : (ALL) < MOST_VECTORS ? (ALL) : MOST_VECTORS)

/* The first of a vector's numbers; how many is known while compiling. */
INLINE void store_some(const int count, float *to, lanes x)
{
    if (count >= LANES) {
        store(to, x);
    } else {
        float row[LANES];
        store(row, x);
        UNROLL for (int n = 0; n < LANES; n++)
            if (n < count) to[n] = row[n];
    }
}

/* rows x vectors of start + a b from the vector `first` on: a[m a_row + segment + k a_step] b[k of all, n], of
   which so many columns are stored. A row of the last vector's panel has `last` columns; what of a vector reaches
   into the next row sums up what nobody stores. Few sums at once would wait for each other, so that each is made
   of several then. */
INLINE void tile(const int rows, const int vectors, const int last, const int first, const int segments,
                 const int *segment, const int inner, const float *a, const long a_row, const long a_step,
                 const float *b, const float *start, const long start_row, float *c, const long c_row,
                 const int columns)
{
    const int sums = rows * vectors;
    const int chains = sums > 4 || inner % 2 ? 1 : 4 * sums > MOST_SUMS || inner % 4 ? 2 : 4;
    lanes sum[MOST_SUMS][MOST_VECTORS];
    UNROLL for (int m = 0; m < rows * chains; m++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[m][v] = start && m < rows ? load(start + m * start_row + (first + v) * LANES) : (lanes){0};
    const float *panel[MOST_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
        const int column = (first + v) * LANES;
        panel[v] = b + (long)(column / PANEL * PANEL) * segments * inner + column % PANEL;
    }
    for (int s = 0; s < segments; s++) {
        const float *from = a + segment[s];
        for (int k = s * inner; k < (s + 1) * inner; k += chains, from += chains * a_step)
            UNROLL for (int chain = 0; chain < chains; chain++) {
                lanes column[MOST_VECTORS];
                UNROLL for (int v = 0; v < vectors; v++) {
                    const int ends = v * LANES / PANEL == (vectors - 1) * LANES / PANEL;
                    column[v] = load(panel[v] + (k + chain) * (ends ? last : PANEL));
                }
                UNROLL for (int m = 0; m < rows; m++) {
                    const float x = from[m * a_row + chain * a_step];
                    UNROLL for (int v = 0; v < vectors; v++) sum[chain * rows + m][v] += x * column[v];
                }
            }
    }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vectors; v++) {
            UNROLL for (int chain = 1; chain < chains; chain++) sum[m][v] += sum[chain * rows + m][v];
            store_some(columns - v * LANES, c + m * c_row + (first + v) * LANES, sum[m][v]);
        }
}

/* All rows of some vectors. */
INLINE void tiles(const int rows, const int vectors, const int last, const int first, const int segments,
                  const int *segment, const int inner, const float *a, const long a_row, const long a_step,
                  const float *b, const float *start, const long start_row, float *c, const long c_row,
                  const int columns)
{
    const int most = TILE(rows, MOST_SUMS / vectors);
    int m = 0;
    for (; m + most <= rows; m += most)
        tile(most, vectors, last, first, segments, segment, inner, a + m * a_row, a_row, a_step, b,
             start ? start + m * start_row : 0, start_row, c + m * c_row, c_row, columns);
    if (rows % most)
        tile(rows % most, vectors, last, first, segments, segment, inner, a + m * a_row, a_row, a_step, b,
             start ? start + m * start_row : 0, start_row, c + m * c_row, c_row, columns);
}

/* c = start + a b. The rows of a are made of segments of `inner` elements, a_step apart; b is packed; start may be
   null, or one row for all (start_row 0), and is read up to a whole vector. */
INLINE void product(const int rows, const int columns, const int inner, const int segments, const int *segment,
                    const float *a, const long a_row, const long a_step, const float *b, const float *start,
                    const long start_row, float *c, const long c_row)
{
    const int all = (columns + LANES - 1) / LANES, most = VECTORS(all), rest = all % most ? all % most : most;
    const int last = columns % PANEL && columns % PANEL <= 8 ? 8 : PANEL;
    for (int first = 0; first + rest < all; first += most)
        tiles(rows, most, PANEL, first, segments, segment, inner, a, a_row, a_step, b, start, start_row, c,
              c_row, most * LANES);
    tiles(rows, rest, last, all - rest, segments, segment, inner, a, a_row, a_step, b, start, start_row, c, c_row,
          columns - (all - rest) * LANES);
}

/* rows x vectors of `combine`. */
INLINE void combined(const int rows, const int vectors, const int segments, const int *segment, const int inner,
                     const float *weight, const long weight_row, const long weight_step, const float *x,
                     const long x_step, const float *start, const long start_row, const int start_column, float *y,
                     const long y_row, const int columns)
{
    lanes sum[MOST_SUMS][MOST_VECTORS];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vectors; v++) {
            sum[m][v] = (lanes){0};
            if (start)
                sum[m][v] = start_column ? load(start + m * start_row + v * LANES) : sum[m][v] + start[m * start_row];
        }
    for (int k = 0; k < inner; k++, x += x_step, weight += segments * weight_step)
        UNROLL for (int s = 0; s < segments; s++) {
            lanes column[MOST_VECTORS];
            UNROLL for (int v = 0; v < vectors; v++) column[v] = load(x + segment[s] + v * LANES);
            UNROLL for (int m = 0; m < rows; m++) {
                const float w = weight[m * weight_row + s * weight_step];
                UNROLL for (int v = 0; v < vectors; v++) sum[m][v] += w * column[v];
            }
        }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vectors; v++)
            store_some(columns - v * LANES, y + m * y_row + v * LANES, sum[m][v]);
}

/* Some rows of `combine`, all columns. */
INLINE void combined_rows(const int rows, const int columns, const int segments, const int *segment,
                          const int inner, const float *weight, const long weight_row, const long weight_step,
                          const float *x, const long x_step, const float *start, const long start_row,
                          const int start_column, float *y, const long y_row)
{
    const int all = (columns + LANES - 1) / LANES, most = VECTORS(all), rest = all % most ? all % most : most;
    int n = 0;
    for (; n + rest * LANES < columns; n += most * LANES)
        combined(rows, most, segments, segment, inner, weight, weight_row, weight_step, x + n, x_step,
                 start ? start + n * start_column : 0, start_row, start_column, y + n, y_row, most * LANES);
    combined(rows, rest, segments, segment, inner, weight, weight_row, weight_step, x + n, x_step,
             start ? start + n * start_column : 0, start_row, start_column, y + n, y_row,
             columns - (all - rest) * LANES);
}

/* Each row of y is start plus rows of x, each times a weight: of the row k x_step from each segment's begin. start
   may be null, a number for each row (start_column 0), or as y; x and it are read up to a whole vector. */
INLINE void combine(const int rows, const int columns, const int inner, const int segments, const int *segment,
                    const float *weight, const long weight_row, const long weight_step, const float *x,
                    const long x_step, const float *start, const long start_row, const int start_column, float *y,
                    const long y_row)
{
    const int all = (columns + LANES - 1) / LANES, most = TILE(rows, MOST_SUMS / VECTORS(all));
    int m = 0;
    for (; m + most <= rows; m += most)
        combined_rows(most, columns, segments, segment, inner, weight + m * weight_row, weight_row, weight_step, x,
                      x_step, start ? start + m * start_row : 0, start_row, start_column, y + m * y_row, y_row);
    if (rows % most)
        combined_rows(rows % most, columns, segments, segment, inner, weight + m * weight_row, weight_row,
                      weight_step, x, x_step, start ? start + m * start_row : 0, start_row, start_column,
                      y + m * y_row, y_row);
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
