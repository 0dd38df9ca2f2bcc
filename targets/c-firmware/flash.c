/* Reads word rows out of flash. The virt board has no SPI, so memory that nobody else reads takes the place of the flash.
 * On a board, `read` sends the chip's read command and takes the bytes from the bus. */
#include "flash.h"

extern const uint8_t chip[], chip_end[];

static bool read(void *context, size_t offset, uint8_t *into, size_t bytes)
{
    (void)context;
    size_t size = (size_t)(chip_end - chip);
    if (offset > size || bytes > size - offset) return false;
    for (size_t i = 0; i < bytes; i++) into[i] = chip[offset + i];
    return true;
}

const tinybert_word_rows word_rows = { read, NULL };
