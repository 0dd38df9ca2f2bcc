/* A test of the C interface, which runs on the host under AddressSanitizer: it prints the answers that the targets print,
 * and checks that every wrong argument has a status. Usage: interface IMAGE TEXTS SIGNED FORGED. model.h has the key. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "expect.h"
#include "model.h"
#include "tinybert.h"

static void wrong_arguments(uint8_t *image, size_t bytes)
{
    tinybert_model model = { 0 }, other = { 0 };
    tinybert_answer answer;
    tinybert_confidence confidence;
    tinybert_text text = { "play", 4 }, name;
    uint8_t small[64];
    float probability;

    EXPECT(tinybert_open(NULL, bytes, &model), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_open(image, bytes, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_open(image + 1, bytes - 1, &model), TINYBERT_STATUS_MISALIGNED);
    EXPECT(tinybert_open(image, SIZE_MAX, &model), TINYBERT_STATUS_TOO_LARGE);
    EXPECT(tinybert_open(image, 0, &model), TINYBERT_STATUS_NOT_AN_IMAGE);
    EXPECT(tinybert_open(image, bytes - 64, &model), TINYBERT_STATUS_IMAGE_DAMAGED);
    image[bytes / 2] ^= 1;
    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_IMAGE_DAMAGED);
    image[bytes / 2] ^= 1;
    /* The model is still zero. */
    EXPECT(memcmp(&model, &other, sizeof model), 0);
    EXPECT(tinybert_run_text(&model, small, sizeof small, text, &answer), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_workspace_bytes(&model), 0);
    EXPECT(tinybert_workspace_bytes(NULL), 0);

    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_OK);
    size_t needed = tinybert_workspace_bytes(&model);
    uint8_t *workspace = malloc(needed);
    const uint32_t ids[4] = { 2, 5, 3, 0 }, beyond[1] = { UINT32_MAX };
    const uint8_t types[3] = { 0 };
    EXPECT(tinybert_self_test(&model, workspace, needed), TINYBERT_STATUS_OK);
    EXPECT(tinybert_self_test(&model, small, sizeof small), TINYBERT_STATUS_WORKSPACE_TOO_SMALL);
    EXPECT(tinybert_run_text(NULL, workspace, needed, text, &answer), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_run_text((tinybert_model *)(void *)((char *)&model + 1), workspace, needed, text, &answer),
           TINYBERT_STATUS_MISALIGNED);
    EXPECT(tinybert_run_text(&model, NULL, needed, text, &answer), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_run_text(&model, workspace, needed - 1, text, &answer), TINYBERT_STATUS_WORKSPACE_TOO_SMALL);
    EXPECT(tinybert_run_text(&model, workspace, needed, text, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_run_text(&model, workspace, needed, (tinybert_text){ NULL, 4 }, &answer), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_run_text(&model, workspace, needed, (tinybert_text){ "\xff", 1 }, &answer), TINYBERT_STATUS_NOT_UTF8);
    EXPECT(tinybert_run_text(&model, workspace, needed, (tinybert_text){ NULL, 0 }, &answer), TINYBERT_STATUS_OK);
    EXPECT(tinybert_run_ids(&model, workspace, needed, ids, types, 3, &answer), TINYBERT_STATUS_OK);
    EXPECT(answer.tokens, 3);
    EXPECT(tinybert_run_ids(&model, workspace, needed, ids, types, 0, &answer), TINYBERT_STATUS_TOKEN_COUNT);
    EXPECT(tinybert_run_ids(&model, workspace, needed, NULL, types, 3, &answer), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_run_ids(&model, workspace, needed, ids, NULL, 3, &answer), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_run_ids(&model, workspace, needed, (const uint32_t *)(const void *)((const char *)ids + 1), types, 3, &answer),
           TINYBERT_STATUS_MISALIGNED);
    EXPECT(tinybert_run_ids(&model, workspace, needed, beyond, types, 1, &answer), TINYBERT_STATUS_TOKEN_ID);
    EXPECT(tinybert_confidence_of(NULL, &answer, &confidence), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_confidence_of(&model, NULL, &confidence), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_confidence_of(&model, &answer, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_confidence_of(&other, &answer, &confidence), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_probabilities(&model, NULL, &probability), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_probabilities(&model, &answer, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_probabilities(&other, &answer, &probability), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_label(&model, UINT32_MAX, &name), TINYBERT_STATUS_NO_SUCH_LABEL);
    EXPECT(tinybert_label(&model, 0, NULL), TINYBERT_STATUS_NULL_POINTER);
    /* An image that cannot be opened leaves no model open. */
    EXPECT(tinybert_open(image, bytes - 64, &model), TINYBERT_STATUS_IMAGE_DAMAGED);
    EXPECT(memcmp(&model, &other, sizeof model), 0);
    EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_NOT_OPEN);
    free(workspace);
}

/* Checks which images a device that trusts the key of model.h accepts. */
static void signatures(const char *unsigned_path, const char *signed_path, const char *forged_path)
{
    tinybert_model model = { 0 }, other = { 0 };
    uint8_t key[TINYBERT_PUBLIC_KEY_BYTES] = TINYBERT_PUBLIC_KEY;
    size_t bytes;
    uint8_t *image = read_image(unsigned_path, &bytes);
    EXPECT(tinybert_open_signed(image, bytes, key, &model), TINYBERT_STATUS_NOT_SIGNED);
    free(image);
    image = read_image(forged_path, &bytes);
    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_OK);
    model = other;
    EXPECT(tinybert_open_signed(image, bytes, key, &model), TINYBERT_STATUS_FORGED);
    free(image);

    image = read_image(signed_path, &bytes);
    EXPECT(tinybert_open_signed(image, bytes, NULL, &model), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_open_signed(NULL, bytes, key, &model), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_open_signed(image, bytes, key, NULL), TINYBERT_STATUS_NULL_POINTER);
    image[bytes - 1] ^= 1;
    EXPECT(tinybert_open_signed(image, bytes, key, &model), TINYBERT_STATUS_IMAGE_DAMAGED);
    image[bytes - 1] ^= 1;
    key[0] ^= 1;
    EXPECT(tinybert_open_signed(image, bytes, key, &model), TINYBERT_STATUS_OTHER_KEY);
    key[0] ^= 1;
    EXPECT(memcmp(&model, &other, sizeof model), 0);
    EXPECT(tinybert_open_signed(image, bytes, key, &model), TINYBERT_STATUS_OK);
    tinybert_metadata metadata;
    EXPECT(tinybert_metadata_of(&model, &metadata), TINYBERT_STATUS_OK);
    EXPECT(metadata.security_version, 7);
    EXPECT(metadata.version.length == 5 && memcmp(metadata.version.bytes, "1.2.0", 5) == 0, 1);
    EXPECT(metadata.license.length, 0);
    EXPECT(tinybert_open_signed_at_least(image, bytes, key, 7, &model), TINYBERT_STATUS_OK);
    EXPECT(tinybert_open_signed_at_least(image, bytes, NULL, 7, &model), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_open_signed_at_least(image, bytes, key, 8, &model), TINYBERT_STATUS_TOO_OLD);
    EXPECT(memcmp(&model, &other, sizeof model), 0);
    free(image);
}

