/* What the firmware needs of a board. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The byte that ends the input: Control-D. */
#define BOARD_END 4

/* Each board has these in a file of its own: virt.c, mps.c. */
uint8_t board_read(void);
void board_write(uint8_t byte);
/* A counter of the core's cycles, which may wrap around. */
uint32_t board_cycles(void);
/* Ends the emulation; does not return. */
__attribute__((noreturn)) void board_exit(int code);

/* These are the same on every board: board.c. */
void board_write_text(const char *text, size_t length);
/* Writes the bits of `value` as eight hexadecimal digits. */
void board_write_bits(float value);
void board_write_number(uint32_t number);
/* Writes a number from 0 to 1 with four decimals. */
void board_write_probability(float probability);
size_t board_stack_used(void);

#ifdef __cplusplus
}
#endif

#endif
