/*
 * TinyBERT on a device: text in, answer out, from a model image. No heap, no global state, no operating system.
 *
 * Open the image once, then run texts in a workspace of your own, of tinybert_workspace_bytes. A function that can fail
 * returns a status; unless it is TINYBERT_STATUS_OK, nothing is written through an output pointer, but for a model that
 * could not be opened: it is zeroed. A model and an image may be shared by threads as long as each has a workspace of its
 * own.
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
 How a call went. Values keep their meaning in later versions; new ones may come.
 */
enum tinybert_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   It went well.
   */
  TINYBERT_STATUS_OK = 0,
  /*
   A pointer that is needed is null.
   */
  TINYBERT_STATUS_NULL_POINTER = 1,
  /*
   A pointer is not aligned to its type, or the image not to TINYBERT_IMAGE_ALIGNMENT.
   */
  TINYBERT_STATUS_MISALIGNED = 2,
  /*
   A size is more than memory can hold or than this library takes.
   */
  TINYBERT_STATUS_TOO_LARGE = 3,
  /*
   The model has not been opened.
   */
  TINYBERT_STATUS_NOT_OPEN = 4,
  /*
   The bytes are no model image of a version that this library knows.
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
   There are no token ids, or more than the model takes.
   */
  TINYBERT_STATUS_TOKEN_COUNT = 9,
  /*
   A token id or a token type that the model does not have.
   */
  TINYBERT_STATUS_TOKEN_ID = 10,
  /*
   This device computes other bits than the host did: image, memory or processor are not to be trusted.
   */
  TINYBERT_STATUS_SELF_TEST_FAILED = 11,
  /*
   The model has no label of that number.
   */
  TINYBERT_STATUS_NO_SUCH_LABEL = 12,
  /*
   A fault of this library.
   */
  TINYBERT_STATUS_INTERNAL = 13,
  /*
   A pair of texts, but the model reads single ones.
   */
  TINYBERT_STATUS_NO_PAIRS = 14,
  /*
   The image was written without its word rows: say by tinybert_set_word_rows where they are.
   */
  TINYBERT_STATUS_WORD_ROWS_MISSING = 15,
  /*
   A word's row could not be read, or is not the one that belongs to the image.
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
   The image has no self-tests: nothing was compared.
   */
  TINYBERT_STATUS_NO_SELF_TESTS = 21,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tinybert_status tinybert_status;
#else
typedef uint32_t tinybert_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What kind of answer a model gives.
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
   A vector of length 1.
   */
  TINYBERT_KIND_EMBEDDING = 4,
  /*
   Something that this version of the interface does not know.
   */
  TINYBERT_KIND_OTHER = 5,
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
   Not for the caller.
   */
  uint64_t words[TINYBERT_MODEL_WORDS];
} tinybert_model;

/*
 Where the word rows of an image are that was written without them, for instance in SPI flash.
 */
typedef struct {
  /*
   Fills `into` with `bytes` bytes of the file of word rows from byte `offset` on; returns false where they cannot be read.
   What it gives is checked. Threads that share the model may call it at the same time.
   */
  bool (*read)(void *context, size_t offset, uint8_t *into, size_t bytes);
  /*
   Handed to `read` as it is; may be null.
   */
  void *context;
} tinybert_word_rows;

/*
 UTF-8 text that need not end with a zero.
 */
typedef struct {
  /*
   First byte; may be null if there are none.
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
   What kind of answer it is.
   */
  tinybert_kind kind;
  /*
   The label with the largest logit, where the kind is TINYBERT_KIND_LABEL; else 0.
   */
  uint32_t label;
  /*
   The head's outputs. They lie in the workspace and live until it is used again.
   */
  const float *outputs;
  /*
   Number of outputs.
   */
  size_t output_count;
  /*
   Tokens the input had, special ones included.
   */
  size_t tokens;
  /*
   The text was too long and has been cut.
   */
  bool truncated;
} tinybert_answer;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Checks the whole image and makes `model` ready. The image must begin at a multiple of TINYBERT_IMAGE_ALIGNMENT bytes and
 stay where it is, unchanged, while the model is used; nothing of it is copied. There is nothing to close. If it fails, `model`
 is zeroed and not open, even if it was open before.

 # Safety
 `image` points to `image_bytes` bytes and `model` to a model.
 */