/* Checks that the probabilities of all labels sum to 1 and that the answer has that of its label. */
static void probabilities_of(const tinybert_model *model, const tinybert_answer *answer)
{
    tinybert_confidence confidence;
    float *probabilities = malloc(answer->output_count * sizeof *probabilities), sum = 0;
    EXPECT(tinybert_confidence_of(model, answer, &confidence), TINYBERT_STATUS_OK);
    EXPECT(tinybert_probabilities(model, answer, probabilities), TINYBERT_STATUS_OK);
    for (size_t i = 0; i < answer->output_count; i++) sum += probabilities[i];
    EXPECT(sum > 0.99999f && sum < 1.00001f, 1);
    EXPECT(memcmp(&confidence.probability, &probabilities[answer->label], sizeof sum), 0);
    free(probabilities);
}

int main(int count, char **arguments)
{
    if (count != 5) { fprintf(stderr, "usage: interface IMAGE TEXTS SIGNED FORGED\n"); return 2; }
    size_t bytes;
    uint8_t *image = read_image(arguments[1], &bytes);
    wrong_arguments(image, bytes);
    signatures(arguments[1], arguments[3], arguments[4]);

    tinybert_model model = { 0 };
    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_OK);
    size_t needed = tinybert_workspace_bytes(&model);
    uint8_t *workspace = malloc(needed);
    FILE *texts = fopen(arguments[2], "rb");
    if (!texts) { perror(arguments[2]); return 1; }
    char line[1024];
    while (fgets(line, sizeof line, texts)) {
        size_t length = strcspn(line, "\n");
        char *tab = memchr(line, '\t', length);
        tinybert_text text = { line, tab ? (size_t)(tab - line) : length }, name;
        tinybert_answer answer;
        if (tab) {
            tinybert_text pair = { tab + 1, (size_t)(line + length - tab) - 1 };
            EXPECT(tinybert_run_pair(&model, workspace, needed, text, pair, &answer), TINYBERT_STATUS_OK);
        } else {
            EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_OK);
        }
        EXPECT(answer.output_count, tinybert_output_count(&model));
        probabilities_of(&model, &answer);
        EXPECT(answer_name(&model, &answer, &name), TINYBERT_STATUS_OK);
        printf("%.*s", (int)name.length, name.bytes);
        for (size_t i = 0; i < answer.output_count; i++) {
            uint32_t bits;
            memcpy(&bits, &answer.outputs[i], sizeof bits);
            printf("%c%08x", i == 0 ? '\t' : ' ', bits);
        }
        putchar('\n');
    }
    fclose(texts);
    free(workspace);
    free(image);
    return 0;
}
