/*
 * TinyBERT on a device: text in, answer out, from a model image. No heap, no global state, no operating system.
 *
 * Open the image once, then run texts in a workspace of your own, whose size tinybert_workspace_bytes returns. A
 * function that can fail returns a status. If the status is not TINYBERT_STATUS_OK, the function has written nothing
 * through an output pointer, except that a model that could not be opened is zeroed. Threads may share a model and an
 * image if each thread has a workspace of its own.
 *
 * Made by cbindgen from crates/capi; do not edit.
 */

#ifndef TINYBERT_H
#define TINYBERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Alignment in bytes of the image's first byte. */
#define TINYBERT_IMAGE_ALIGNMENT 64


/*
 Bytes of an Ed25519 public key.
 */
#define TINYBERT_PUBLIC_KEY_BYTES 32

/*
 Words of a model.
 */
#define TINYBERT_MODEL_WORDS 144

/*
 Words of a run.
 */
#define TINYBERT_RUN_WORDS 48

/*
 The result of a call. Values keep their meaning in later versions, which may have new values.
 */
enum tinybert_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   The call succeeded.
   */
  TINYBERT_STATUS_OK = 0,
  /*
   A pointer that is needed is null.
   */
  TINYBERT_STATUS_NULL_POINTER = 1,
  /*
   A pointer is not aligned to its type, or the image is not aligned to TINYBERT_IMAGE_ALIGNMENT.
   */
  TINYBERT_STATUS_MISALIGNED = 2,
  /*
   A size is larger than the memory or than this library accepts.
   */
  TINYBERT_STATUS_TOO_LARGE = 3,
  /*
   The model has not been opened.
   */
  TINYBERT_STATUS_NOT_OPEN = 4,
  /*
   The bytes are not a model image of a version that this library knows.
   */
  TINYBERT_STATUS_NOT_AN_IMAGE = 5,
  /*
   The image is damaged, cut, or was written wrongly.
   */
  TINYBERT_STATUS_IMAGE_DAMAGED = 6,
  /*
   The workspace is smaller than tinybert_workspace_bytes.
   */
  TINYBERT_STATUS_WORKSPACE_TOO_SMALL = 7,
  /*
   The text is not UTF-8.
   */
  TINYBERT_STATUS_NOT_UTF8 = 8,
  /*
   There are no token ids, or more than the model accepts.
   */
  TINYBERT_STATUS_TOKEN_COUNT = 9,
  /*
   The model does not have a token id or a token type of the input.
   */
  TINYBERT_STATUS_TOKEN_ID = 10,
  /*
   This device computes other bits than the host. Do not trust the image, the memory or the processor.
   */
  TINYBERT_STATUS_SELF_TEST_FAILED = 11,
  /*
   The model has no label with that number.
   */
  TINYBERT_STATUS_NO_SUCH_LABEL = 12,
  /*
   This library has a fault.
   */
  TINYBERT_STATUS_INTERNAL = 13,
  /*
   The input is a pair of texts, but the model reads single texts.
   */
  TINYBERT_STATUS_NO_PAIRS = 14,
  /*
   The image was written without its word rows: call tinybert_set_word_rows.
   */
  TINYBERT_STATUS_WORD_ROWS_MISSING = 15,
  /*
   The row of a word could not be read, or does not belong to the image.
   */
  TINYBERT_STATUS_WORD_ROW = 16,
  /*
   The image is not signed.
   */
  TINYBERT_STATUS_NOT_SIGNED = 17,
  /*
   The image is signed with another key.
   */
  TINYBERT_STATUS_OTHER_KEY = 18,
  /*
   The image was changed after it was signed, or the signature is forged.
   */
  TINYBERT_STATUS_FORGED = 19,
  /*
   The public key is not a usable Ed25519 key.
   */
  TINYBERT_STATUS_PUBLIC_KEY = 20,
  /*
   The image has no self-tests, so nothing was compared.
   */
  TINYBERT_STATUS_NO_SELF_TESTS = 21,
  /*
   The answer needs further steps.
   */
  TINYBERT_STATUS_PENDING = 25,
  /*
   No run has been started, or the run has ended.
   */
  TINYBERT_STATUS_NOT_STARTED = 26,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tinybert_status tinybert_status;
