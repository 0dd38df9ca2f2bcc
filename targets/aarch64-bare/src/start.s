// From reset at EL1 to `main`: one core, vector registers on, memory mapped one to one, cycles counted, faults caught,
// variables set up, the stack painted so that its depth can be measured.

.equ NORMAL, 0                      // index into MAIR_EL1: write-back cacheable memory, 0xff
.equ DEVICE, 1                      // index into MAIR_EL1: registers, nGnRnE, 0x00
.equ BLOCK, 1 | 1 << 10             // valid block descriptor, access flag
.equ TABLE, 3                       // valid table descriptor
.equ SHAREABLE, 3 << 8
.equ READ_ONLY, 2 << 6
.equ NO_EXECUTE, 3 << 53
.equ PAINT, 0x5a5a5a5a5a5a5a5a      // as in targets/console/src/stack.rs

.section .text.start, "ax"
.global _start
_start:
    mrs     x0, mpidr_el1
    ldr     x1, =0xff00ffffff       // only the core that is 0 on every level goes on: on some the lowest counts threads
    tst     x0, x1
    b.ne    halt

    mov     x0, #3 << 20            // CPACR_EL1.FPEN: no traps for vector instructions
    msr     cpacr_el1, x0
    isb
    msr     fpcr, xzr               // round to nearest, keep subnormals
    adr     x0, vectors
    msr     vbar_el1, x0

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

    mov     x0, #1 << 31            // the cycle counter alone
    msr     pmcntenset_el0, x0
    mov     x0, #1 | 1 << 6         // enabled, 64 bits
    msr     pmcr_el0, x0

    ldr     x0, =bss_start
    ldr     x1, =bss_end
    mov     x2, xzr
    bl      fill
    ldr     x0, =stack_bottom
    ldr     x1, =stack_top
    ldr     x2, =PAINT
    bl      fill
    ldr     x0, =data_start
    ldr     x1, =data_end
    ldr     x2, =data_in_flash
copy:
    cmp     x0, x1
    b.hs    run
    ldr     x3, [x2], #8
    str     x3, [x0], #8
    b       copy
run:
    ldr     x0, =stack_top
    mov     sp, x0
    bl      main
halt:
    wfe
    b       halt

// Fills x0 to x1, a multiple of 16 bytes, with x2.
fill:
    cmp     x0, x1
    b.hs    filled
    stp     x2, x2, [x0], #16
    b       fill
filled:
    ret

// A fault: tells the emulator (semihosting, SYS_EXIT with the reason "internal error") and stops.
fault:
    mov     w0, #0x18
    ldr     x2, =stack_top
    sub     x1, x2, #16
    ldr     x3, =0x20024
    stp     x3, xzr, [x1]
    hlt     #0xf000
    b       halt

.balign 2048
vectors:
    .rept 16
    b       fault
    .balign 128
    .endr

// Level 1, one descriptor per GiB: flash and registers, then RAM.
.balign 4096
translation_table:
    .quad   flash_and_registers + TABLE
    .quad   0x40000000 | BLOCK | NORMAL << 2 | SHAREABLE | NO_EXECUTE
    .quad   0
    .quad   0

// Level 2, one descriptor per 2 MiB: flash below 64 MiB, registers above 128 MiB.
.balign 4096
flash_and_registers:
    .set    address, 0
    .rept   32
    .quad   address | BLOCK | NORMAL << 2 | SHAREABLE | READ_ONLY
    .set    address, address + 0x200000
    .endr
    .fill   32, 8, 0
    .set    address, 0x8000000
    .rept   448
    .quad   address | BLOCK | DEVICE << 2 | NO_EXECUTE
    .set    address, address + 0x200000
    .endr
