//! Token ids equal to those of Hugging Face `tokenizers`, with no difference allowed.

mod both;
mod scalars;
mod strings;
mod texts;
