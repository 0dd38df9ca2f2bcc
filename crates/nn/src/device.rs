//! The device that training and evaluation compute on.

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, DeviceLocation};
use serde_json::{Value, json};

use tinybert_base::{Error, Result};

/// A device by the name that a user gives it: `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The processor, on all threads.
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number, from 0.
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let expected = || "expected cpu, cuda or cuda:N".to_owned();
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = name.strip_prefix("cuda:").ok_or_else(expected)?;
                number.parse().map(Self::Cuda).map_err(|_| expected())
            }
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl DeviceName {
    /// Opens the device; with `tf32`, its matrix products may round their f32 operands to 10 bits of
    /// fraction. Tensors of one run have to be on one opened device.
    ///
    /// # Errors
    /// [`Error::Usage`] for a GPU in a program without CUDA, or TF32 on the processor; [`Error::Io`] if the
    /// driver has no such GPU.
    pub fn open(self, tf32: bool) -> Result<Compute> {
        let device = match self {
            Self::Cpu if tf32 => {
                Err(Error::Usage("TF32 is a format of GPUs: use it with --device cuda".into()))
            }
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !candle_core::utils::cuda_is_available() => Err(Error::Usage(format!(
                "{self}: this program was built without CUDA; build it with `cargo build --release --features cuda`, or \
                 use --device cpu"
            ))),
            Self::Cuda(number) => {
                candle_core::cuda::set_gemm_reduced_precision_f32(tf32);
                Device::new_cuda(number)
                    .map_err(|error| Error::io(self.to_string())(std::io::Error::other(error)))
            }
        }?;
        Ok(Compute { device, tf32, teacher_bf16: false })
    }
}

/// An opened device, and how matrix products are computed there.
#[derive(Debug, Clone)]
pub struct Compute {
    /// The device of all tensors.
    pub device: Device,
    /// A GPU may round the f32 operands of matrix products to 10 bits of fraction.
    pub tf32: bool,
    /// The matrix products of a distillation's teacher are in bf16; for GPUs.
    pub teacher_bf16: bool,
}

impl Compute {
    /// The processor, which computes in f32 alone.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, tf32: false, teacher_bf16: false }
    }

    /// The device's entry in `run.json`: `"cpu"`, or a GPU's name with its number formats.
    pub fn record(&self) -> Value {
        let name = match self.device.location() {
            DeviceLocation::Cpu => return json!(DeviceName::Cpu.to_string()),
            DeviceLocation::Cuda { gpu_id } => DeviceName::Cuda(gpu_id).to_string(),
            DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
        };
        json!({ "name": name, "tf32": self.tf32, "teacher_bf16": self.teacher_bf16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for (name, device) in
            [("cpu", DeviceName::Cpu), ("cuda:0", DeviceName::Cuda(0)), ("cuda:3", DeviceName::Cuda(3))]
        {
            assert_eq!(name.parse(), Ok(device));
            assert_eq!(device.to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(wrong.parse::<DeviceName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn tf32_is_refused_on_the_processor() {
        assert_eq!(DeviceName::Cpu.open(true).unwrap_err().exit_code(), 2);
        let compute = DeviceName::Cpu.open(false).unwrap();
        assert!(compute.device.is_cpu());
        assert_eq!(compute.record(), "cpu");
    }
}