tinybert_status tinybert_open(const uint8_t *image,
                              size_t image_bytes,
                              tinybert_model *model);

#if defined(TINYBERT_SIGNATURE)
/*
 `tinybert_open` for an image that the holder of an Ed25519 key has signed: refuses one that is not signed, or with another
 key, or was changed since, before it looks at what is in it. The public key has TINYBERT_PUBLIC_KEY_BYTES bytes and is not
 needed afterwards; it is as trustworthy as the memory that it lies in.

 # Safety
 `image` points to `image_bytes` bytes, `public_key` to 32 and `model` to a model.
 */
tinybert_status tinybert_open_signed(const uint8_t *image,
                                     size_t image_bytes,
                                     const uint8_t *public_key,
                                     tinybert_model *model);
#endif

/*
 Says where the word rows are of an image that was written without them (`quantize --word-rows`): each is read when it is
 needed, into the workspace, and checked. `rows` must stay where it is, unchanged, while the model or a copy of it is used. An
 image that has its word rows needs none.

 # Safety
 `model` points to a model that is zero or was opened, and that nobody uses meanwhile; `rows` to word rows whose `read`, if
 it is not null, may be called with their `context` by whoever uses the model, and writes no more than it is asked for.
 */
tinybert_status tinybert_set_word_rows(tinybert_model *model,
                                       const tinybert_word_rows *rows);

/*
 Bytes of workspace that the model's longest input needs, wherever the workspace begins; 0 if the model is not open. This
 library computes it: for another version than made `model.h` (`inspect --header`) it may be a little more or less than there.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_workspace_bytes(const tinybert_model *model);

/*
 Number of outputs that an answer has, for tags each token's; 0 if the model is not open.

 # Safety
 `model` points to a model that is zero or was opened.
 */
size_t tinybert_output_count(const tinybert_model *model);

/*
 Runs the image's self-tests and compares their outputs bit by bit with those that the host computed: whether this device
 computes what the host measured. An image without any gives TINYBERT_STATUS_NO_SELF_TESTS; whether to go on is the caller's
 to say.

 # Safety
 `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody else's.
 */
tinybert_status tinybert_self_test(const tinybert_model *model,
                                   uint8_t *workspace,
                                   size_t workspace_bytes);

/*
 Answers a text.

 # Safety
 `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody else's, the
 text to as many bytes as it says, `answer` to an answer.
 */
tinybert_status tinybert_run_text(const tinybert_model *model,
                                  uint8_t *workspace,
                                  size_t workspace_bytes,
                                  tinybert_text text,
                                  tinybert_answer *answer);

/*
 Answers a pair of texts.

 # Safety
 As `tinybert_run_text`.
 */
tinybert_status tinybert_run_pair(const tinybert_model *model,
                                  uint8_t *workspace,
                                  size_t workspace_bytes,
                                  tinybert_text text,
                                  tinybert_text pair,
                                  tinybert_answer *answer);

/*
 Answers token ids, special ones included, with a token type each.

 # Safety
 As `tinybert_run_text`; `ids` and `type_ids` point to `count` elements.
 */
tinybert_status tinybert_run_ids(const tinybert_model *model,
                                 uint8_t *workspace,
                                 size_t workspace_bytes,
                                 const uint32_t *ids,
                                 const uint8_t *type_ids,
                                 size_t count,
                                 tinybert_answer *answer);

/*
 The name of a label; it lies in the image.

 # Safety
 `model` points to a model that is zero or was opened, `name` to a text.
 */
tinybert_status tinybert_label(const tinybert_model *model, uint32_t label, tinybert_text *name);

#if defined(TINYBERT_STATUS_TEXT)
/*
 What a status means, in English, ending with a zero.
 */
const char *tinybert_status_text(uint32_t status);
#endif

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TINYBERT_H */
