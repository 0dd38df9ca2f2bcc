//! Hugging Face folders: reading, auditing, writing.
