/* From reset to `main` on a Cortex-M: floating point and vectors on, variables set up, the stack painted so that its depth can
 * be measured. Interrupts of the board stay off. */
#include <stdint.h>

#include "start.h"

/* Fills the stack; as in board.c. */
#define PAINT 0x5a5a5a5au

/* Coprocessor access control: coprocessors 10 and 11 are floating point and, on a Cortex-M55, vectors. */
#define CPACR (*(volatile uint32_t *)0xe000ed88u)

/* Volatile, because the compiler would make calls of memset and memcpy of these loops, whose own stack would be painted. */
extern volatile uint32_t stack_bottom[], stack_top[], data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_in_flash[];

/* Is a function of its own, so that nothing before CPACR is written uses a register that is not there yet. */
__attribute__((noreturn, noinline)) static void set_up(void)
{
    volatile uint32_t *word;
    const uint32_t *from = data_in_flash;
    volatile uint32_t *unused_end = (volatile uint32_t *)__builtin_frame_address(0) - 32;
    for (word = stack_bottom; word < unused_end; word++) *word = PAINT;
    for (word = bss_start; word < bss_end; word++) *word = 0;
    for (word = data_start; word < data_end; word++) *word = *from++;
    board_start();
    main();
    for (;;) { }
}

__attribute__((noreturn)) static void reset(void)
{
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    set_up();
}

/* Tells the debugger (semihosting, SYS_EXIT with the reason "internal error") and stops. */
__attribute__((noreturn)) static void fault(void)
{
    register uint32_t operation __asm__("r0") = 0x18;
    register uint32_t reason __asm__("r1") = 0x20024;
    __asm__ volatile("bkpt #0xab" : "+r"(operation) : "r"(reason) : "memory");
    for (;;) { }
}

/* The vector table: the stack, reset, 14 faults and system exceptions, the last of which is SysTick. */
__attribute__((section(".vectors"), used)) static const struct {
    volatile uint32_t *stack;
    void (*exceptions[15])(void);
} vectors = { stack_top, { reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, count_wrap } };
