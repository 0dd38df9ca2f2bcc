// A test of the C interface in C++17, which runs on the host under AddressSanitizer: it prints answers as
// `tinybert-compress run` does. For a tagger these are the words with their tags and the entities, and for a sentence encoder the
// cosine of a pair. Usage: readable IMAGE TEXTS.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "expect.h"
#include "tinybert.h"

namespace {

std::string_view view(tinybert_text text) { return { text.bytes, text.length }; }

class Model {
public:
    Model(const uint8_t *image, size_t bytes)
    {
        EXPECT(tinybert_open(image, bytes, &model_), TINYBERT_STATUS_OK);
        workspace_.resize(tinybert_workspace_bytes(&model_));
    }

    tinybert_kind kind() const { return tinybert_answer_kind(&model_); }

    tinybert_answer run(std::string_view text)
    {
        tinybert_answer answer;
        EXPECT(tinybert_run_text(&model_, workspace_.data(), workspace_.size(), { text.data(), text.size() }, &answer),
               TINYBERT_STATUS_OK);
        EXPECT(answer.kind == kind(), 1);
        return answer;
    }

    std::string tagged(std::string_view text)
    {
        const tinybert_answer answer = run(text);
        const tinybert_text asked { text.data(), text.size() };
        std::string line;
        tinybert_tag_place place {};
        tinybert_word word;
        tinybert_status status;
        while ((status = tinybert_next_word(&model_, &answer, asked, &place, &word)) == TINYBERT_STATUS_OK) {
            tinybert_text tag;
            EXPECT(tinybert_label(&model_, word.tag, &tag), TINYBERT_STATUS_OK);
            const float *end = word.logits + tinybert_output_count(&model_);
            EXPECT(std::max_element(word.logits, end) - word.logits, word.tag);
            EXPECT(word.probability > 0 && word.probability <= 1, 1);
            line.append(line.empty() ? "" : " ").append(text.substr(word.start, word.end - word.start));
            line.append("/").append(view(tag));
        }
        EXPECT(status, TINYBERT_STATUS_END);
        place = {};
        tinybert_entity entity;
        while ((status = tinybert_next_entity(&model_, &answer, asked, &place, &entity)) == TINYBERT_STATUS_OK) {
            line.append("\t").append(view(entity.kind)).append(": ");
            line.append(text.substr(entity.start, entity.end - entity.start));
        }
        EXPECT(status, TINYBERT_STATUS_END);
        if (answer.truncated) line.append("\t(cut to ").append(std::to_string(answer.tokens)).append(" tokens)");
        return line;
    }

    std::vector<float> vector(std::string_view text)
    {
        const tinybert_answer answer = run(text);
        return { answer.outputs, answer.outputs + answer.output_count };
    }

private:
    tinybert_model model_ {};
    std::vector<uint8_t> workspace_;
};

} // namespace

int main(int count, char **arguments)
{
    if (count != 3) { std::fprintf(stderr, "usage: readable IMAGE TEXTS\n"); return 2; }
    size_t bytes;
    uint8_t *image = read_image(arguments[1], &bytes);
    {
        Model model(image, bytes);
        std::ifstream texts(arguments[2]);
        for (std::string line; std::getline(texts, line);) {
            if (model.kind() == TINYBERT_KIND_TAGS) {
                std::printf("%s\n", model.tagged(line).c_str());
                continue;
            }
            const size_t tab = line.find('\t');
            EXPECT(tab != std::string::npos, 1);
            const std::string_view pair(line);
            const auto a = model.vector(pair.substr(0, tab)), b = model.vector(pair.substr(tab + 1));
            float cosine;
            EXPECT(tinybert_cosine(a.data(), b.data(), a.size(), &cosine), TINYBERT_STATUS_OK);
            std::printf("%.4f\n", static_cast<double>(cosine));
        }
    }
    std::free(image);
    return 0;
}
