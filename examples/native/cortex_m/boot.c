/* What runs before main on a Cortex-M, here in QEMU, and denoise.c with files of the host in place of standard
   input and output, which reach it by semihosting. */
#include <stdint.h>
#include <stdio.h>

int denoise(void); /* main of denoise.c */
void _start(void); /* of newlib */
void reset(void);
extern uint32_t stack_top[]; /* of memory.ld */

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {stack_top, (const void *)reset};

void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the unit for floating point, and vectors, on */
    __asm__ volatile("dsb\n isb");
    _start();
}

int main(void)
{
    if (!freopen("noisy.f32", "rb", stdin) || !freopen("clean.f32", "wb", stdout)) return 2;
    const int status = denoise();
    return fclose(stdout) ? 1 : status;
}
