/* QEMU's virt board: serial console, cycle counter, stack. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The byte that ends the input: Control-D. */
#define BOARD_END 4

uint8_t board_read(void);
void board_write(uint8_t byte);
void board_write_text(const char *text, size_t length);
/* Writes the bits of `value` as eight hexadecimal digits. */
void board_write_bits(float value);
void board_write_number(uint64_t number);
uint32_t board_cycles(void);
size_t board_stack_used(void);
/* Ends the emulation; does not return. */
__attribute__((noreturn)) void board_exit(int code);

#ifdef __cplusplus
}
#endif

#endif
