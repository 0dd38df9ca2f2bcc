"""The model that everything is measured with: TinyBERT-4L-312, a classifier of two labels."""

VOCABULARY, POSITIONS, TYPES = 30522, 512, 2
LAYERS, HIDDEN, HEADS, FFN, LABELS = 4, 312, 12, 1200, 2


def multiply_adds(tokens):
    """What one answer needs; of the last layer only the first token's query, output and FFN."""
    projection, feed_forward = HIDDEN * HIDDEN, 2 * HIDDEN * FFN
    of_a_query = 2 * projection + 2 * tokens * HIDDEN + feed_forward
    keys_and_values = tokens * 2 * projection
    return LAYERS * keys_and_values + ((LAYERS - 1) * tokens + 1) * of_a_query + projection
