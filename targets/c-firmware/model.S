/* The model image in flash, aligned as tinybert_open wants it. */
#include "model.h"
.section .rodata
.balign 64
.global model
model:
    .incbin MODEL
.if . - model != TINYBERT_IMAGE_BYTES
    .error "model.h is of another image: make it anew with tinybert-compress inspect --header"
.endif
#ifdef WORD_ROWS
.global chip, chip_end
chip:
    .incbin WORD_ROWS
chip_end:
#endif
.section .note.GNU-stack, "", %progbits
