/* The model image in flash, aligned as tinybert_open wants it. */
.section .rodata
.balign 64
.global model
model:
    .incbin MODEL
.section .note.GNU-stack, "", %progbits
