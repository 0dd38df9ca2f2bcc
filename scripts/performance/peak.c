/* Prints the most int8 multiply-adds per second, in thousand millions, that one core does with VPDPBUSD: independent
 * products of registers, no memory; the best of many short runs. Exit status 1 where the CPU has no AVX-512 VNNI. */
#include <stdio.h>
#include <time.h>

enum { ACCUMULATORS = 16, LANES = 64, ROUNDS = 200000, REPEATS = 1000 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((target("avx512vnni,avx512f"))) static double rate(void)
{
    double begun = now();
    for (int round = 0; round < ROUNDS; round++) {
        __asm__ volatile(".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
                         "vpdpbusd %%zmm16, %%zmm17, %%zmm\\sum\n"
                         ".endr"
                         :
                         :
                         : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",
                           "zmm11", "zmm12", "zmm13", "zmm14", "zmm15");
    }
    return (double)ROUNDS * ACCUMULATORS * LANES / (now() - begun);
}

int main(void)
{
    if (!__builtin_cpu_supports("avx512vnni")) return 1;
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        double measured = rate();
        if (measured > best) best = measured;
    }
    printf("%.1f\n", best * 1e-9);
    return 0;
}
