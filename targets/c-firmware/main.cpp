// The same from C++17: a class around the C interface, without exceptions, RTTI or a C++ library.
#include "answer.h"
#include "board.h"
#include "flash.h"
#include "model.h"
#include "tinybert.h"

extern "C" const uint8_t model[];

namespace {

#if defined(TINYBERT_SIGNATURE)
constexpr uint8_t public_key[TINYBERT_PUBLIC_KEY_BYTES] = TINYBERT_PUBLIC_KEY;
#endif

class Classifier {
public:
    tinybert_status open(const uint8_t *image, size_t bytes)
    {
#if defined(TINYBERT_SIGNATURE)
        tinybert_status status = tinybert_open_signed(image, bytes, public_key, &model_);
#else
        tinybert_status status = tinybert_open(image, bytes, &model_);
#endif
#if defined(WORD_ROWS)
        if (status == TINYBERT_STATUS_OK) status = tinybert_set_word_rows(&model_, &word_rows);
#endif
        return status == TINYBERT_STATUS_OK ? tinybert_self_test(&model_, workspace_, sizeof workspace_) : status;
    }

    // `pair` may be null.
    tinybert_status run(tinybert_text text, const tinybert_text *pair, tinybert_answer &answer)
    {
        return pair ? tinybert_run_pair(&model_, workspace_, sizeof workspace_, text, *pair, &answer)
                    : tinybert_run_text(&model_, workspace_, sizeof workspace_, text, &answer);
    }

    // The name of the kernels.
    tinybert_status kernels(tinybert_text &name) const { return tinybert_kernels(&model_, &name); }

    // Answers that are no label have none.
    bool confidence(const tinybert_answer &answer, tinybert_confidence &confidence) const
    {
        return tinybert_confidence_of(&model_, &answer, &confidence) == TINYBERT_STATUS_OK;
    }

    tinybert_status name(const tinybert_answer &answer, tinybert_text &name) const
    {
        return answer_name(&model_, &answer, &name);
    }

private:
    tinybert_model model_ {};
    uint8_t workspace_[TINYBERT_WORKSPACE_BYTES] {};
};

Classifier classifier;
char line[1024];

void write_error(tinybert_status status)
{
    board_write_text("error: ", 7);
#if defined(TINYBERT_STATUS_TEXT)
    for (const char *text = tinybert_status_text(status); *text; text++) board_write(static_cast<uint8_t>(*text));
#else
    board_write_text("status ", 7);
    board_write_number(status);
#endif
    board_write('\n');
}

// Reads a line without its end. The length of a line that does not fit is more than the buffer's.
bool read_line(size_t &length)
{
    for (length = 0;;) {
        uint8_t byte = board_read();
        if (byte == BOARD_END) return false;
        if (byte == '\n') return true;
        if (length < sizeof line) line[length] = static_cast<char>(byte);
        if (length <= sizeof line) length++;
    }
}

tinybert_status answer_line(size_t length)
{
    if (length > sizeof line) return TINYBERT_STATUS_TOO_LARGE;
    size_t tab = 0;
    while (tab < length && line[tab] != '\t') tab++;
    const bool paired = tab < length;
    const tinybert_text text { line, tab }, pair = paired ? tinybert_text { line + tab + 1, length - tab - 1 } : text;
    tinybert_answer answer;
    uint32_t start = board_cycles();
    tinybert_status status = classifier.run(text, paired ? &pair : nullptr, answer);
    uint32_t cycles = board_cycles() - start;
    tinybert_text name;
    if (status == TINYBERT_STATUS_OK) status = classifier.name(answer, name);
    if (status != TINYBERT_STATUS_OK) return status;
    board_write_text(name.bytes, name.length);
    for (size_t i = 0; i < answer.output_count; i++) {
        board_write(i == 0 ? '\t' : ' ');
        board_write_bits(answer.outputs[i]);
    }
    if (tinybert_confidence confidence; classifier.confidence(answer, confidence)) {
        board_write('\t');
        board_write_probability(confidence.probability);
        if (!confidence.accepted) board_write_text(" (not accepted)", 15);
    }
    board_write('\t');
    board_write_number(cycles);
    board_write_text(" cycles\n", 8);
    return status;
}

tinybert_status serve()
{
    tinybert_status status = classifier.open(model, TINYBERT_IMAGE_BYTES);
    tinybert_text kernels;
    if (status == TINYBERT_STATUS_OK) status = classifier.kernels(kernels);
    if (status != TINYBERT_STATUS_OK) return status;
    board_write_text("self-tests passed on ", 21);
    board_write_text(kernels.bytes, kernels.length);
    board_write('\n');
    for (size_t length; read_line(length);) {
        status = answer_line(length);
        if (status != TINYBERT_STATUS_OK) write_error(status);
    }
    return TINYBERT_STATUS_OK;
}

} // namespace

int main()
{
    tinybert_status status = serve();
    if (status != TINYBERT_STATUS_OK) write_error(status);
    board_write_number(board_stack_used());
    board_write_text(" bytes of stack used\n", 21);
    board_exit(status != TINYBERT_STATUS_OK);
}
