//! Task data and corpora, from file to batch.
