/* Asks a model and prints label and probability. Usage: ask IMAGE TEXT. Compiles as C11 and as C++17. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinybert.h"

static int failed(const char *what, tinybert_status status)
{
    fprintf(stderr, "%s: %s\n", what, tinybert_status_text(status));
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: ask IMAGE TEXT\n");
        return 2;
    }
    if (strcmp(tinybert_version(), TINYBERT_VERSION) != 0) {
        fprintf(stderr, "the library is %s, and its header %s\n", tinybert_version(), TINYBERT_VERSION);
        return 1;
    }

    /* On a board the image lies in flash, and only the length has to be found. */
    FILE *file = fopen(arguments[1], "rb");
    size_t capacity = 64u << 20, bytes = 0;
    uint8_t *slot = (uint8_t *)aligned_alloc(TINYBERT_IMAGE_ALIGNMENT, capacity);
    if (!file || !slot) {
        perror(arguments[1]);
        return 1;
    }
    memset(slot, 0xff, capacity);
    if (fread(slot, 1, capacity, file) == 0) perror(arguments[1]);
    fclose(file);

    tinybert_status status = tinybert_image_bytes(slot, capacity, &bytes);
    if (status != TINYBERT_STATUS_OK) return failed(arguments[1], status);
    static tinybert_model model;
    status = tinybert_open(slot, bytes, &model);
    if (status != TINYBERT_STATUS_OK) return failed(arguments[1], status);
    if (tinybert_answer_kind(&model) != TINYBERT_KIND_LABEL) {
        fprintf(stderr, "%s: the model gives answers of another kind\n", arguments[1]);
        return 1;
    }
    size_t needed = tinybert_workspace_bytes(&model);
    uint8_t *workspace = (uint8_t *)malloc(needed);
    if (!workspace) {
        perror("workspace");
        return 1;
    }

    tinybert_text text = { arguments[2], strlen(arguments[2]) }, name;
    tinybert_answer answer;
    status = tinybert_run_text(&model, workspace, needed, text, &answer);
    if (status != TINYBERT_STATUS_OK) return failed("the answer", status);
    tinybert_confidence confidence;
    status = tinybert_confidence_of(&model, &answer, &confidence);
    if (status != TINYBERT_STATUS_OK) return failed("the probability", status);
    status = tinybert_label(&model, answer.label, &name);
    if (status != TINYBERT_STATUS_OK) return failed("the label", status);
    printf("%.*s\t%.4f\n", (int)name.length, name.bytes, (double)confidence.probability);
    free(workspace);
    free(slot);
    return 0;
}
