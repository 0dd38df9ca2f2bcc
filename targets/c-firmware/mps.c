/* Arm's MPS2 and MPS3 boards with a Cortex-M: a CMSDK UART, whose place the linker script knows, SysTick as a counter, and
 * semihosting to end the program. */
#include "board.h"
#include "start.h"

/* The UART's registers: data, state, control, interrupts, baud divider. */
extern volatile uint32_t uart[5];
#define DATA uart[0]
#define STATE uart[1]
#define TRANSMIT_FULL 1u
#define RECEIVE_FULL (1u << 1)

/* SysTick counts the core's clock down from RELOAD to 0, 24 bits, and interrupts where it begins again. */
#define SYST_CSR (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018u)
#define RELOAD 0xffffffu

static volatile uint32_t wraps;

void count_wrap(void) { wraps++; }

void board_start(void)
{
    uart[4] = 16;               /* the smallest divider there is */
    uart[2] = 1u | 1u << 1;     /* transmitter and receiver on */
    SYST_RVR = RELOAD;
    SYST_CVR = 0;
    SYST_CSR = 1u | 1u << 1 | 1u << 2;  /* on, with interrupts, the core's clock */
}

uint8_t board_read(void)
{
    while (!(STATE & RECEIVE_FULL)) { }
    return (uint8_t)DATA;
}

void board_write(uint8_t byte)
{
    while (STATE & TRANSMIT_FULL) { }
    DATA = byte;
}

uint32_t board_cycles(void)
{
    for (;;) {
        uint32_t before = wraps, left = SYST_CVR;
        if (wraps == before) return (before << 24) + (RELOAD - left);
    }
}

void board_exit(int code)
{
    /* SYS_EXIT_EXTENDED, with the reason ADP_Stopped_ApplicationExit. On a board without a debugger it stops there. */
    const uint32_t block[2] = { 0x20026, (uint32_t)code };
    register uint32_t operation __asm__("r0") = 0x20;
    register const uint32_t *argument __asm__("r1") = block;
    __asm__ volatile("bkpt #0xab" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) { }
}
