/* Between start-up code and a board. */
#ifndef START_H
#define START_H

/* Switches the console and the counter on. */
void board_start(void);
/* The exception of SysTick. */
void count_wrap(void);
int main(void);

#endif
