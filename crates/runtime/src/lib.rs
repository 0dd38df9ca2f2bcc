//! tinybert-runtime
#![no_std]
