/* A generated model through which standard input goes to standard output, call by call; then signals that are hard:
   what they give must be finite, what is no number must be seen and be gone after a reset. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define OF_MODEL(name) JOIN(MODEL, name) /* MODEL and its header come from the command line */

enum { MOST = 1 << 12, CALLS = 6 };

static OF_MODEL(_state) state;
static float in[MOST], out[MOST], first[CALLS][MOST];

static int all_finite(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}

static int call(const OF_MODEL(_information) * info)
{
    OF_MODEL(_process)(&state, in, out);
    return all_finite(out, (size_t)info->out) && all_finite(state.memory, info->memory_bytes / sizeof(float));
}

static float noise(int call, int i) { return (float)((i * 7919 + call * 104729) % 2003 - 1001) / 1001.0f; }

static int hard_signals(const OF_MODEL(_information) * info)
{
    const float levels[] = {0.0f, 1.0f, 1e-30f, 1e-42f, 0.0f, 1e-42f};
    OF_MODEL(_reset)(&state);
    for (int level = 0; level < 6; level++)
        for (int n = 0; n < 10; n++) {
            for (int i = 0; i < info->in; i++) in[i] = levels[level] * (noise(n, i) < 0 ? -1.0f : 1.0f);
            if (!call(info)) return 2;
        }
    OF_MODEL(_reset)(&state);
    for (int round = 0; round < 2; round++) {
        for (int n = 0; n < CALLS; n++) {
            for (int i = 0; i < info->in; i++) in[i] = noise(n, i) / 4;
            if (!call(info)) return 3;
            if (!round) memcpy(first[n], out, sizeof out);
            else if (memcmp(first[n], out, (size_t)info->out * sizeof *out)) return 4;
        }
        for (int i = 0; i < info->in; i++) in[i] = i % 3 ? 0.1f : NAN;
        if (call(info)) return 5;
        for (int i = 0; i < info->in; i++) in[i] = 0.1f;
        if (call(info)) return 6;
        OF_MODEL(_reset)(&state);
    }
    return 0;
}

int main(void)
{
    const OF_MODEL(_information) *info = OF_MODEL(_info)();
    if (info->in > MOST || info->out > MOST) return 1;
    OF_MODEL(_init)(&state);
    while (fread(in, sizeof *in, (size_t)info->in, stdin) == (size_t)info->in) {
        OF_MODEL(_process)(&state, in, out);
        fwrite(out, sizeof *out, (size_t)info->out, stdout);
    }
    return hard_signals(info);
}
