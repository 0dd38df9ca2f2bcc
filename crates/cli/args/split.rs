//! Parts of the data by name.

use clap::ValueEnum;
use tinybert_data::Split;

/// Parts of the data by name; mm stands for MNLI's mismatched set.
#[derive(Clone, Copy, ValueEnum)]
pub enum SplitName {
    Train,
    Dev,
    Test,
    DevMm,
    TestMm,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Dev => Self::Dev,
            SplitName::Test => Self::Test,
            SplitName::DevMm => Self::DevMismatched,
            SplitName::TestMm => Self::TestMismatched,
        }
    }
}
