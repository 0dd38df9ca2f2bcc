/* What an answer is called where answers are printed, as in ../console. */
#ifndef ANSWER_H
#define ANSWER_H

#include "tinybert.h"

/* The label's name, or the kind of answer. */
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
