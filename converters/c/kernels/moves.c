KERNEL void copy(int count, const float *from, float *to) { memmove(to, from, (size_t)count * sizeof *to); }

/* Pieces of `count` elements from where a table says, `step` apart. */
INLINE void gather(const int pieces, const int count, const int *table, const float *from, float *to, const long step)
{
    for (int n = 0; n < pieces; n++)
        for (int i = 0; i < count; i++) to[n * step + i] = from[table[n] + i];
}

KERNEL void copy_double(int count, const double *from, double *to)
{
    memmove(to, from, (size_t)count * sizeof *to);
}
