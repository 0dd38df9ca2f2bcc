/*
 * TinyBERT on a device: text in, answer out, from a model image. No heap, no global state, no operating system.
 *
 * Open the image once, then run texts in a workspace of your own, whose size tinybert_workspace_bytes returns. Sizes
 * and lengths are in bytes unless a name says otherwise. A count is a number of elements.
 *
 * A function that can fail returns a status. If the status is not TINYBERT_STATUS_OK, the function has written nothing
 * through an output pointer, with two exceptions: a model that could not be opened is zeroed, and a run that could not
 * be started is one that has not been started. The documentation of a function names its statuses. Every function may
 * also return TINYBERT_STATUS_NULL_POINTER, TINYBERT_STATUS_MISALIGNED and TINYBERT_STATUS_TOO_LARGE for a pointer or a
 * length, and TINYBERT_STATUS_NOT_OPEN for a model.
 *
 * Threads may share a model and an image if each thread has a workspace of its own. Every function may be called from
 * any thread and any interrupt handler, also while another call runs, if they do not write the same memory. Only the
 * functions that open a model (tinybert_open...) and tinybert_set_word_rows write it.
 *
 * A function of yours that the library calls must return: it must neither throw an exception nor leave by longjmp.
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

/* The version of the library that this header belongs to: see tinybert_version. */
#define TINYBERT_VERSION "0.1.0"


/*
 Bytes of an Ed25519 public key.
 */
#define TINYBERT_PUBLIC_KEY_BYTES 32

/*
 Bytes of a SHA-256.
 */
#define TINYBERT_SHA256_BYTES 32

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
   The memory for a result has room for fewer elements than the result has.
   */
  TINYBERT_STATUS_BUFFER_TOO_SMALL = 22,
  /*
   The model gives answers of another kind.
   */
  TINYBERT_STATUS_OTHER_KIND = 23,
  /*
   There is no further word or entity.
   */
  TINYBERT_STATUS_END = 24,
  /*
   The answer needs further steps.
   */
  TINYBERT_STATUS_PENDING = 25,
  /*
   No run has been started, or the run has ended.
   */
  TINYBERT_STATUS_NOT_STARTED = 26,
  /*
   The image is signed, but its security version is below the least that is accepted.
   */
  TINYBERT_STATUS_TOO_OLD = 27,
  /*
   The answer is not one that the model gives: the number of its outputs or its label does not fit.
   */
  TINYBERT_STATUS_FOREIGN_ANSWER = 28,
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
   No answer, because the model is not open.
   */
  TINYBERT_KIND_NONE = 0,
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
   It must return: it must neither throw an exception nor leave by longjmp.
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
 What an image says about itself. The texts lie in the image. A text that the image does not have is empty.
 */
typedef struct {
  /*
   The name of the model.
   */
  tinybert_text name;
  /*
   The semantic version of the model, such as 1.2.0.
   */
  tinybert_text version;
  /*
   The licence of the model.
   */
  tinybert_text license;
  /*
   When the image was made, in UTC, such as 2026-12-01T13:00:00Z.
   */
  tinybert_text created;
  /*
   How old the image is for tinybert_open_signed_at_least; 0 if the image does not say it.
   */
  uint32_t security_version;
} tinybert_metadata;

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

/*
 A place between two words of a tagged text. Zero it before the first call: `= {0}`.
 */
typedef struct {
  /*
   Number of bytes of the text before the place.
   */
  size_t bytes;
  /*
   Number of tokens of these bytes.
   */
  size_t tokens;
} tinybert_tag_place;

/*
 A word of a tagged text.
 */
typedef struct {
  /*
   The word's first byte in the text.
   */
  size_t start;
  /*
   The byte behind its last one.
   */
  size_t end;
  /*
   The label with the largest logit: see `tinybert_label`.
   */
  uint32_t tag;
  /*
   The probability of the tag, 0 to 1: the softmax of the word's logits.
   */
  float probability;
  /*
   The logits of the word's first token, as many as `tinybert_output_count`. They lie in the workspace, as the
   answer's outputs do.
   */
  const float *logits;
} tinybert_word;

/*
 An entity of a tagged text: a run of words whose tags belong together.
 */
