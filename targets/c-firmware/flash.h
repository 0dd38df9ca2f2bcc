/* A reader of word rows in flash that is not memory-mapped, for an image that was written without them. */
#ifndef FLASH_H
#define FLASH_H

#include "tinybert.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tinybert_word_rows word_rows;

#ifdef __cplusplus
}
#endif

#endif
