/* A test of the C interface, which runs on the host under AddressSanitizer: it prints the answers that the targets print,
 * and checks that every wrong argument has a status. Usage: interface IMAGE TEXTS SIGNED FORGED. model.h is that of SIGNED and
 * has the key. The SHA-256 of IMAGE goes to standard error. */
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
    EXPECT(tinybert_probabilities(&model, NULL, &probability, 1), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_probabilities(&model, &answer, NULL, 1), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_probabilities(&model, &answer, &probability, SIZE_MAX), TINYBERT_STATUS_TOO_LARGE);
    EXPECT(tinybert_probabilities(&other, &answer, &probability, 1), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_probabilities(&model, &answer, &probability, 1), TINYBERT_STATUS_BUFFER_TOO_SMALL);
    tinybert_answer foreign = answer;
    foreign.label += 1;
    EXPECT(tinybert_confidence_of(&model, &foreign, &confidence), TINYBERT_STATUS_FOREIGN_ANSWER);
    foreign = answer;
    foreign.output_count -= 1;
    EXPECT(tinybert_confidence_of(&model, &foreign, &confidence), TINYBERT_STATUS_FOREIGN_ANSWER);
    EXPECT(tinybert_probabilities(&model, &foreign, &probability, 1), TINYBERT_STATUS_FOREIGN_ANSWER);
    tinybert_tag_place place = { 0, 0 };
    tinybert_word word;
    tinybert_entity entity;
    EXPECT(tinybert_next_word(&model, &answer, text, NULL, &word), TINYBERT_STATUS_OTHER_KIND);
    EXPECT(tinybert_next_word(&model, NULL, text, &place, &word), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_next_entity(&other, &answer, text, &place, &entity), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_next_entity(&model, &answer, text, &place, &entity), TINYBERT_STATUS_OTHER_KIND);
    EXPECT(tinybert_kernels(&model, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_kernels(&other, &name), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_label(&model, UINT32_MAX, &name), TINYBERT_STATUS_NO_SUCH_LABEL);
    EXPECT(tinybert_label(&model, 0, NULL), TINYBERT_STATUS_NULL_POINTER);
    /* An image that cannot be opened leaves no model open. */
    EXPECT(tinybert_open(image, bytes - 64, &model), TINYBERT_STATUS_IMAGE_DAMAGED);
    EXPECT(memcmp(&model, &other, sizeof model), 0);
    EXPECT(tinybert_run_text(&model, workspace, needed, text, &answer), TINYBERT_STATUS_NOT_OPEN);
    free(workspace);
}