typedef struct {
  /*
   The first byte of its first word in the text.
   */
  size_t start;
  /*
   The byte behind the last one of its last word.
   */
  size_t end;
  /*
   Its type, which stands behind `B-` and `I-` in the names of the tags. It lies in the image.
   */
  tinybert_text kind;
} tinybert_entity;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Checks the whole image and makes `model` ready. The image must begin at a multiple of TINYBERT_IMAGE_ALIGNMENT
 bytes and stay where it is, unchanged, while the model is used, because nothing of it is copied. A model need not
 be closed. If this function fails, `model` is zeroed and not open, even if it was open before. No other thread uses
 `model` during the call.

 `image_bytes` is the length of the image. If it lies in a longer slot, `tinybert_image_bytes` says the length. The
 statuses are TINYBERT_STATUS_NOT_AN_IMAGE, TINYBERT_STATUS_IMAGE_DAMAGED and TINYBERT_STATUS_TOO_LARGE.

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
 trustworthy as the memory that it lies in. Every security version is accepted: `tinybert_open_signed_at_least`
 refuses older images. The statuses are those of `tinybert_open`, TINYBERT_STATUS_NOT_SIGNED,
 TINYBERT_STATUS_OTHER_KEY, TINYBERT_STATUS_FORGED and TINYBERT_STATUS_PUBLIC_KEY.

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
 Runs the image's self-tests and compares their outputs bit by bit with those that the host computed. This shows
 whether the device computes what the host measured. For an image without self-tests it returns
 TINYBERT_STATUS_NO_SELF_TESTS, and the caller decides whether to go on. It takes as long as an answer to each
 self-test, of which `quantize` writes four. The other statuses are TINYBERT_STATUS_SELF_TEST_FAILED and those of
 `tinybert_run_ids`.

 # Safety
 `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody
 else's.
 */
tinybert_status tinybert_self_test(const tinybert_model *model,
                                   uint8_t *workspace,
                                   size_t workspace_bytes);

/*
 Answers a text. A text that is too long for the model is cut, and the answer says so. The answer's outputs lie in
 the workspace. They are valid until the workspace is used again, and every function that takes an answer reads them
 there.

 The statuses are TINYBERT_STATUS_WORKSPACE_TOO_SMALL, TINYBERT_STATUS_NOT_UTF8, and for an image without word rows
 TINYBERT_STATUS_WORD_ROWS_MISSING and TINYBERT_STATUS_WORD_ROW.

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
 Answers a pair of texts. What is too long is cut from the longer text first.

 The statuses are those of `tinybert_run_text`, TINYBERT_STATUS_NO_PAIRS for models that tag words or embed
 sentences, and TINYBERT_STATUS_TOKEN_ID for models with one token type.

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
 Answers `count` token ids, special ones included. Each token has a token type.

 The statuses are those of `tinybert_run_text`, TINYBERT_STATUS_TOKEN_COUNT for no ids or more than
 `tinybert_max_tokens`, and TINYBERT_STATUS_TOKEN_ID.

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
 Writes the name of a label to `name`. The name lies in the image and is valid as long as the image. The number of
 labels is `tinybert_label_count`; beyond it the status is TINYBERT_STATUS_NO_SUCH_LABEL.

 # Safety
 `model` points to a model that is zero or was opened, `name` to a text.
 */
tinybert_status tinybert_label(const tinybert_model *model,
                               uint32_t label,
                               tinybert_text *name);

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
 that a `tinybert_run_...` or `tinybert_step` has written with this model, and the workspace has not been used since.
 For models whose answers are of another kind than TINYBERT_KIND_LABEL, the status is TINYBERT_STATUS_OTHER_KIND. If
 the answer has another number of outputs than the model, or a label that is not the one with the largest logit, the
 status is TINYBERT_STATUS_FOREIGN_ANSWER.

 # Safety
 `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
 `confidence` to a confidence.
 */
tinybert_status tinybert_confidence_of(const tinybert_model *model,
                                       const tinybert_answer *answer,
                                       tinybert_confidence *confidence);

