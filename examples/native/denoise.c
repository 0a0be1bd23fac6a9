/* Standard input to standard output through a generated model: 32-bit floats, mono, at the model's rate.

   make MODEL=gtcrn
   ffmpeg -loglevel error -i noisy.wav -f f32le -ac 1 -ar 16000 - | ./denoise > clean.f32
   ffplay -f f32le -ar 16000 clean.f32 */
#include <stdio.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define OF_MODEL(name) JOIN(MODEL, name) /* MODEL and its header come from the command line, see Makefile */

enum { MOST = 1 << 16 };

static OF_MODEL(_state) state; /* too large for some stacks */
static float in[MOST], out[MOST];

int main(void)
{
    const OF_MODEL(_information) *info = OF_MODEL(_info)();
    if (info->in > MOST || info->out > MOST) return 1;
    OF_MODEL(_init)(&state);
    size_t count;
    while ((count = fread(in, sizeof *in, (size_t)info->in, stdin)) > 0) {
        memset(in + count, 0, sizeof *in * ((size_t)info->in - count)); /* the end, filled up with silence */
        OF_MODEL(_process)(&state, in, out);
        if (fwrite(out, sizeof *out, (size_t)info->out, stdout) != (size_t)info->out) return 1;
    }
    return ferror(stdin) != 0;
}
