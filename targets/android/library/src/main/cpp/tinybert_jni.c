/* The C interface behind org.tinybert.Model. A handle is a pointer to an opened model and its workspace. */
#include <jni.h>
#include <stdlib.h>

#include "tinybert.h"

typedef struct {
    tinybert_model model;
    size_t workspace_bytes;
    uint8_t *workspace;
} opened;

static void throw_new(JNIEnv *env, const char *name, const char *message)
{
    jclass class = (*env)->FindClass(env, name);
    if (class) (*env)->ThrowNew(env, class, message);
}

/* Throws what a status means. */
static void throw_status(JNIEnv *env, const char *name, tinybert_status status)
{
    throw_new(env, name, tinybert_status_text(status));
}

static void close_model(opened *it)
{
    free(it->workspace);
    free(it);
}

JNIEXPORT jlong JNICALL Java_org_tinybert_Model_open(JNIEnv *env, jclass class, jobject image)
{
    (void)class;
    const uint8_t *bytes = (*env)->GetDirectBufferAddress(env, image);
    jlong length = (*env)->GetDirectBufferCapacity(env, image);
    opened *it = calloc(1, sizeof *it);
    if (!it || !bytes || length < 0) {
        free(it);
        throw_new(env, "java/lang/OutOfMemoryError", "no memory for the model, or no address of the image");
        return 0;
    }
    tinybert_status status = tinybert_open(bytes, (size_t)length, &it->model);
    if (status == TINYBERT_STATUS_OK) {
        it->workspace_bytes = tinybert_workspace_bytes(&it->model);
        it->workspace = malloc(it->workspace_bytes);
        if (!it->workspace) {
            close_model(it);
            throw_new(env, "java/lang/OutOfMemoryError", "no memory for the workspace");
            return 0;
        }
        status = tinybert_self_test(&it->model, it->workspace, it->workspace_bytes);
    }
    if (status != TINYBERT_STATUS_OK) {
        close_model(it);
        throw_status(env, "java/lang/IllegalArgumentException", status);
        return 0;
    }
    return (jlong)(intptr_t)it;
}

/* Returns a new byte array, or null with a pending exception. */
static jbyteArray bytes_of(JNIEnv *env, tinybert_text text)
{
    jbyteArray array = (*env)->NewByteArray(env, (jsize)text.length);
    if (array) (*env)->SetByteArrayRegion(env, array, 0, (jsize)text.length, (const jbyte *)text.bytes);
    return array;
}

/* Returns a new org.tinybert.Model.Answer, or null with a pending exception. */
static jobject answer_object(JNIEnv *env, const opened *it, const tinybert_answer *answer)
{
    tinybert_text name;
    tinybert_confidence confidence;
    tinybert_status status = tinybert_confidence_of(&it->model, answer, &confidence);
    if (status == TINYBERT_STATUS_OK) status = tinybert_label(&it->model, answer->label, &name);
    if (status != TINYBERT_STATUS_OK) {
        throw_new(env, "java/lang/IllegalStateException", "the model does not give one label for a text");
        return NULL;
    }
    jbyteArray label = bytes_of(env, name);
    jfloatArray logits = label ? (*env)->NewFloatArray(env, (jsize)answer->output_count) : NULL;
    if (!logits) return NULL;
    (*env)->SetFloatArrayRegion(env, logits, 0, (jsize)answer->output_count, answer->outputs);
    jclass class = (*env)->FindClass(env, "org/tinybert/Model$Answer");
    jmethodID constructor = class ? (*env)->GetMethodID(env, class, "<init>", "([BFZ[F)V") : NULL;
    if (!constructor) return NULL;
    return (*env)->NewObject(env, class, constructor, label, (jfloat)confidence.probability,
                             (jboolean)confidence.accepted, logits);
}

JNIEXPORT jobject JNICALL Java_org_tinybert_Model_answer(JNIEnv *env, jclass class, jlong handle, jbyteArray text)
{
    (void)class;
    opened *it = (opened *)(intptr_t)handle;
    jsize length = (*env)->GetArrayLength(env, text);
    jbyte *bytes = (*env)->GetByteArrayElements(env, text, NULL);
    if (!bytes) return NULL;
    tinybert_text read = { (const char *)bytes, (size_t)length };
    tinybert_answer answer;
    tinybert_status status = tinybert_run_text(&it->model, it->workspace, it->workspace_bytes, read, &answer);
    (*env)->ReleaseByteArrayElements(env, text, bytes, JNI_ABORT);
    if (status != TINYBERT_STATUS_OK) {
        throw_status(env, "java/lang/IllegalStateException", status);
        return NULL;
    }
    return answer_object(env, it, &answer);
}

JNIEXPORT void JNICALL Java_org_tinybert_Model_close(JNIEnv *env, jclass class, jlong handle)
{
    (void)env;
    (void)class;
    close_model((opened *)(intptr_t)handle);
}