/*
 Writes the probability of every label, 0 to 1, to `probabilities`, which has room for `count` floats. The answer is
 one as for `tinybert_confidence_of`, of the kind TINYBERT_KIND_LABEL or TINYBERT_KIND_LABELS. For models whose
 answers are of another kind, the status is TINYBERT_STATUS_OTHER_KIND. If there is less room than the answer has
 outputs, it is TINYBERT_STATUS_BUFFER_TOO_SMALL; if the answer has another number of outputs than the model,
 TINYBERT_STATUS_FOREIGN_ANSWER.

 # Safety
 `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
 `probabilities` to `count` floats, which are nobody else's.
 */
tinybert_status tinybert_probabilities(const tinybert_model *model,
                                       const tinybert_answer *answer,
                                       float *probabilities,
                                       size_t count);

/*
 Writes to `cosine` the cosine of the angle between two vectors of `count` floats, such as the outputs of two answers
 of the kind TINYBERT_KIND_EMBEDDING: from -1 (opposite) to 1 (the same direction), apart from rounding. It is 0 if a
 vector has no direction, because it is empty or zero, and also if the vector is shorter than 1e-19. If a float is
 NaN, infinite or beyond 1e19, the cosine is NaN or 0. The outputs of the first answer have to be copied before its
 workspace is used for the second one.

 # Safety
 `a` and `b` point to `count` floats, `cosine` to a float.
 */
tinybert_status tinybert_cosine(const float *a,
                                const float *b,
                                size_t count,
                                float *cosine);

/*
 Returns the version of this library, such as "0.1.0", ending with a zero. If it is not TINYBERT_VERSION, the program
 was compiled with the header of another version, and must not call any other function.
 */
const char *tinybert_version(void);

/*
 Writes to `image_bytes` the length of the image that begins at `slot`, such as a slot of flash that is longer than
 the image and erased behind it. The length is at most `capacity`, which is the number of bytes of the slot. The slot
 begins at a multiple of TINYBERT_IMAGE_ALIGNMENT bytes.

 Only the image's header is read; its checksum covers the length. `tinybert_open` with this length checks everything
 else. The statuses are TINYBERT_STATUS_NOT_AN_IMAGE (also for an erased slot), and TINYBERT_STATUS_IMAGE_DAMAGED,
 also for a slot that is shorter than the image.

 # Safety
 `slot` points to `capacity` bytes, `image_bytes` to a size.
 */
tinybert_status tinybert_image_bytes(const uint8_t *slot,
                                     size_t capacity,
                                     size_t *image_bytes);

#if defined(TINYBERT_SHA256)
/*
 Writes the SHA-256 of an image to `sha256`, which has TINYBERT_SHA256_BYTES bytes. It is what `sha256sum` prints of
 the image's file. The bytes are not checked and need no alignment.

 # Safety
 `image` points to `image_bytes` bytes, `sha256` to 32 bytes that are nobody else's.
 */
tinybert_status tinybert_image_sha256(const uint8_t *image,
                                      size_t image_bytes,
                                      uint8_t *sha256);
#endif

/*
 Returns the kind of the model's answers; TINYBERT_KIND_NONE if the model is not open.

 # Safety
 `model` points to a model that is zero or was opened.
 */
tinybert_kind tinybert_answer_kind(const tinybert_model *model);

/*
 Returns the number of labels, whose names `tinybert_label` gives; 0 if the model has none, because its answers are
 scores or vectors, and 0 if it is not open.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_label_count(const tinybert_model *model);

/*
 Returns the number of outputs of an answer, or of each token if the answer is tags; 0 if the model is not open.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_output_count(const tinybert_model *model);

/*
 Returns the largest number of tokens of an input, special ones included; 0 if the model is not open. Longer texts
 are cut, more token ids are refused.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_max_tokens(const tinybert_model *model);

/*
 Returns the number of bytes of workspace that the model's longest input needs, wherever the workspace begins; 0 if
 the model is not open. This library computes the number. The number in `model.h` (`inspect --header`) may differ a
 little if another version made that file.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_workspace_bytes(const tinybert_model *model);

/*
 Writes to `name` the name of the kernels that the model runs on, such as `neon-dotprod`. The name is a part of this
 library. Every kernel gives the same bits; they differ in speed.

 # Safety
 `model` points to a model that is zero or was opened, `name` to a text.
 */