#else
typedef uint32_t tinybert_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 The kind of an answer.
 */
enum tinybert_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   One of several labels; the outputs are their logits.
   */
  TINYBERT_KIND_LABEL = 1,
  /*
   One real number: the first output.
   */
  TINYBERT_KIND_SCORE = 2,
  /*
   A label for each token; the outputs are their logits, token after token.
   */
  TINYBERT_KIND_TAGS = 3,
  /*
   A vector, of length 1 unless the image says otherwise.
   */
  TINYBERT_KIND_EMBEDDING = 4,
  /*
   Something that this version of the interface does not know.
   */
  TINYBERT_KIND_OTHER = 5,
  /*
   Zero, one or several labels; the outputs are the logits of all labels. The answer has the labels
   whose logit is at least what `tinybert_threshold` says. The probability of a label is 1 / (1 + exp(-logit)).
   */
  TINYBERT_KIND_LABELS = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tinybert_kind tinybert_kind;
#else
typedef uint32_t tinybert_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 An open model. Its contents are this library's alone; it may be copied. Zero it before it is opened: `= {0}`.
 */
typedef struct {
  /*
   The caller must not use them.
   */
  uint64_t words[TINYBERT_MODEL_WORDS];
} tinybert_model;

/*
 A way to read the word rows of an image that was written without them. The rows may lie in SPI flash, for instance.
 */
typedef struct {
  /*
   Fills `into` with `bytes` bytes of the file of word rows from byte `offset` on; returns false if they cannot
   be read. The library checks the bytes. Threads that share the model may call this function at the same time.
   */
  bool (*read)(void *context, size_t offset, uint8_t *into, size_t bytes);
  /*
   Is passed to `read` as it is; may be null.
   */
  void *context;
} tinybert_word_rows;

/*
 A UTF-8 text, which need not end with a zero.
 */
typedef struct {
  /*
   The first byte; may be null if there are none.
   */
  const char *bytes;
  /*
   Number of bytes.
   */
  size_t length;
} tinybert_text;

/*
 An answer.
 */
typedef struct {
  /*
   The kind of the answer.
   */
  tinybert_kind kind;
  /*
   The label with the largest logit if the kind is TINYBERT_KIND_LABEL, else 0.
   */
  uint32_t label;
  /*
   The head's outputs. They lie in the workspace and are valid until it is used again.
   */
  const float *outputs;
  /*
   Number of outputs.
   */
  size_t output_count;
  /*
   Number of tokens of the input, special ones included.
   */
  size_t tokens;
  /*
   Whether the text was too long and has been cut.
   */
  bool truncated;
} tinybert_answer;

/*
 How far an answer with one label can be trusted.
 */
typedef struct {
  /*
   The probability of the label, 0 to 1, by the temperature that the image states, or by a temperature of 1.
   */
  float probability;
  /*
   Whether the probability is at least the threshold that the image states, and the label is not the one that
   stands for everything out of scope. If not, the model does not know the answer. An image that states neither
   accepts every answer.
   */
  bool accepted;
} tinybert_confidence;

/*
 An answer that is being computed in slices. Its contents are this library's alone; it must not be copied or moved
 between `tinybert_start` and the end of the run. It needs no initial value.
 */
typedef struct {
  /*
   The caller must not use them.
   */
  uint64_t words[TINYBERT_RUN_WORDS];
} tinybert_run;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Checks the whole image and makes `model` ready. The image must begin at a multiple of TINYBERT_IMAGE_ALIGNMENT
 bytes and stay where it is, unchanged, while the model is used, because nothing of it is copied. A model need not
 be closed. If this function fails, `model` is zeroed and not open, even if it was open before.

 # Safety
 `image` points to `image_bytes` bytes and `model` to a model.
 */