/* Checks that runs in slices refuse wrong arguments, end, and can be cancelled and started again. */
static void slices(const tinybert_model *model, uint8_t *workspace, size_t needed)
{
    tinybert_run run = { { 0 } };
    tinybert_model closed = { 0 };
    tinybert_answer answer;
    tinybert_text text = { "play", 4 };
    const uint32_t ids[3] = { 2, 5, 3 }, beyond[1] = { UINT32_MAX };
    const uint8_t types[3] = { 0 };
    EXPECT(tinybert_step(NULL, 1, &answer), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_step(&run, 1, &answer), TINYBERT_STATUS_NOT_STARTED);
    EXPECT(tinybert_cancel(NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_cancel(&run), TINYBERT_STATUS_OK);
    EXPECT(tinybert_start(model, workspace, needed, text, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_start(NULL, workspace, needed, text, &run), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_start(&closed, workspace, needed, text, &run), TINYBERT_STATUS_NOT_OPEN);
    EXPECT(tinybert_start(model, NULL, needed, text, &run), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_start(model, workspace, needed - 1, text, &run), TINYBERT_STATUS_WORKSPACE_TOO_SMALL);
    EXPECT(tinybert_start(model, workspace, needed, (tinybert_text){ "\xff", 1 }, &run), TINYBERT_STATUS_NOT_UTF8);
    EXPECT(tinybert_start_ids(model, workspace, needed, ids, NULL, 3, &run), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_step(&run, 1, &answer), TINYBERT_STATUS_NOT_STARTED);

    EXPECT(tinybert_start(model, workspace, needed, text, &run), TINYBERT_STATUS_OK);
    EXPECT(tinybert_step(&run, 1, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_step(&run, 1, &answer), TINYBERT_STATUS_PENDING);
    EXPECT(tinybert_cancel(&run), TINYBERT_STATUS_OK);
    EXPECT(tinybert_step(&run, 1, &answer), TINYBERT_STATUS_NOT_STARTED);

    EXPECT(tinybert_start_ids(model, workspace, needed, beyond, types, 1, &run), TINYBERT_STATUS_OK);
    EXPECT(tinybert_step(&run, 1, &answer), TINYBERT_STATUS_TOKEN_ID);
    EXPECT(tinybert_start_ids(model, workspace, needed, ids, types, 3, &run), TINYBERT_STATUS_OK);
    EXPECT(tinybert_step(&run, SIZE_MAX, &answer), TINYBERT_STATUS_OK);
    EXPECT(answer.tokens, 3);
    EXPECT(tinybert_step(&run, 1, &answer), TINYBERT_STATUS_NOT_STARTED);
}

/* Answers a text in slices and checks that the outputs have the bits of `whole`, the answer at once. */
static void same_in_slices(const tinybert_model *model, uint8_t *workspace, size_t needed, tinybert_text text,
                           const tinybert_answer *whole)
{
    tinybert_run run;
    tinybert_answer answer;
    tinybert_status status;
    size_t bytes = whole->output_count * sizeof(float), steps = 1;
    float *outputs = malloc(bytes);
    memcpy(outputs, whole->outputs, bytes);
    EXPECT(tinybert_start(model, workspace, needed, text, &run), TINYBERT_STATUS_OK);
    while ((status = tinybert_step(&run, 5000, &answer)) == TINYBERT_STATUS_PENDING) steps++;
    EXPECT(status, TINYBERT_STATUS_OK);
    EXPECT(steps > 3, 1);
    EXPECT(answer.label, whole->label);
    EXPECT(answer.output_count, whole->output_count);
    EXPECT(memcmp(answer.outputs, outputs, bytes), 0);
    free(outputs);
}

/* Checks what can be asked before any answer. model.h, which `inspect --header` has printed, says the same. */
static void facts(uint8_t *image, size_t bytes)
{
    tinybert_model model = { 0 };
    EXPECT(strcmp(tinybert_version(), TINYBERT_VERSION), 0);
    EXPECT(tinybert_answer_kind(&model), TINYBERT_KIND_NONE);
    EXPECT(tinybert_answer_kind(NULL), TINYBERT_KIND_NONE);
    EXPECT(tinybert_label_count(&model) + tinybert_max_tokens(&model) + tinybert_output_count(&model), 0);
    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_OK);
    EXPECT(tinybert_answer_kind(&model), TINYBERT_KIND_LABEL);
    EXPECT(tinybert_label_count(&model), TINYBERT_OUTPUT_COUNT);
    EXPECT(tinybert_max_tokens(&model), TINYBERT_MAX_TOKENS);
    EXPECT(tinybert_workspace_bytes(&model), TINYBERT_WORKSPACE_BYTES);
    tinybert_text name = { NULL, 0 };
    EXPECT(tinybert_kernels(&model, &name), TINYBERT_STATUS_OK);
    EXPECT(name.length > 0, 1);
    for (unsigned status = 0; status <= TINYBERT_STATUS_END; status++)
        EXPECT(strcmp(tinybert_status_text(status), "unknown status") != 0, 1);
    EXPECT(strcmp(tinybert_status_text(UINT32_MAX), "unknown status"), 0);

    /* A slot of flash, erased behind the image. */
    size_t capacity = (bytes + 4096) / TINYBERT_IMAGE_ALIGNMENT * TINYBERT_IMAGE_ALIGNMENT, length = 0;
    uint8_t *slot = aligned_alloc(TINYBERT_IMAGE_ALIGNMENT, capacity);
    memset(slot, 0xff, capacity);
    EXPECT(tinybert_image_bytes(slot, capacity, &length), TINYBERT_STATUS_NOT_AN_IMAGE);
    memcpy(slot, image, bytes);
    EXPECT(tinybert_image_bytes(slot, bytes - 1, &length), TINYBERT_STATUS_IMAGE_DAMAGED);
    EXPECT(tinybert_image_bytes(slot, 3, &length), TINYBERT_STATUS_NOT_AN_IMAGE);
    EXPECT(tinybert_image_bytes(slot + 1, capacity - 1, &length), TINYBERT_STATUS_MISALIGNED);
    EXPECT(tinybert_image_bytes(NULL, capacity, &length), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_image_bytes(slot, capacity, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_image_bytes(slot, SIZE_MAX, &length), TINYBERT_STATUS_TOO_LARGE);
    EXPECT(length, 0);
    EXPECT(tinybert_image_bytes(slot, capacity, &length), TINYBERT_STATUS_OK);
    EXPECT(length, bytes);
    EXPECT(tinybert_open(slot, capacity, &model), TINYBERT_STATUS_IMAGE_DAMAGED);
    EXPECT(tinybert_open(slot, length, &model), TINYBERT_STATUS_OK);
    free(slot);

    uint8_t sha256[TINYBERT_SHA256_BYTES];
    EXPECT(tinybert_image_sha256(image, bytes, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_image_sha256(NULL, bytes, sha256), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_image_sha256(image, bytes, sha256), TINYBERT_STATUS_OK);
    for (size_t i = 0; i < sizeof sha256; i++) fprintf(stderr, "%02x", sha256[i]);
    fprintf(stderr, "\n");

    const float a[2] = { 3, 4 }, b[2] = { 4, 3 };
    float cosine = 2;
    EXPECT(tinybert_cosine(NULL, b, 2, &cosine), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_cosine(a, NULL, 2, &cosine), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_cosine(a, b, 2, NULL), TINYBERT_STATUS_NULL_POINTER);
    EXPECT(tinybert_cosine(a, b, SIZE_MAX / 2, &cosine), TINYBERT_STATUS_TOO_LARGE);
    EXPECT(cosine == 2, 1);
    EXPECT(tinybert_cosine(a, b, 2, &cosine), TINYBERT_STATUS_OK);
    EXPECT(cosine > 0.959f && cosine < 0.961f, 1);
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
    tinybert_metadata closed;
    int32_t order = 7;
    EXPECT(tinybert_image_metadata(image, bytes, &closed), TINYBERT_STATUS_OK);
    EXPECT(tinybert_metadata_precedence(&metadata, &closed, &order), TINYBERT_STATUS_OK);
    EXPECT(order, 0);
    closed.security_version++;
    EXPECT(tinybert_metadata_precedence(&metadata, &closed, &order), TINYBERT_STATUS_OK);
    EXPECT(order, -1);
    EXPECT(tinybert_image_metadata(image, bytes - 64, &closed), TINYBERT_STATUS_IMAGE_DAMAGED);
    EXPECT(tinybert_image_metadata(NULL, bytes, &closed), TINYBERT_STATUS_NULL_POINTER);
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
    EXPECT(tinybert_probabilities(model, answer, probabilities, answer->output_count), TINYBERT_STATUS_OK);
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
    facts(image, bytes);
    signatures(arguments[1], arguments[3], arguments[4]);

    tinybert_model model = { 0 };
    EXPECT(tinybert_open(image, bytes, &model), TINYBERT_STATUS_OK);
    size_t needed = tinybert_workspace_bytes(&model);
    uint8_t *workspace = malloc(needed);
    slices(&model, workspace, needed);
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
            same_in_slices(&model, workspace, needed, text, &answer);
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
