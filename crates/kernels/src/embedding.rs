//! Operands of the embedding sum.

/// One token's rows of the three embedding tables, each `[hidden]`.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    /// Row of the word table.
    pub word: &'a [i8],
    /// Its scale.
    pub word_scale: f32,
    /// Row of the position table.
    pub position: &'a [i8],
    /// Its scale.
    pub position_scale: f32,
    /// Row of the token type table.
    pub kind: &'a [f32],
}
