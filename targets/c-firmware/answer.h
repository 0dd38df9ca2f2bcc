/* The names of answers in printed lines, the same as in ../console. */
#ifndef ANSWER_H
#define ANSWER_H

#include "tinybert.h"

/* Returns the label's name, or the kind of the answer. */
static inline tinybert_status answer_name(const tinybert_model *model, const tinybert_answer *answer, tinybert_text *name)
{
    static const tinybert_text score = { "score", 5 }, tags = { "tags", 4 }, embedding = { "embedding", 9 };
    switch (answer->kind) {
    case TINYBERT_KIND_LABEL: return tinybert_label(model, answer->label, name);
    case TINYBERT_KIND_TAGS: *name = tags; break;
    case TINYBERT_KIND_EMBEDDING: *name = embedding; break;
    default: *name = score;
    }
    return TINYBERT_STATUS_OK;
}

#endif
