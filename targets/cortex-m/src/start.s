@ From reset to `main`: floating point on, cycles counted, variables set up, the stack painted so that its depth can be measured.

.syntax unified
.thumb
@ Code for Armv6-M runs here on a Cortex-M3: its start may have instructions that Armv6-M lacks.
.cpu cortex-m4

.section .vectors, "a"
    .word   stack_top
    .word   reset
    .rept   13                      @ faults and system exceptions; interrupts stay off
    .word   fault
    .endr
    .word   count_wrap

.section .text.start, "ax"
.global reset
.thumb_func
reset:
    ldr     r0, =0xe000ed88         @ CPACR: floating point for all
    ldr     r1, [r0]
    orr     r1, r1, #0xf << 20
    str     r1, [r0]
    dsb
    isb

    ldr     r0, =bss_start
    ldr     r1, =bss_end
    movs    r2, #0
    bl      fill
    ldr     r0, =stack_bottom
    ldr     r1, =stack_top
    ldr     r2, =0x5a5a5a5a         @ PAINT of targets/console/src/stack.rs
    bl      fill
    ldr     r0, =data_start
    ldr     r1, =data_end
    ldr     r2, =data_in_flash
copy:
    cmp     r0, r1
    bhs     run
    ldr     r3, [r2], #4
    str     r3, [r0], #4
    b       copy
run:
    ldr     r0, =0xe000e010         @ SysTick counts the core's cycles down from 2^24 - 1, and calls count_wrap after 0
    ldr     r1, =0xffffff
    str     r1, [r0, #4]            @ SYST_RVR
    str     r1, [r0, #8]            @ SYST_CVR: any value clears it
    movs    r1, #7
    str     r1, [r0]                @ SYST_CSR
    bl      main

@ Fills r0 to r1, a multiple of 4 bytes, with r2.
.thumb_func
fill:
    cmp     r0, r1
    bhs     filled
    str     r2, [r0], #4
    b       fill
filled:
    bx      lr

@ SysTick has begun anew.
.thumb_func
count_wrap:
    ldr     r0, =systick_wraps
    ldr     r1, [r0]
    adds    r1, r1, #1
    str     r1, [r0]
    bx      lr

@ A fault: tells the debugger (semihosting, SYS_EXIT with the reason "internal error") and stops.
.thumb_func
fault:
    movs    r0, #0x18
    ldr     r1, =0x20024
    bkpt    #0xab
    b       fault

.section .bss.systick_wraps, "aw", %nobits
.balign 4
.global systick_wraps
systick_wraps:
    .space  4
