/* Linked with generated C that was compiled for several kinds of x86-64 processors: when the library is loaded, the
   best one that runs here is chosen. What a kind needs is told by the psABI of x86-64, its microarchitecture levels. */
#include <cpuid.h>

#ifndef SPEECHZOO_API
#define SPEECHZOO_API
#endif

typedef void process(void *state, const float *in, float *out);

process PROCESS_1, PROCESS_3, PROCESS_4; /* their names come from the command line, as PROCESS */

static process *chosen = PROCESS_1;

static int has_all(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

__attribute__((constructor)) static void choose(void)
{
    unsigned a, b, c, d, saved, high;
    /* FMA, MOVBE, OSXSAVE, AVX, F16C; LZCNT */
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29)) return;
    if (!__get_cpuid(0x80000001u, &a, &b, &c, &d) || !has_all(c, 1u << 5)) return;
    /* BMI1, AVX2, BMI2, and a system that keeps the registers of 256 bits */
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has_all(b, 1u << 3 | 1u << 5 | 1u << 8)) return;
    if (!has_all(saved, 0x06)) return;
    chosen = PROCESS_3;
    /* AVX512F, DQ, CD, BW, VL, and those of 512 */
    if (has_all(b, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) && has_all(saved, 0xe6)) chosen = PROCESS_4;
}

SPEECHZOO_API process PROCESS, speechzoo_process;

void PROCESS(void *state, const float *in, float *out) { chosen(state, in, out); }

void speechzoo_process(void *state, const float *in, float *out) { chosen(state, in, out); }
