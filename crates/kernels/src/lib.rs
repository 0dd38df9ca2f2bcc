//! tinybert-kernels
#![no_std]