tinybert_status tinybert_open(const uint8_t *image,
                              size_t image_bytes,
                              tinybert_model *model);

#if defined(TINYBERT_SIGNATURE)
/*
 Does the same as `tinybert_open` for an image that the holder of an Ed25519 key has signed. It refuses an image
 that is not signed, that is signed with another key, or that was changed afterwards, before it reads the image's
 contents. The public key has TINYBERT_PUBLIC_KEY_BYTES bytes and is not needed after the call. It is as
 trustworthy as the memory that it lies in.

 # Safety
 `image` points to `image_bytes` bytes, `public_key` to 32 and `model` to a model.
 */
tinybert_status tinybert_open_signed(const uint8_t *image,
                                     size_t image_bytes,
                                     const uint8_t *public_key,
                                     tinybert_model *model);
#endif

/*
 Says how to read the word rows of an image that was written without them (`quantize --word-rows`). Each row is read
 into the workspace when it is needed, and checked. `rows` must stay where it is, unchanged, while the model or a
 copy of it is used. An image that has its word rows does not need this function.

 # Safety
 `model` points to a model that is zero or was opened, and that nobody else uses during the call. `rows` points to
 word rows. If their `read` is not null, every user of the model may call it with their `context`, and it writes no
 more bytes than it is asked for.
 */
tinybert_status tinybert_set_word_rows(tinybert_model *model,
                                       const tinybert_word_rows *rows);

/*
 Returns the number of bytes of workspace that the model's longest input needs, wherever the workspace begins; 0 if
 the model is not open. This library computes the number. The number in `model.h` (`inspect --header`) may differ a
 little if another version made that file.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_workspace_bytes(const tinybert_model *model);

/*
 Returns the number of outputs of an answer, or of each token if the answer is tags; 0 if the model is not open.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_output_count(const tinybert_model *model);

/*
 Runs the image's self-tests and compares their outputs bit by bit with those that the host computed. This shows
 whether the device computes what the host measured. For an image without self-tests it returns
 TINYBERT_STATUS_NO_SELF_TESTS, and the caller decides whether to go on.

 # Safety
 `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody
 else's.
 */
tinybert_status tinybert_self_test(const tinybert_model *model,
                                   uint8_t *workspace,
                                   size_t workspace_bytes);

/*
 Answers a text.

 # Safety
 `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody
 else's, the text to as many bytes as it says, `answer` to an answer.
 */
tinybert_status tinybert_run_text(const tinybert_model *model,
                                  uint8_t *workspace,
                                  size_t workspace_bytes,
                                  tinybert_text text,
                                  tinybert_answer *answer);

/*
 Answers a pair of texts.

 # Safety
 As for `tinybert_run_text`.
 */
tinybert_status tinybert_run_pair(const tinybert_model *model,
                                  uint8_t *workspace,
                                  size_t workspace_bytes,
                                  tinybert_text text,
                                  tinybert_text pair,
                                  tinybert_answer *answer);

/*
 Answers token ids, special ones included. Each token has a token type.

 # Safety
 As for `tinybert_run_text`; `ids` and `type_ids` point to `count` elements.
 */
tinybert_status tinybert_run_ids(const tinybert_model *model,
                                 uint8_t *workspace,
                                 size_t workspace_bytes,
                                 const uint32_t *ids,
                                 const uint8_t *type_ids,
                                 size_t count,
                                 tinybert_answer *answer);

/*
 Writes the name of a label to `name`. The name lies in the image.

 # Safety
 `model` points to a model that is zero or was opened, `name` to a text.
 */
tinybert_status tinybert_label(const tinybert_model *model, uint32_t label, tinybert_text *name);

/*
 Writes to `threshold` the least logit with which an answer has a label, for models whose answers are of the kind
 TINYBERT_KIND_LABELS. Other models have no such label: the status is TINYBERT_STATUS_NO_SUCH_LABEL.

 # Safety
 `model` points to a model that is zero or was opened, `threshold` to a float.
 */
