/* Columns of scores, side by side in vectors, as shares of their exponentials' sums. */
INLINE void shares(const int rows, const int columns, const float scale, float *scores)
{
    for (int i = 0; i < columns; i += LANES) {
        lanes most[4], sum = {0}; /* of every fourth row, so that they need not wait for each other */
        float top[LANES];
        UNROLL for (int n = 0; n < 4; n++) most[n] = load(scores + (n < rows ? n : 0) * columns + i);
        for (int j = 4; j < rows; j += 4)
            UNROLL for (int n = 0; n < 4; n++)
                if (j + n < rows) most[n] = highest(most[n], load(scores + (j + n) * columns + i));
        store(top, highest(highest(most[0], most[1]), highest(most[2], most[3])));
        for (int j = 0; j < rows; j++) {
            float *row = scores + j * columns + i;
            ALONE for (int n = 0; n < LANES; n++) row[n] = exponential(scale * (row[n] - top[n]));
            sum += load(row);
        }
        const lanes share = 1.0f / sum;
        for (int j = 0; j < rows; j++) store(scores + j * columns + i, load(scores + j * columns + i) * share);
    }
}

/* One head of attention, its positions side by side: each of `size` rows of y is a mean over `others` places of an
   item's row. A place weighs the share of its exponential: of what its key and the positions' queries have in
   common. scores has room for a row of whole vectors for each place; query is read up to whole vectors. */
INLINE void attention(const int length, const int others, const int size, const float scale, const float *query,
                      const long query_row, const float *key, const long key_row, const long key_place,
                      const float *item, const long item_row, const long item_place, float *scores, float *y,
                      const long y_row)
{
    static const int whole[1] = {0};
    const int wide = (length + LANES - 1) / LANES * LANES;
    combine(others, wide, size, 1, whole, key, key_place, key_row, query, query_row, 0, 0, 0, scores, wide);
    shares(others, wide, scale, scores);
    combine(size, length, others, 1, whole, item, item_row, item_place, scores, wide, 0, 0, 0, y, y_row);
}
