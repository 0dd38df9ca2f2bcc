//! Hugging Face's BERT tokenizer as the oracle.

use tinybert_tokenizer::{MIN_TOKENS, Options, Vocabulary, words};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, NormalizedString, Normalizer, Tokenizer, TruncationParams};

/// The pieces every vocabulary here begins with.
pub const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The same vocabulary in Hugging Face's tokenizer and packed in ours.
pub struct Both<'a> {
    huggingface: Tokenizer,
    vocabulary: Vocabulary<'a>,
    ids: Vec<u32>,
    type_ids: Vec<u8>,
}

impl<'a> Both<'a> {
    /// `packed` is what `pack` makes of `pieces`.
    pub fn new(pieces: &[&str], packed: &'a [u8]) -> Self {
        let vocabulary = Vocabulary::from_bytes(packed).unwrap();
        let vocab = WordPiece::read_bytes(pieces.join("\n").as_bytes()).unwrap();
        let id = |piece: &str| pieces.iter().rposition(|p| *p == piece).unwrap() as u32;
        let model = WordPiece::builder().vocab(vocab).build().unwrap();
        let mut huggingface = Tokenizer::new(model);
        huggingface.with_normalizer(Some(normalizer(vocabulary.options()))).unwrap();
        huggingface.with_pre_tokenizer(Some(BertPreTokenizer));
        huggingface.with_post_processor(Some(BertProcessing::new(
            ("[SEP]".into(), id("[SEP]")),
            ("[CLS]".into(), id("[CLS]")),
        )));
        // `from_pretrained` registers these as special, not normalised, with neither side stripped.
        let special: Vec<_> = SPECIAL.iter().filter(|s| pieces.contains(s)).collect();
        huggingface.add_special_tokens(special.iter().map(|s| AddedToken::from(**s, true))).unwrap();
        Self { huggingface, vocabulary, ids: vec![0; 4096], type_ids: vec![0; 4096] }
    }

    /// Fails unless both give the same ids and type ids with at most `max_tokens`.
    pub fn compare(&mut self, text: &str, pair: Option<&str>, max_tokens: usize) {
        assert!((MIN_TOKENS..=self.ids.len()).contains(&max_tokens));
        // The two texts are encoded without a limit and cut afterwards. tokenizers 0.23 would cut each of them to the
        // limit before it compares their lengths, and so give the odd token to the wrong one.
        self.huggingface.with_truncation(None).unwrap();
        let first = self.huggingface.encode(text, false).unwrap();
        let second = pair.map(|pair| {
            let mut second = self.huggingface.encode(pair, false).unwrap();
            second.set_type_ids(vec![1; second.len()]);
            second
        });
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        self.huggingface.with_truncation(Some(truncation)).unwrap();
        let expected = self.huggingface.post_process(first, second, true).unwrap();

        let (ids, type_ids) = (&mut self.ids[..max_tokens], &mut self.type_ids[..max_tokens]);
        let encoded = self.vocabulary.encode(text, pair, ids, type_ids).unwrap();
        let of_words: usize = words(text).map(|word| self.vocabulary.count(&text[word])).sum();
        assert_eq!(of_words, self.vocabulary.count(text), "{text:?} has other tokens word by word");
        let found_types: Vec<u32> = type_ids[..encoded.tokens].iter().map(|&t| t.into()).collect();
        if ids[..encoded.tokens] != *expected.get_ids()
            || found_types != expected.get_type_ids()
            || encoded.truncated == expected.get_overflowing().is_empty()
        {
            panic!(
                "{text:?} with {pair:?} in {max_tokens} tokens:\n found {:?} {found_types:?} truncated {}\n not   {:?} {:?} {:?}",
                &ids[..encoded.tokens],
                encoded.truncated,
                expected.get_ids(),
                expected.get_type_ids(),
                expected.get_tokens(),
            );
        }
    }
}

fn normalizer(options: Options) -> BertNormalizer {
    BertNormalizer::new(true, options.split_chinese, Some(options.strip_accents), options.lowercase)
}

/// A text as Hugging Face normalises it.
pub fn normalize(text: &str, options: Options) -> String {
    let mut normalized = NormalizedString::from(text);
    normalizer(options).normalize(&mut normalized).unwrap();
    normalized.get().to_owned()
}
