/* What is the same on every board: text on the console, and the depth of the stack. */
#include "board.h"

/* Start-up code fills the stack with this value. */
#define PAINT 0x5a5a5a5au

extern const uint32_t stack_bottom[], stack_top[];

void board_write_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) board_write((uint8_t)text[i]);
}

void board_write_bits(float value)
{
    union { float value; uint32_t bits; } both = { .value = value };
    for (int shift = 28; shift >= 0; shift -= 4) board_write((uint8_t)"0123456789abcdef"[both.bits >> shift & 15]);
}

void board_write_number(uint32_t number)
{
    char digits[10];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    board_write_text(digits + first, sizeof digits - first);
}

void board_write_probability(float probability)
{
    uint32_t shifted = (uint32_t)(probability * 1e4f + 0.5f);
    board_write_number(shifted / 10000);
    board_write('.');
    for (uint32_t place = 1000; place > 0; place /= 10) board_write((uint8_t)('0' + shifted / place % 10));
}

size_t board_stack_used(void)
{
    const volatile uint32_t *word = stack_bottom;
    while (word < stack_top && *word == PAINT) word++;
    return (size_t)((uintptr_t)stack_top - (uintptr_t)word);
}
