/* The names of answers in printed lines, the same as in ../console. */
#ifndef ANSWER_H
#define ANSWER_H

#include "tinybert.h"

/* Bytes of the names of all labels of an answer. A name that does not fit is left out, and so are those after it. */
#define ANSWER_NAMES 256

/* Writes the names of the labels that an answer has, with | between them, into memory that the next call uses again. */
static inline tinybert_status label_names(const tinybert_model *model, const tinybert_answer *answer,
                                          tinybert_text *names)
{
    static char written[ANSWER_NAMES];
    names->bytes = written;
    names->length = 0;
    for (uint32_t label = 0; label < answer->output_count; label++) {
        tinybert_text name;
        float threshold;
        tinybert_status status = tinybert_threshold(model, label, &threshold);
        if (status != TINYBERT_STATUS_OK) return status;
        if (!(answer->outputs[label] >= threshold)) continue;
        status = tinybert_label(model, label, &name);
        if (status != TINYBERT_STATUS_OK) return status;
        if (name.length + 1 > ANSWER_NAMES - names->length) break;
        if (names->length > 0) written[names->length++] = '|';
        for (size_t i = 0; i < name.length; i++) written[names->length++] = name.bytes[i];
    }
    return TINYBERT_STATUS_OK;
}

/* Returns the label's name, those of all labels, or the kind of the answer. */
static inline tinybert_status answer_name(const tinybert_model *model, const tinybert_answer *answer, tinybert_text *name)
{
    static const tinybert_text score = { "score", 5 }, tags = { "tags", 4 }, embedding = { "embedding", 9 };
    switch (answer->kind) {
    case TINYBERT_KIND_LABEL: return tinybert_label(model, answer->label, name);
    case TINYBERT_KIND_LABELS: return label_names(model, answer, name);
    case TINYBERT_KIND_TAGS: *name = tags; break;
    case TINYBERT_KIND_EMBEDDING: *name = embedding; break;
    default: *name = score;
    }
    return TINYBERT_STATUS_OK;
}

#endif
