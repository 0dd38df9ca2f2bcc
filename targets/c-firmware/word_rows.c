/* A test of word rows in a file of their own, which runs on the host under AddressSanitizer: the answers have the bits of
 * the whole image, and every error has a status. Usage: word_rows WHOLE DETACHED ROWS TEXTS. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "tinybert.h"

/* Flash that can fail. */
typedef struct {
    uint8_t *bytes;
    size_t size;
    bool broken;
    size_t calls;
} flash;

static bool read_flash(void *context, size_t offset, uint8_t *into, size_t bytes)
{
    flash *chip = context;
    chip->calls++;
    if (chip->broken || offset > chip->size || bytes > chip->size - offset) return false;
    memcpy(into, chip->bytes + offset, bytes);
    return true;
}

int main(int count, char **arguments)
{
    if (count != 5) { fprintf(stderr, "usage: word_rows WHOLE DETACHED ROWS TEXTS\n"); return 2; }
    size_t whole_bytes, bytes;
    uint8_t *whole_image = read_image(arguments[1], &whole_bytes), *image = read_image(arguments[2], &bytes);
    flash chip = { 0 };
    chip.bytes = read_image(arguments[3], &chip.size);
    const tinybert_word_rows rows = { read_flash, &chip }, none = { NULL, &chip };
    tinybert_model whole = { 0 }, model = { 0 };
    tinybert_answer expected, answer;

    EXPECT(tinybert_set_word_rows(&model, &rows), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_open(whole_image, whole_bytes, &whole), TINYBERT_STATUS_OK);
    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_OK);
    EXPECT(tinybert_set_word_rows(NULL, &rows), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_set_word_rows(&model, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_set_word_rows(&model, &none), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_set_word_rows(&model, (const tinybert_word_rows *)(const void *)((const char *)&rows + 1)),
           TINYBERT_STATUS_MISALIGNED);

    size_t needed = tinybert_workspace_bytes(&model);
    EXPECT(needed, tinybert_workspace_bytes(&whole));
    uint8_t *workspace = malloc(needed), *other = malloc(needed);
    EXPECT(tinybert_self_test(&model, workspace, needed), TINYBERT_STATUS_WORD_ROWS_MISSING);
    EXPECT(tinybert_set_word_rows(&model, &rows), TINYBERT_STATUS_OK);
    EXPECT(chip.calls, 0);
    EXPECT(tinybert_self_test(&model, workspace, needed), TINYBERT_STATUS_OK);

    FILE *texts = fopen(arguments[4], "rb");
    if (!texts) { perror(arguments[4]); return 1; }
    char line[1024];
    while (fgets(line, sizeof line, texts)) {
        const tinybert_text text = { line, strcspn(line, "\n") };
        EXPECT(tinybert_run_text(&whole, other, needed, text, &expected), TINYBERT_STATUS_OK);
        chip.calls = 0;
        EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_OK);
        EXPECT(chip.calls, answer.tokens);
        EXPECT(answer.output_count, expected.output_count);
        EXPECT(memcmp(answer.outputs, expected.outputs, answer.output_count * sizeof *answer.outputs), 0);
    }
    fclose(texts);

    const tinybert_text text = { "play", 4 };
    /* A copy of a model reads where the model does. */
    tinybert_model copy = model;
    EXPECT(tinybert_run_text(&copy, workspace, needed, text, &answer), TINYBERT_STATUS_OK);
    chip.broken = true;
    EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_WORD_ROW);
    chip.broken = false;
    for (size_t i = 0; i < chip.size; i++) chip.bytes[i] ^= 1;
    EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_WORD_ROW);
    for (size_t i = 0; i < chip.size; i++) chip.bytes[i] ^= 1;
    EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_OK);
    /* An image that has its rows reads no others. */
    EXPECT(tinybert_set_word_rows(&whole, &rows), TINYBERT_STATUS_OK);
    chip.calls = 0;
    EXPECT(tinybert_run_text(&whole, other, needed, text, &expected), TINYBERT_STATUS_OK);
    EXPECT(chip.calls, 0);

    free(workspace);
    free(other);
    free(chip.bytes);
    free(image);
    free(whole_image);
    return 0;
}
