// From reset at EL3, EL2 or EL1 to `main` at EL1: one core, vector registers on, memory mapped one to one as the linker script
// describes it, cycles counted, faults caught, variables set up, the stack painted so that its depth can be measured.

.equ NORMAL, 0                      // index into MAIR_EL1: write-back cacheable memory, 0xff
.equ DEVICE, 1                      // index into MAIR_EL1: registers, nGnRnE, 0x00
.equ BLOCK, 1 | 1 << 10             // valid block descriptor, access flag
.equ TABLE, 3                       // valid table descriptor
.equ SHAREABLE, 3 << 8
.equ READ_ONLY, 2 << 6
.equ NO_EXECUTE, 3 << 53
.equ AT_EL1, 5 | 15 << 6            // SPSR: EL1 with its own stack pointer, all interrupts masked
.equ PAINT, 0x5a5a5a5a5a5a5a5a      // as in targets/console/src/stack.rs

.section .text.start, "ax"
.global _start
_start:
    mrs     x0, mpidr_el1
    ldr     x1, =0xff00ffffff       // only the core that is 0 on every level goes on: on some the lowest counts threads
    tst     x0, x1
    b.ne    halt

    mrs     x0, CurrentEL
    cmp     x0, #2 << 2
    b.lo    at_el1
    b.eq    at_el2

    // EL3, the state after reset of many cores: on to EL1, which stays secure, as flash and registers may be for that state alone.
    mov     x0, #3 << 4 | 1 << 10   // SCR_EL3: reserved ones; the next level is 64-bit
    msr     scr_el3, x0
    msr     cptr_el3, xzr           // no traps for vector instructions
    mov     x0, #1 << 17            // MDCR_EL3.SPME: cycles of the secure state are counted
    msr     mdcr_el3, x0
    mov     x0, #AT_EL1
    msr     spsr_el3, x0
    adr     x0, at_el1
    msr     elr_el3, x0
    eret

    // EL2, where boot loaders and the firmware of a Raspberry Pi leave the core.
at_el2:
    mov     x0, #1 << 31            // HCR_EL2: EL1 is 64-bit; nothing is trapped or translated
    msr     hcr_el2, x0
    mov     x0, #0x33ff             // CPTR_EL2: reserved ones; no traps for vector instructions
    msr     cptr_el2, x0
    mrs     x0, pmcr_el0
    ubfx    x0, x0, #11, #5
    msr     mdcr_el2, x0            // all counters belong to EL1
    mrs     x0, midr_el1            // what EL1 reads as its identification
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mov     x0, #AT_EL1
    msr     spsr_el2, x0
    adr     x0, at_el1
    msr     elr_el2, x0
    eret

at_el1:
    mov     x0, #3 << 20            // CPACR_EL1.FPEN: no traps for vector instructions
    msr     cpacr_el1, x0
    isb
    msr     fpcr, xzr               // round to nearest, keep subnormals
    adr     x0, vectors
    msr     vbar_el1, x0

    ldr     x0, =page_table
    ldr     x1, =page_table_end
    mov     x2, xzr
    bl      fill
    ldr     x0, =flash
    ldr     x1, =flash_end
    ldr     x2, =BLOCK | NORMAL << 2 | SHAREABLE | READ_ONLY
    bl      map
    ldr     x0, =ram
    ldr     x1, =ram_end
    ldr     x2, =BLOCK | NORMAL << 2 | SHAREABLE | NO_EXECUTE
    bl      map
    ldr     x0, =devices
    ldr     x1, =devices_end
    ldr     x2, =BLOCK | DEVICE << 2 | NO_EXECUTE
    bl      map
    ldr     x0, =page_table + TABLE // level 1, one descriptor per GiB
    add     x1, x0, #0x1000
    ldr     x2, =page_directory
    stp     x0, x1, [x2]
    add     x0, x0, #0x2000
    add     x1, x1, #0x2000
    stp     x0, x1, [x2, #16]

    mov     x0, #0xff
    msr     mair_el1, x0
    ldr     x0, =32 | 1 << 23       // 4 GiB, TTBR0 only; tables are read past the cache, as they were written
    msr     tcr_el1, x0
    msr     ttbr0_el1, x2
    ic      iallu
    tlbi    vmalle1
    dsb     sy
    isb
    ldr     x0, =0x30d00800 | 1 | 1 << 2 | 1 << 12  // SCTLR_EL1: reserved ones; MMU, data cache, instruction cache on
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

// Maps the addresses x0 to x1 to themselves, in blocks of 2 MiB with the attributes x2.
map:
    ldr     x3, =page_table
    lsr     x4, x0, #21
    add     x3, x3, x4, lsl #3
    lsl     x0, x4, #21
map_block:
    cmp     x0, x1
    b.hs    mapped
    orr     x4, x0, x2
    str     x4, [x3], #8
    add     x0, x0, #1 << 21
    b       map_block
mapped:
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
