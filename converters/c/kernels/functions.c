INLINE uint32_t bits_of(float x)
{
    union { float number; uint32_t bits; } u = {x};
    return u.bits;
}

INLINE float of_bits(uint32_t bits)
{
    union { uint32_t bits; float number; } u = {bits};
    return u.number;
}

/* a where the condition is 1, b where it is 0, without a branch, which would keep loops from vectors. */
INLINE float chosen(int condition, float a, float b)
{
    const uint32_t mask = 0u - (uint32_t)condition;
    return of_bits((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

INLINE float smaller(float a, float b) { return chosen(b < a, b, a); }

INLINE float larger(float a, float b) { return chosen(a < b, b, a); }

INLINE float magnitude(float x) { return of_bits(bits_of(x) & 0x7fffffffu); }

INLINE float root(float x) { return __builtin_sqrtf(x); }

/* Within 2 units in the last place; of what is beyond [-87, 88] that of the bound. After Cephes. */
INLINE float exponential(float x)
{
    x = chosen(x < -87.0f, -87.0f, x);
    x = chosen(x > 88.0f, 88.0f, x);
    const float t = x * 1.44269504f + 12582912.0f; /* rounds: the sum has no place for a fraction */
    const float n = t - 12582912.0f;
    const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float y = 1.9875691500e-4f * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    return y * of_bits((bits_of(t) - 0x4b400000u + 127u) << 23);
}

/* Within 3 units in the last place. */
INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

/* Within 4 units in the last place. After Cephes near zero. */
INLINE float hyperbolic_tangent(float x)
{
    const float z = x * x;
    float y = -5.70498872745e-3f * z + 2.06390887954e-2f;
    y = y * z - 5.37397155531e-2f;
    y = y * z + 1.33314422036e-1f;
    y = y * z - 3.33332819422e-1f;
    y = y * z * x + x;
    const float far = 1.0f - 2.0f / (1.0f + exponential(2.0f * x));
    return chosen(magnitude(x) < 0.625f, y, far);
}

/* Within 2 units in the last place of normal numbers; minus infinity of 0, not a number below. After Cephes. */
INLINE float logarithm(float x)
{
    const int32_t given = (int32_t)bits_of(x); /* whole numbers are in the same order, and need no branch */
    const int32_t normal = given < 0x00800000 ? 0x00800000 : given;
    const int32_t exponent = (normal - 0x3f3504f3) >> 23; /* of a fraction from the root of 1/2 to that of 2 */
    const float e = (float)exponent, m = of_bits((uint32_t)normal - ((uint32_t)exponent << 23)) - 1.0f;
    const float z = m * m;
    float y = 7.0376836292e-2f * m - 1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m - 1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m - 1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m - 2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = y * m * z - 2.12194440e-4f * e - 0.5f * z;
    y = m + y + 0.693359375f * e;
    const uint32_t none = (given & 0x7fffffff) == 0 ? 0xff800000u : 0x7fc00000u;
    return chosen(given > 0, chosen(given >= 0x7f800000, x, y), of_bits(none));
}

INLINE float leaky(float x, float slope) { return chosen(x < 0.0f, slope * x, x); }

INLINE float elu(float x, float alpha) { return chosen(x < 0.0f, alpha * (exponential(x) - 1.0f), x); }

INLINE float nearest(float x)
{
    const float rounded = (x + 12582912.0f) - 12582912.0f;
    return chosen(magnitude(x) < 4194304.0f, rounded, x);
}

/* Within 3 units in the last place. After Cephes. */
INLINE float arctangent(float x)
{
    const float a = magnitude(x);
    const float far = a > 2.414213562f ? 1.0f : 0.0f, middle = a > 0.414213562f ? 1.0f - far : 0.0f;
    const float above = far > 0.0f ? -1.0f : a - middle, below = far > 0.0f ? a : 1.0f + middle * a;
    const float r = above / below, z = r * r;
    float y = 8.05374449538e-2f * z - 1.38776856032e-1f;
    y = y * z + 1.99777106478e-1f;
    y = y * z - 3.33329491539e-1f;
    y = y * z * r + r + (1.5707963268f * far + 0.7853981634f * middle);
    return of_bits(bits_of(y) | (bits_of(x) & 0x80000000u));
}

/* The sine of x and so many right angles. Within 2e-7 up to 8192. After Cephes. */
INLINE float turned_sine(float x, int32_t angles)
{
    const float n = nearest(x * 0.636619772f);
    const float r = x - n * 1.5703125f - n * 4.837512969970703e-4f - n * 7.549789954891882e-8f, z = r * r;
    const int32_t quarter = (int32_t)n + angles;
    float odd = -1.9515295891e-4f * z + 8.3321608736e-3f;
    odd = odd * z - 1.6666654611e-1f;
    odd = odd * z * r + r;
    float even = 2.443315711809948e-5f * z - 1.388731625493765e-3f;
    even = even * z + 4.166664568298827e-2f;
    even = even * z * z - 0.5f * z + 1.0f;
    const float y = quarter & 1 ? even : odd;
    return of_bits(bits_of(y) ^ ((uint32_t)(quarter & 2) << 30));
}

INLINE float sine(float x) { return turned_sine(x, 0); }

INLINE float cosine(float x) { return turned_sine(x, 1); }

/* Within 3e-7. The rational function that Eigen has. */
INLINE float error_function(float x)
{
    const float t = smaller(larger(x, -4.0f), 4.0f), z = t * t;
    float p = -2.72614225801306e-10f * z + 2.77068142495902e-8f;
    p = p * z - 2.10102402082508e-6f;
    p = p * z - 5.69250639462346e-5f;
    p = p * z - 7.34990630326855e-4f;
    p = p * z - 2.95459980854025e-3f;
    p = p * z - 1.60960333262415e-2f;
    float q = -1.45660718464996e-5f * z - 2.13374055278905e-4f;
    q = q * z - 1.68282697438203e-3f;
    q = q * z - 7.37332916720468e-3f;
    q = q * z - 1.42647390514189e-2f;
    return t * p / q;
}
