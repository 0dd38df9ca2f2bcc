//! Options that several commands share, one file per group. Options of one command stand in the command's own
//! file.

mod confidence;
mod data;
mod device;
mod distillation;
mod global;
mod layout;
mod metadata;
mod model;
mod model_folder;
mod optimizer;
mod output;
mod precision;
mod present;
mod recipe;
mod replay;
mod split;
mod units;

pub use self::confidence::ConfidenceArgs;
pub use self::data::{DataArgs, ModelAnswers};
pub use self::device::DeviceArgs;
pub use self::distillation::{DistillationArgs, TaskStageArgs};
pub use self::global::GlobalArgs;
pub use self::layout::LayoutName;
pub use self::metadata::MetadataArgs;
pub use self::model::{ModelArgs, isa_parser, max_tokens};
pub use self::model_folder::ModelFolder;
pub use self::optimizer::OptimizerArgs;
pub use self::output::OutputArgs;
pub use self::precision::{PrecisionArgs, PrecisionInputs};
pub use self::present::PresentOptions;
pub use self::recipe::RecipeOptions;
pub use self::replay::ReplayArgs;
pub use self::split::SplitName;
pub use self::units::{
    parse_bytes, parse_memory_size, parse_milliseconds, parse_points, parse_share, parse_time_limit,
};
