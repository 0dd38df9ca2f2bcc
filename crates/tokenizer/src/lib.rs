//! tinybert-tokenizer
#![no_std]
