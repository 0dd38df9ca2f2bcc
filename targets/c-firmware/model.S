/* The model image in flash, aligned as tinybert_open wants it. */
.section .rodata
.balign 64
.global model
model:
    .incbin MODEL
#ifdef WORD_ROWS
.global chip, chip_end
chip:
    .incbin WORD_ROWS
chip_end:
#endif
.section .note.GNU-stack, "", %progbits
