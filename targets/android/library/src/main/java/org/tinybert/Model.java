package org.tinybert;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A model image that answers texts on this device. The image stays where the buffer has it, and nothing of it is copied.
 * One thread at a time may use a model.
 */
public final class Model implements AutoCloseable {
    /** The answer of a classifier. */
    public static final class Answer {
        /** The label with the largest logit. */
        public final String label;
        /** The probability of the label, 0 to 1, by the temperature of the image. */
        public final float probability;
        /** Whether the image accepts the answer. If not, the model does not know it. */
        public final boolean accepted;
        /** The logit of every label. */
        public final float[] logits;

        Answer(byte[] label, float probability, boolean accepted, float[] logits) {
            this.label = new String(label, StandardCharsets.UTF_8);
            this.probability = probability;
            this.accepted = accepted;
            this.logits = logits;
        }
    }

    static {
        System.loadLibrary("tinybert_jni");
    }

    /** Keeps the image in memory as long as the model. */
    private final ByteBuffer image;
    private long handle;

    /**
     * Opens an image and runs its self-tests.
     *
     * @param image a direct buffer from its first byte to its capacity, such as a mapped file, which nobody writes
     * @throws IllegalArgumentException if it is no direct buffer, no whole image, or the self-tests fail
     */
    public Model(ByteBuffer image) {
        if (!image.isDirect()) {
            throw new IllegalArgumentException("the image must be in a direct buffer, such as a mapped file");
        }
        this.image = image;
        this.handle = open(image);
    }

    /**
     * Answers a text.
     *
     * @throws IllegalStateException if the model is closed or is no classifier
     */
    public Answer answer(String text) {
        if (handle == 0) {
            throw new IllegalStateException("the model is closed");
        }
        // JNI's own strings are not UTF-8.
        return answer(handle, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Frees the workspace. */
    @Override
    public void close() {
        if (handle != 0) {
            close(handle);
            handle = 0;
        }
    }

    private static native long open(ByteBuffer image);

    private static native Answer answer(long handle, byte[] text);

    private static native void close(long handle);
}
