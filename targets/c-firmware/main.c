/* The runtime from C11 on bare metal: the image in flash, a static workspace, answers on the serial console. For each line
 * it prints the label, a tab, the outputs' bits, a tab, the probability of the label, a tab and the cycles, or an error. A tab
 * in the line separates the two texts of a pair. */
#include "answer.h"
#include "board.h"
#include "flash.h"
#include "model.h"
#include "tinybert.h"

extern const uint8_t model[];

#if defined(TINYBERT_SIGNATURE)
static const uint8_t public_key[TINYBERT_PUBLIC_KEY_BYTES] = TINYBERT_PUBLIC_KEY;
#endif
static uint8_t workspace[TINYBERT_WORKSPACE_BYTES];
static tinybert_model opened;
static char line[1024];

/* The program needs no C library, because the length of a literal is known. */
#define WRITE(literal) board_write_text(literal, sizeof(literal) - 1)

static void write_error(tinybert_status status)
{
    WRITE("error: ");
#if defined(TINYBERT_STATUS_TEXT)
    for (const char *text = tinybert_status_text(status); *text; text++) board_write((uint8_t)*text);
#else
    WRITE("status ");
    board_write_number(status);
#endif
    board_write('\n');
}

/* Reads a line without its end. The length of a line that does not fit is more than the buffer's. Returns 0 after the last
 * line. */
static int read_line(size_t *length)
{
    *length = 0;
    for (;;) {
        uint8_t byte = board_read();
        if (byte == BOARD_END) return 0;
        if (byte == '\n') return 1;
        if (*length < sizeof line) line[*length] = (char)byte;
        if (*length <= sizeof line) (*length)++;
    }
}

static tinybert_status answer_line(size_t length)
{
    if (length > sizeof line) return TINYBERT_STATUS_TOO_LARGE;
    size_t tab = 0;
    while (tab < length && line[tab] != '\t') tab++;
    tinybert_text text = { line, tab };
    tinybert_answer answer;
    uint32_t start = board_cycles();
    tinybert_status status;
    if (tab == length) {
        status = tinybert_run_text(&opened, workspace, sizeof workspace, text, &answer);
    } else {
        tinybert_text pair = { line + tab + 1, length - tab - 1 };
        status = tinybert_run_pair(&opened, workspace, sizeof workspace, text, pair, &answer);
    }
    uint32_t cycles = board_cycles() - start;
    if (status != TINYBERT_STATUS_OK) return status;

    tinybert_text name;
    status = answer_name(&opened, &answer, &name);
    if (status != TINYBERT_STATUS_OK) return status;
    board_write_text(name.bytes, name.length);
    for (size_t i = 0; i < answer.output_count; i++) {
        board_write(i == 0 ? '\t' : ' ');
        board_write_bits(answer.outputs[i]);
    }
    tinybert_confidence confidence;
    if (tinybert_confidence_of(&opened, &answer, &confidence) == TINYBERT_STATUS_OK) {
        board_write('\t');
        board_write_probability(confidence.probability);
        if (!confidence.accepted) WRITE(" (not accepted)");
    }
    board_write('\t');
    board_write_number(cycles);
    WRITE(" cycles\n");
    return status;
}

static tinybert_status serve(void)
{
#if defined(TINYBERT_SIGNATURE)
    tinybert_status status = tinybert_open_signed(model, TINYBERT_IMAGE_BYTES, public_key, &opened);
#else
    tinybert_status status = tinybert_open(model, TINYBERT_IMAGE_BYTES, &opened);
#endif
    if (status != TINYBERT_STATUS_OK) return status;
#if defined(WORD_ROWS)
    status = tinybert_set_word_rows(&opened, &word_rows);
    if (status != TINYBERT_STATUS_OK) return status;
#endif
    status = tinybert_self_test(&opened, workspace, sizeof workspace);
    if (status != TINYBERT_STATUS_OK) return status;
    tinybert_text kernels;
    status = tinybert_kernels(&opened, &kernels);
    if (status != TINYBERT_STATUS_OK) return status;
    WRITE("self-tests passed on ");
    board_write_text(kernels.bytes, kernels.length);
    board_write('\n');
    size_t length;
    while (read_line(&length)) {
        status = answer_line(length);
        if (status != TINYBERT_STATUS_OK) write_error(status);
    }
    return TINYBERT_STATUS_OK;
}

int main(void)
{
    tinybert_status status = serve();
    if (status != TINYBERT_STATUS_OK) write_error(status);
    board_write_number(board_stack_used());
    WRITE(" bytes of stack used\n");
    board_exit(status != TINYBERT_STATUS_OK);
}
