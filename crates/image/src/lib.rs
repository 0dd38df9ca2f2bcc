//! tinybert-image
#![no_std]