tinybert_status tinybert_kernels(const tinybert_model *model,
                                 tinybert_text *name);

/*
 Writes to `metadata` what the image of an open model says about itself (`quantize --model-name`, `--model-version`,
 `--license`, `--security-version`, `--created`). Only a signature proves it.

 # Safety
 `model` points to a model that is zero or was opened, `metadata` to metadata.
 */
tinybert_status tinybert_metadata_of(const tinybert_model *model,
                                     tinybert_metadata *metadata);

/*
 Does the same as `tinybert_metadata_of` for an image that is not open, so that a program can choose between two
 images. The checksums and the metadata are checked, but nothing else: the statuses are TINYBERT_STATUS_NOT_AN_IMAGE
 and TINYBERT_STATUS_IMAGE_DAMAGED. `image_bytes` is the length of the image, as for `tinybert_open`.

 # Safety
 `image` points to `image_bytes` bytes, `metadata` to metadata.
 */
tinybert_status tinybert_image_metadata(const uint8_t *image,
                                        size_t image_bytes,
                                        tinybert_metadata *metadata);

/*
 Writes to `order` which of two images is newer by what they say about themselves: 1 if `one` is newer than `other`,
 -1 if it is older, and 0 if neither is. The security versions are compared first, then the semantic versions
 (semver.org, so that 1.10.0 is newer than 1.9.0); an image without a version is older than one that has one. The
 names are not compared.

 # Safety
 `one` and `other` point to metadata whose texts are still there, `order` to an int32_t.
 */
tinybert_status tinybert_metadata_precedence(const tinybert_metadata *one,
                                             const tinybert_metadata *other,
                                             int32_t *order);

#if defined(TINYBERT_SIGNATURE)
/*
 Does the same as `tinybert_open_signed` for an image whose security version is at least `least_security_version`. It
 refuses an older image with TINYBERT_STATUS_TOO_OLD, before it reads the image's contents. An image that states no
 security version has the version 0. The program keeps the least version where nobody can reset it.

 # Safety
 As for `tinybert_open_signed`.
 */
tinybert_status tinybert_open_signed_at_least(const uint8_t *image,
                                              size_t image_bytes,
                                              const uint8_t *public_key,
                                              uint32_t least_security_version,
                                              tinybert_model *model);
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

#if defined(TINYBERT_STATUS_TEXT)
/*
 Returns what a status means, in English, ending with a zero. The text is never changed or freed. A number that is
 not a status has the text "unknown status".
 */
const char *tinybert_status_text(uint32_t status);
#endif

/*
 Writes to `word` the next word of a text that a model of the kind TINYBERT_KIND_TAGS has answered. The first call
 gets a place that is zero, and each call writes to it where the next one goes on. The status is TINYBERT_STATUS_END
 behind the last word. White space separates the words. Words that were cut off and words without tokens have no tag
 and are left out. There are no words if token ids were answered (with an empty text).

 The answer and the text are those of a `tinybert_run_text` with this model, or of a `tinybert_start` and the
 `tinybert_step`s behind it, and the workspace has not been used since. The other statuses are
 TINYBERT_STATUS_OTHER_KIND and TINYBERT_STATUS_NOT_UTF8. The library needs no memory for this: it reads the text
 again from the place on.

 # Safety
 `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there, the text
 to as many bytes as it says, `place` to a place that is nobody else's, and `word` to a word.
 */
tinybert_status tinybert_next_word(const tinybert_model *model,
                                   const tinybert_answer *answer,
                                   tinybert_text text,
                                   tinybert_tag_place *place,
                                   tinybert_word *word);

/*
 Does the same as `tinybert_next_word` for entities: runs of words with tags such as `B-city I-city`, or of the
 scheme IOBES. An `I-` without a `B-` of its type before it begins an entity, too. A word whose tag is `O` belongs to
 none. A place is for words or for entities, not for both.

 # Safety
 As for `tinybert_next_word`; `entity` points to an entity.
 */
tinybert_status tinybert_next_entity(const tinybert_model *model,
                                     const tinybert_answer *answer,
                                     tinybert_text text,
                                     tinybert_tag_place *place,
                                     tinybert_entity *entity);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TINYBERT_H */
