// From reset at EL1 to `main`: one core, vector registers on, memory mapped one to one, bss cleared, a stack.

.equ NORMAL, 0                      // index into MAIR_EL1: write-back cacheable memory, 0xff
.equ DEVICE, 1                      // index into MAIR_EL1: registers, nGnRnE, 0x00
.equ BLOCK, 1 | 1 << 10             // valid block descriptor, access flag
.equ SHAREABLE, 3 << 8
.equ NO_EXECUTE, 3 << 53

.section .text.start, "ax"
.global _start
_start:
    mrs     x0, mpidr_el1
    tst     x0, #0xff               // only core 0 goes on
    b.ne    halt

    mov     x0, #3 << 20            // CPACR_EL1.FPEN: no traps for vector instructions
    msr     cpacr_el1, x0

    mov     x0, #0xff
    msr     mair_el1, x0
    ldr     x0, =32 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23  // 4 GiB, cacheable table walks, TTBR0 only
    msr     tcr_el1, x0
    adr     x0, translation_table
    msr     ttbr0_el1, x0
    isb
    mrs     x0, sctlr_el1
    orr     x0, x0, #1              // M: MMU
    orr     x0, x0, #1 << 2         // C: data cache
    orr     x0, x0, #1 << 12        // I: instruction cache
    bic     x0, x0, #1 << 1         // A: unaligned loads of normal memory are allowed
    msr     sctlr_el1, x0
    isb

    ldr     x0, =bss_start
    ldr     x1, =bss_end
clear:
    cmp     x0, x1
    b.hs    run
    stp     xzr, xzr, [x0], #16
    b       clear
run:
    ldr     x0, =stack_top
    mov     sp, x0
    bl      main
halt:
    wfe
    b       halt

// One descriptor per GiB: registers below 1 GiB, RAM from there.
.balign 64
translation_table:
    .quad   0x00000000 | BLOCK | DEVICE << 2 | NO_EXECUTE
    .quad   0x40000000 | BLOCK | NORMAL << 2 | SHAREABLE
    .quad   0
    .quad   0