tinybert_status tinybert_threshold(const tinybert_model *model,
                                   uint32_t label,
                                   float *threshold);

/*
 Writes to `confidence` how probable the label of an answer is, and whether the answer is accepted. The answer is one
 that `tinybert_run_text`, `tinybert_run_pair` or `tinybert_run_ids` has written with this model, and the workspace
 has not been used since. Answers of another kind than TINYBERT_KIND_LABEL have no such label: the status is
 TINYBERT_STATUS_NO_SUCH_LABEL.

 # Safety
 `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
 `confidence` to a confidence.
 */
tinybert_status tinybert_confidence_of(const tinybert_model *model,
                                       const tinybert_answer *answer,
                                       tinybert_confidence *confidence);

/*
 Writes the probability of every label to `probabilities`, which has as many floats as the answer has outputs. The
 answer is one as for `tinybert_confidence_of`, of the kind TINYBERT_KIND_LABEL or TINYBERT_KIND_LABELS. Answers of
 other kinds have no probabilities: the status is TINYBERT_STATUS_NO_SUCH_LABEL.

 # Safety
 `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
 `probabilities` to as many floats as the answer has outputs, which are nobody else's.
 */
tinybert_status tinybert_probabilities(const tinybert_model *model,
                                       const tinybert_answer *answer,
                                       float *probabilities);

#if defined(TINYBERT_STATUS_TEXT)
/*
 Returns what a status means, in English, ending with a zero.
 */
const char *tinybert_status_text(uint32_t status);
#endif

/*
 Reads a text and starts the computation of its answer in slices. Only the text is read here; `tinybert_step`
 computes the answer. Until the run has ended, `model`, the workspace, the text and `run` stay where they are and are
 nobody else's. A run ends when `tinybert_step` returns TINYBERT_STATUS_OK, by `tinybert_cancel`, or by the next
 start with the same `run`.

 # Safety
 `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody else's,
 the text to as many bytes as it says, `run` to room for a run that nobody else uses. All of this holds until the run
 has ended.
 */
tinybert_status tinybert_start(const tinybert_model *model,
                               uint8_t *workspace,
                               size_t workspace_bytes,
                               tinybert_text text,
                               tinybert_run *run);

/*
 Does the same as `tinybert_start` for a pair of texts.

 # Safety
 As for `tinybert_start`.
 */
tinybert_status tinybert_start_pair(const tinybert_model *model,
                                    uint8_t *workspace,
                                    size_t workspace_bytes,
                                    tinybert_text text,
                                    tinybert_text pair,
                                    tinybert_run *run);

/*
 Does the same as `tinybert_start` for token ids, special ones included. Each token has a token type.

 # Safety
 As for `tinybert_start`; `ids` and `type_ids` point to `count` elements.
 */
tinybert_status tinybert_start_ids(const tinybert_model *model,
                                   uint8_t *workspace,
                                   size_t workspace_bytes,
                                   const uint32_t *ids,
                                   const uint8_t *type_ids,
                                   size_t count,
                                   tinybert_run *run);

/*
 Computes about `budget` multiply-adds of the answer at most, but at least the smallest part of the work. Returns
 TINYBERT_STATUS_PENDING if there is more to compute. When the answer is there, it writes the answer, which has the
 same bits for every budget, and ends the run. After any other status the run has not ended, and the next step tries
 the same work again. The status is TINYBERT_STATUS_NOT_STARTED if no run has been started or the run has ended.

 # Safety
 `run` points to a run of which everything that `tinybert_start` demands still holds, or to a run that has ended or
 is zero; `answer` points to an answer.
 */
tinybert_status tinybert_step(tinybert_run *run,
                              size_t budget,
                              tinybert_answer *answer);

/*
 Ends a run before its answer is there. The workspace and the model are free again. A run that has ended may be
 cancelled, too.

 # Safety
 `run` points to a run that was started, has ended, or is zero, and that nobody else uses.
 */
tinybert_status tinybert_cancel(tinybert_run *run);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TINYBERT_H */
