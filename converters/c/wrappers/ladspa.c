/* A LADSPA plug-in, version 1.1 of its interface, of the model whose header is above, with what it is called:
   mono and stereo, at any rate of the host.

   The host's signal is converted to the model's rate and back as speechzoo's Python does it: by a windowed-sinc
   filter of many phases with Kaiser's window (Crochiere and Rabiner, Multirate Digital Signal Processing, 1983),
   flat to 0.9 of half the lower rate, 100 dB down from that half on, 65 samples of that rate on each side. The
   delay is the same at every sample, however long the host's blocks are; the port "latency" tells it. The port
   "Attenuation limit (dB)" leaves noise in at that level below what came, taken from the host's signal and late
   by as much; at 100 none. Memory is taken when a plug-in is instantiated, and not in between. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a host reads, as the interface fixes it; the names are ours. */

enum { PORT_INPUT = 1, PORT_OUTPUT = 2, PORT_CONTROL = 4, PORT_AUDIO = 8, HARD_REAL_TIME = 4 };
enum { BOUNDED_BELOW = 1, BOUNDED_ABOVE = 2, DEFAULT_HIGHEST = 0x140 };

typedef struct {
    int hint;
    float lowest, highest;
} port_range;

typedef struct descriptor {
    unsigned long unique_id;
    const char *label;
    int properties;
    const char *name, *maker, *copyright;
    unsigned long port_count;
    const int *ports;
    const char *const *port_names;
    const port_range *port_ranges;
    void *implementation;
    void *(*instantiate)(const struct descriptor *, unsigned long rate);
    void (*connect_port)(void *, unsigned long port, float *);
    void (*activate)(void *);
    void (*run)(void *, unsigned long count);
    void (*run_adding)(void *, unsigned long count);
    void (*set_run_adding_gain)(void *, float);
    void (*deactivate)(void *);
    void (*cleanup)(void *);
} descriptor;

#define PASS_BAND 0.9
#define STOP_BAND 100.0 /* dB */
#define HALF_WIDTH 65.0 /* samples at the lower rate, by Kaiser's formula for the two above */
#define MOST_WEIGHTS (1L << 20)

/* A converter of rates. Output n lies at input time n down / up and weighs the inputs from floor(time) - half + 1
   to floor(time) + half. */
typedef struct {
    long up, down, half; /* half is 0 where the rates are the same */
    long phase;          /* of the next output, in parts of 1 / up */
    long wait;           /* inputs until it can be made */
    long newest;         /* where in the past the last input is */
    float *weights;      /* (up, 2 half) */
    float *past;         /* the last 2 half inputs, twice, so that they lie in one piece from anywhere */
} resampler;

