//! `bench`: measures the latency of an image on this machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tinybert_base::{Error, Result};
use tinybert_evaluate::{latency, predictor};
use tinybert_model::image_file::ImageFile;
use tinybert_runtime::kernels::Isa;

use crate::args::isa_parser;
use crate::invocation::Invocation;
use crate::standard_output::{print_json, print_line};

/// Times an image on this machine, after warm-up, one answer after the other; `--threads` is the number of
/// threads that share one answer [default: 1].
#[derive(Args)]
pub struct BenchArgs {
    /// The image.
    image: PathBuf,
    /// Input lengths in tokens [default: those of 16,32,64,128 that the image takes, or the longest that it
    /// takes].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    seq: Vec<usize>,
    /// Seconds to measure each length, at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    min_time: f64,
    /// Instruction set [default: the best of this machine].
    #[arg(long, value_name = "NAME", value_parser = isa_parser())]
    isa: Option<Isa>,
    /// Print a JSON object per length.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &BenchArgs, invocation: &Invocation) -> Result<()> {
    let min_time = Duration::try_from_secs_f64(args.min_time)
        .map_err(|error| Error::Usage(format!("--min-time {}: {error}", args.min_time)))?;
    let mut image = ImageFile::open(&args.image)?;
    if let Some(isa) = args.isa {
        image = image.with_kernels(predictor::kernels(isa)?);
    }
    let image = image.native()?;
    let model = image.model()?;
    let threads = invocation.global.threads.map_or(1, usize::from);
    let lengths = match args.seq.is_empty() {
        true => usual_lengths(model.config().max_tokens),
        false => args.seq.clone(),
    };
    for seq in lengths {
        let latency = latency::latency(&model, seq, threads, min_time)?;
        if args.json {
            print_json(&json!(latency))?;
        } else {
            let latency::MeasuredLatency { seq, median_ms, min_ms, runs } = latency;
            print_line(format_args!(
                "{seq:4} tokens: median {median_ms:.3} ms, best {min_ms:.3} ms of {runs} runs"
            ))?;
        }
    }
    Ok(())
}

/// The lengths in tokens that are measured for an image that takes `longest`.
fn usual_lengths(longest: usize) -> Vec<usize> {
    let mut lengths = vec![16, 32, 64, 128];
    lengths.retain(|&length| length <= longest);
    if lengths.is_empty() { vec![longest] } else { lengths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_is_longer_than_the_image_takes_and_there_is_always_one() {
        assert_eq!(usual_lengths(512), [16, 32, 64, 128]);
        assert_eq!(usual_lengths(48), [16, 32]);
        assert_eq!(usual_lengths(9), [9]);
    }
}
