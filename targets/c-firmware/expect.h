/* Functions and macros that the tests of the C interface on the host share. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tinybert.h"

/* An assertion that every build has and that prints the actual value. */
#define EXPECT(expression, expected)                                                                      \
    do {                                                                                                  \
        unsigned found = (unsigned)(expression);                                                          \
        if (found != (unsigned)(expected)) {                                                              \
            fprintf(stderr, "%s:%d: %s is %u, expected %s\n", __FILE__, __LINE__, #expression, found, #expected); \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

/* Reads a whole file, an image or other bytes, into memory with the alignment of an image. */
static inline uint8_t *read_image(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) { perror(path); exit(1); }
    *bytes = (size_t)ftell(file);
    rewind(file);
    /* The memory is exactly as long as the file, so that AddressSanitizer notices a read beyond it. */
    size_t alignment = TINYBERT_IMAGE_ALIGNMENT;
    uint8_t *contents = (uint8_t *)(*bytes % alignment == 0 ? aligned_alloc(alignment, *bytes) : malloc(*bytes));
    if (!contents || fread(contents, 1, *bytes, file) != *bytes) { perror(path); exit(1); }
    fclose(file);
    return contents;
}

#endif
