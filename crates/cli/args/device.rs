//! The device that training and evaluation compute on.

use clap::Args;
use tinybert_base::Result;
use tinybert_nn::device::{Compute, DeviceName};
use tinybert_train::Output;

/// The device that training and evaluation compute on.
#[derive(Args)]
pub struct DeviceArgs {
    /// cpu, or cuda or cuda:N in a program that was built with CUDA.
    #[arg(long, value_name = "NAME", default_value_t, help_heading = "Device")]
    device: DeviceName,
    /// Let the GPU round the operands of its matrix products to TF32.
    #[arg(long, help_heading = "Device")]
    tf32: bool,
}

impl DeviceArgs {
    /// Opens the device.
    pub fn open(&self) -> Result<Compute> {
        self.device.open(self.tf32)
    }

    /// `output` of a run that computes on this device.
    pub fn on(&self, output: Output) -> Result<Output> {
        Ok(Output { compute: self.open()?, ..output })
    }

    /// True unless this is the processor with its defaults.
    pub fn is_given(&self) -> bool {
        self.device != DeviceName::Cpu || self.tf32
    }
}
