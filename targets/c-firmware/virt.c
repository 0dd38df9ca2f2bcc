/* QEMU's virt board: a PL011, the core's cycle counter, and semihosting to end the program.
 * ../aarch64-bare/src/board.rs is the same in Rust. */
#include "board.h"

#define UART 0x09000000u
#define DR (*(volatile uint32_t *)(UART + 0x00))
#define FR (*(volatile uint32_t *)(UART + 0x18))
#define RECEIVE_EMPTY (1u << 4)
#define TRANSMIT_FULL (1u << 5)

uint8_t board_read(void)
{
    while (FR & RECEIVE_EMPTY) { }
    return (uint8_t)DR;
}

void board_write(uint8_t byte)
{
    while (FR & TRANSMIT_FULL) { }
    DR = byte;
}

uint32_t board_cycles(void)
{
    uint64_t cycles;
    __asm__ volatile("isb\n\tmrs %0, pmccntr_el0" : "=r"(cycles));
    return (uint32_t)cycles;
}

void board_exit(int code)
{
    const uint64_t block[2] = { 0x20026, (uint64_t)code };
    register uint64_t operation __asm__("x0") = 0x18;
    register const uint64_t *argument __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) { }
}
