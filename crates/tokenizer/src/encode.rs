//! `[CLS] text [SEP]` and pairs, truncated as Hugging Face truncates.

use crate::vocabulary::Vocabulary;

/// The fewest tokens for which [`Vocabulary::encode`] must have room: `[CLS]` and two `[SEP]`.
pub const MIN_TOKENS: usize = 3;

/// The result of [`Vocabulary::encode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Number of tokens, special ones included.
    pub tokens: usize,
    /// Whether the texts had more tokens.
    pub truncated: bool,
}

/// Why a text was not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The output has room for fewer than [`MIN_TOKENS`] tokens.
    OutputTooShort,
}

impl Vocabulary<'_> {
    /// Writes `[CLS] text [SEP]` with type ids 0, or `[CLS] text [SEP] pair [SEP]` with type ids 1 behind the first
    /// `[SEP]`, truncated to the shorter of `ids` and `type_ids`.
    ///
    /// The tokens are those of Hugging Face `tokenizers` for a BERT tokenizer with its special pieces registered and
    /// `longest_first` truncation. In particular a literal `[SEP]`, `[CLS]`, `[MASK]`, `[PAD]` or `[UNK]` in a text is
    /// that special piece, not five characters: a text from an untrusted source can contain them.
    ///
    /// # Errors
    /// [`EncodeError::OutputTooShort`].
    pub fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        ids: &mut [u32],
        type_ids: &mut [u8],
    ) -> Result<Encoded, EncodeError> {
        let capacity = ids.len().min(type_ids.len());
        let ids = ids.get_mut(..capacity).filter(|ids| ids.len() >= MIN_TOKENS);
        let mut output =
            Tokens { ids: ids.ok_or(EncodeError::OutputTooShort)?, count: 0, enough: usize::MAX };
        output.push(self.special().cls);
        let (first, truncated) = match pair {
            None => self.encode_single(text, &mut output),
            Some(pair) => self.encode_pair(text, pair, &mut output),
        };
        output.push(self.special().sep);

        let second_types = type_ids.iter_mut().take(output.count).skip(first + 2);
        second_types.for_each(|type_id| *type_id = 1);
        type_ids.iter_mut().take(first + 2).for_each(|type_id| *type_id = 0);
        Ok(Encoded { tokens: output.count, truncated })
    }

    /// Returns the number of tokens of `text`, without special ones around it.
    pub fn count(&self, text: &str) -> usize {
        let mut output = Tokens { ids: &mut [], count: 0, enough: usize::MAX };
        self.tokenize(text, &mut output);
        output.count
    }

    /// Writes `text` after `[CLS]`. Returns its number of tokens and whether some were cut off.
    fn encode_single(&self, text: &str, output: &mut Tokens<'_>) -> (usize, bool) {
        let room = output.ids.len() - 2;
        // One token more than there is room for is enough to know that some are cut off.
        output.enough = output.count + room + 1;
        self.tokenize(text, output);
        let tokens = output.count - 1;
        output.count = 1 + tokens.min(room);
        (tokens.min(room), tokens > room)
    }

    /// Writes `text [SEP] pair` after `[CLS]`. Returns the number of tokens of `text` and whether tokens of either text
    /// were cut off.
    fn encode_pair(&self, text: &str, pair: &str, output: &mut Tokens<'_>) -> (usize, bool) {
        let room = output.ids.len() - 3;
        // Both texts are counted to their ends, because the number of tokens that one keeps depends on the length of
        // the other.
        self.tokenize(text, output);
        let first = output.count - 1;
        output.push(self.special().sep);
        let pair_starts = output.count;
        self.tokenize(pair, output);
        let second = output.count - pair_starts;
        if first.saturating_add(second) <= room {
            return (first, false);
        }
        let (first, second) = longest_first(first, second, room);
        output.count = 1 + first;
        output.push(self.special().sep);
        output.enough = output.count + second;
        self.tokenize(pair, output);
        output.count = output.enough;
        (first, true)
    }
}

/// Returns how many of the `first` and `second` tokens of two texts stay if there is room for `room` tokens together.
/// This is the rule that Hugging Face calls `longest_first`: the shorter text stays whole if it fits into half of the
/// room, otherwise each text gets half, and the longer one the odd token (the second one, if both are equally long).
pub fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    if first.saturating_add(second) <= room {
        return (first, second);
    }
    let shorter = first.min(second).min(room / 2);
    if first > second { (room - shorter, shorter) } else { (shorter, room - shorter) }
}

/// Receives token ids. Ids that do not fit are counted, but not stored.
pub(crate) struct Tokens<'a> {
    ids: &'a mut [u32],
    count: usize,
    enough: usize,
}

impl Tokens<'_> {
    pub(crate) fn push(&mut self, id: u32) {
        if let Some(place) = self.ids.get_mut(self.count) {
            *place = id;
        }
        self.count = self.count.saturating_add(1);
    }

    /// Returns the number of tokens so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Drops the tokens after the first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.count = count;
    }

    /// Returns whether no more tokens are needed.
    pub(crate) fn is_enough(&self) -> bool {
        self.count >= self.enough
    }
}
