/* What the tests of the C interface on the host share. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tinybert.h"

/* assert that is there in every build and says what was found. */
#define EXPECT(expression, expected)                                                                      \
    do {                                                                                                  \
        unsigned found = (unsigned)(expression);                                                          \
        if (found != (unsigned)(expected)) {                                                              \
            fprintf(stderr, "%s:%d: %s is %u, expected %s\n", __FILE__, __LINE__, #expression, found, #expected); \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

/* A whole file: an image, in memory that is aligned as it must be, or other bytes. */
static inline uint8_t *read_image(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) { perror(path); exit(1); }
    *bytes = (size_t)ftell(file);
    rewind(file);
    /* Exactly as long as the file, so that a byte read behind it is noticed. */
    size_t alignment = TINYBERT_IMAGE_ALIGNMENT;
    uint8_t *contents = *bytes % alignment == 0 ? aligned_alloc(alignment, *bytes) : malloc(*bytes);
    if (!contents || fread(contents, 1, *bytes, file) != *bytes) { perror(path); exit(1); }
    fclose(file);
    return contents;
}

#endif
