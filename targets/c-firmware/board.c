/* QEMU's virt board: a PL011, the core's cycle counter, and semihosting to end the program.
 * ../aarch64-bare/src/board.rs is the same in Rust. */
#include "board.h"

#define UART 0x09000000u
#define DR (*(volatile uint32_t *)(UART + 0x00))
#define FR (*(volatile uint32_t *)(UART + 0x18))
#define RECEIVE_EMPTY (1u << 4)
#define TRANSMIT_FULL (1u << 5)

/* Start-up code fills the stack with this value. */
#define PAINT 0x5a5a5a5au

extern const uint32_t stack_bottom[], stack_top[];

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

void board_write_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) board_write((uint8_t)text[i]);
}

void board_write_bits(float value)
{
    union { float value; uint32_t bits; } both = { .value = value };
    for (int shift = 28; shift >= 0; shift -= 4) board_write((uint8_t)"0123456789abcdef"[both.bits >> shift & 15]);
}

void board_write_number(uint64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    board_write_text(digits + first, sizeof digits - first);
}

uint32_t board_cycles(void)
{
    uint64_t cycles;
    __asm__ volatile("isb\n\tmrs %0, pmccntr_el0" : "=r"(cycles));
    return (uint32_t)cycles;
}

size_t board_stack_used(void)
{
    const volatile uint32_t *word = stack_bottom;
    while (word < stack_top && *word == PAINT) word++;
    return (size_t)((uintptr_t)stack_top - (uintptr_t)word);
}

void board_exit(int code)
{
    const uint64_t block[2] = { 0x20026, (uint64_t)code };
    register uint64_t operation __asm__("x0") = 0x18;
    register const uint64_t *argument __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) { }
}