/* The modified Bessel function of the first kind and order 0, by its series. */
static double bessel(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; term > 1e-12 * sum; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static void design(resampler *r, double scale)
{
    const double pi = 3.14159265358979323846, beta = 0.1102 * (STOP_BAND - 8.7);
    const double cut = scale * (1 + PASS_BAND) / 2;
    for (long phase = 0; phase < r->up; phase++) {
        float *row = r->weights + phase * 2 * r->half;
        double sum = 0;
        for (int pass = 0; pass < 2; pass++) { /* the second divides by the sum, so that a constant stays one */
            for (long k = 0; k < 2 * r->half; k++) {
                const double time = (double)(k + 1 - r->half) - (double)phase / (double)r->up;
                const double x = time * scale / HALF_WIDTH, angle = pi * cut * time;
                double value = fabs(angle) < 1e-12 ? 1 : sin(angle) / angle;
                value *= x * x < 1 ? bessel(beta * sqrt(1 - x * x)) : 0;
                if (pass) row[k] = (float)(value / sum);
                else sum += value;
            }
        }
    }
}

static void resampler_reset(resampler *r)
{
    r->phase = r->newest = 0;
    r->wait = r->half + 1;
    if (r->past) memset(r->past, 0, (size_t)(4 * r->half) * sizeof *r->past);
}

static int resampler_init(resampler *r, unsigned long from, unsigned long to)
{
    unsigned long a = from, b = to;
    while (b) {
        const unsigned long rest = a % b;
        a = b;
        b = rest;
    }
    r->up = (long)(to / a);
    r->down = (long)(from / a);
    if (from == to) return 1;
    const double scale = to < from ? (double)to / (double)from : 1;
    r->half = (long)ceil(HALF_WIDTH / scale);
    if (r->up > MOST_WEIGHTS / (2 * r->half)) return 0;
    r->weights = calloc((size_t)(r->up * 2 * r->half), sizeof *r->weights);
    r->past = calloc((size_t)(4 * r->half), sizeof *r->past);
    if (!r->weights || !r->past) return 0;
    design(r, scale);
    return 1;
}

static void resampler_push(resampler *r, float x)
{
    r->wait--;
    if (!r->half) return;
    r->newest = (r->newest + 1) % (2 * r->half);
    r->past[r->newest] = r->past[r->newest + 2 * r->half] = x;
}

/* The output that lies a phase after the middle of the past. */
static float resampler_output(const resampler *r)
{
    const float *window = r->past + r->newest + 1, *row = r->weights + r->phase * 2 * r->half;
    float sums[8] = {0};
    for (long k = 0; k + 8 <= 2 * r->half; k += 8)
        for (int i = 0; i < 8; i++) sums[i] += row[k + i] * window[k + i];
    for (long k = 2 * r->half / 8 * 8; k < 2 * r->half; k++) sums[k % 8] += row[k] * window[k];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* Whether x, which was pushed last, makes another output, which it then is: pulled until there is none. */
static int resampler_pull(resampler *r, float x, float *out)
{
    if (r->wait > 0) return 0;
    *out = r->half ? resampler_output(r) : x;
    r->phase += r->down;
    r->wait += r->phase / r->up;
    r->phase %= r->up;
    return 1;
}

/* A channel on its way through the model. */
typedef struct {
    model_state state;
    float in[MODEL_IN], out[MODEL_OUT];
    int filled;  /* of in */
    int skipped; /* of the model's latency, at the begin of what it gives */
    resampler before, after;
    float *queue; /* what the host is still to get: a ring of so many samples */
    unsigned long room, first, count;
    float *noisy; /* what came, as late as the output: a ring of the delay's samples */
    unsigned long at;
} channel;

typedef struct {
    unsigned long delay;
    int channels;
    float gain, step; /* of the noisy signal, less than 0 before the first run; what it changes by in a sample */
    float *ports[6];  /* inputs, outputs, latency, limit */
    channel channel[];
} plugin;

static void channel_reset(channel *c, unsigned long delay)
{
    model_init(&c->state);
    c->filled = c->skipped = 0;
    resampler_reset(&c->before);
    resampler_reset(&c->after);
    memset(c->queue, 0, c->room * sizeof *c->queue);
    memset(c->noisy, 0, delay * sizeof *c->noisy);
    c->first = c->at = 0;
    c->count = delay;
}

static int all_finite(const float *x, size_t count)
{
    float sums[8] = {0}; /* several, so that they are added side by side */
    for (size_t i = 0; i + 8 <= count; i += 8)
        for (int k = 0; k < 8; k++) sums[k] += x[i + k] * 0.0f;
    for (size_t i = count / 8 * 8; i < count; i++) sums[0] += x[i] * 0.0f;
    for (int k = 1; k < 8; k++) sums[0] += sums[k];
    return sums[0] == 0.0f;
}

/* A call of the model; whether what comes out and what it remembers is finite. */
static int channel_try(channel *c)
{
    model_process(&c->state, c->in, c->out);
    return all_finite(c->out, MODEL_OUT) &&
           all_finite(c->state.memory, sizeof c->state.memory / sizeof *c->state.memory);
}

/* The same, begun anew where that is not finite, and silent where that does not help. */
static void channel_call(channel *c)
{
    if (channel_try(c)) return;
    model_init(&c->state);
    if (channel_try(c)) return;
    model_init(&c->state);
    memset(c->out, 0, sizeof c->out);
}

static float channel_step(channel *c, float x)
{
    float sample, given;
    resampler_push(&c->before, x);
    while (resampler_pull(&c->before, x, &sample)) {
        c->in[c->filled++] = sample;
        if (c->filled < MODEL_IN) continue;
        c->filled = 0;
        channel_call(c);
        for (int i = 0; i < MODEL_OUT; i++) {
            if (c->skipped < MODEL_LATENCY) {
                c->skipped++;
                continue;
            }
            resampler_push(&c->after, c->out[i]);
            while (resampler_pull(&c->after, c->out[i], &given))
                c->queue[(c->first + c->count++) % c->room] = given;
        }
    }
    const float y = c->queue[c->first];
    c->first = (c->first + 1) % c->room;
    c->count--;
    return y;
}

/* What came when the next output did. */
static float channel_noisy(channel *c, float x, unsigned long delay)
{
    const float noisy = c->noisy[c->at];
    c->noisy[c->at] = x;
    c->at = (c->at + 1) % delay;
    return noisy;
}

static void cleanup(void *handle)
{
    plugin *p = handle;
    for (int i = 0; i < p->channels; i++) {
        channel *c = &p->channel[i];
        free(c->before.weights);
        free(c->before.past);
        free(c->after.weights);
        free(c->after.past);
        free(c->queue);
        free(c->noisy);
    }
    free(p);
}

static void activate(void *handle)
{
    plugin *p = handle;
    for (int i = 0; i < p->channels; i++) channel_reset(&p->channel[i], p->delay);
    p->gain = -1;
}

static void *instantiate(const descriptor *d, unsigned long rate)
{
    const int channels = d->port_count == 4 ? 1 : 2;
    plugin *p = calloc(1, sizeof *p + (size_t)channels * sizeof *p->channel);
    if (!p) return 0;
    p->channels = channels;
    p->step = 1 / (0.01f * (float)rate);
    const char *why = rate < 1000 || rate > 768000 ? "it is not from 1000 to 768000 Hz" : 0;
    for (int i = 0; i < channels && !why; i++) {
        channel *c = &p->channel[i];
        if (!resampler_init(&c->before, rate, MODEL_SAMPLE_RATE) ||
            !resampler_init(&c->after, MODEL_SAMPLE_RATE, rate)) {
            why = "it has hardly a factor in common with the model's rate, or memory is short";
            break;
        }
        const unsigned long waits = (unsigned long)c->after.half + MODEL_LATENCY + MODEL_IN - 1;
        p->delay = waits * rate / MODEL_SAMPLE_RATE + (unsigned long)c->before.half;
        c->room = p->delay + (MODEL_OUT + 1UL) * rate / MODEL_SAMPLE_RATE + 2;
        c->queue = calloc(c->room, sizeof *c->queue);
        c->noisy = calloc(p->delay, sizeof *c->noisy);
        if (!c->queue || !c->noisy) why = "memory is short";
    }
    if (why) {
        fprintf(stderr, "%s: cannot run at %lu Hz: %s; its model's rate is %d Hz\n", d->label, rate, why,
                MODEL_SAMPLE_RATE);
        cleanup(p);
        return 0;
    }
    activate(p);
    return p;
}

static void connect_port(void *handle, unsigned long port, float *where)
{
    plugin *p = handle;
    if (port <= 2 * (unsigned long)p->channels + 1) p->ports[port] = where;
}

/* Inputs may be outputs. */
static void run(void *handle, unsigned long count)
{
    plugin *p = handle;
    float *const *in = p->ports, *const *out = in + p->channels, *latency = in[2 * p->channels];
    const float *limit = in[2 * p->channels + 1];
    const float target = limit && *limit < 100 ? powf(10, -fmaxf(*limit, 0) / 20) : 0;
    if (latency) *latency = (float)p->delay;
    if (p->gain < 0) p->gain = target;
    for (unsigned long t = 0; t < count; t++) {
        float samples[2];
        p->gain += fmaxf(-p->step, fminf(p->step, target - p->gain));
        for (int i = 0; i < p->channels; i++) samples[i] = isfinite(in[i][t]) ? in[i][t] : 0.0f;
        for (int i = 0; i < p->channels; i++) {
            const float noisy = channel_noisy(&p->channel[i], samples[i], p->delay);
            out[i][t] = channel_step(&p->channel[i], samples[i]);
            if (p->gain > 0) out[i][t] = (1 - p->gain) * out[i][t] + p->gain * noisy;
        }
    }
}

static const int mono_ports[] = {
    PORT_INPUT | PORT_AUDIO,
    PORT_OUTPUT | PORT_AUDIO,
    PORT_OUTPUT | PORT_CONTROL,
    PORT_INPUT | PORT_CONTROL,
};

static const int stereo_ports[] = {
    PORT_INPUT | PORT_AUDIO,  PORT_INPUT | PORT_AUDIO,    PORT_OUTPUT | PORT_AUDIO,
    PORT_OUTPUT | PORT_AUDIO, PORT_OUTPUT | PORT_CONTROL, PORT_INPUT | PORT_CONTROL,
};

#define LIMIT "Attenuation limit (dB)"

static const char *const mono_names[] = {"Input", "Output", "latency", LIMIT};

static const char *const stereo_names[] = {"Input (Left)",   "Input (Right)", "Output (Left)",
                                           "Output (Right)", "latency",       LIMIT};

#define LIMIT_RANGE {BOUNDED_BELOW | BOUNDED_ABOVE | DEFAULT_HIGHEST, 0, 100}

static const port_range mono_ranges[4] = {[3] = LIMIT_RANGE}, stereo_ranges[6] = {[5] = LIMIT_RANGE};

static const descriptor mono = {
    PLUGIN_ID, PLUGIN_LABEL "_mono", HARD_REAL_TIME, PLUGIN_NAME " (mono)", PLUGIN_MAKER, PLUGIN_COPYRIGHT,
    4, mono_ports, mono_names, mono_ranges, 0, instantiate, connect_port, activate, run, 0, 0, 0, cleanup,
};

static const descriptor stereo = {
    PLUGIN_ID + 1, PLUGIN_LABEL "_stereo", HARD_REAL_TIME, PLUGIN_NAME " (stereo)", PLUGIN_MAKER,
    PLUGIN_COPYRIGHT, 6, stereo_ports, stereo_names, stereo_ranges, 0, instantiate, connect_port, activate, run,
    0, 0, 0, cleanup,
};

SPEECHZOO_API const descriptor *ladspa_descriptor(unsigned long index);

const descriptor *ladspa_descriptor(unsigned long index)
{
    return index == 0 ? &mono : index == 1 ? &stereo : 0;
}
