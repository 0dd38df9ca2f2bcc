//! Says which extensions of Cortex-M cores this build may use. Stable Rust shows no extension of 32-bit Arm to
//! `cfg(target_feature)`, so that they are read off the target and the compiler's flags.
//!
//! For an extension `x`, `cfg(arm_x)` says that its kernels are compiled. `cfg(arm_x_optional)` says that the target
//! alone does not promise it, so that the assembler has to be told. `cfg(arm_x_detect)` says that the flags do not
//! promise it either, so that the core has to be asked (feature `id-registers`). `cfg(arm_thumb1)` says that the target
//! promises no instructions beyond Thumb-1.

use std::env;

/// An extension, and who is known to have it.
struct Extension {
    /// Its name in `-Ctarget-feature`.
    name: &'static str,
    /// Targets whose cores all have it.
    targets: &'static [&'static str],
    /// Targets of which some cores have it.
    possible: &'static [&'static str],
    /// Cores, as `-Ctarget-cpu` names them.
    cores: &'static [&'static str],
}

/// Cores with MVE are not among those with DSP, although they have it: they never choose its kernels. Besides, the
/// compiler would make vectors of the f32 loops of these kernels, which flush subnormal numbers.
const EXTENSIONS: [Extension; 2] = [
    Extension {
        name: "dsp",
        targets: &["thumbv7em-none-eabi", "thumbv7em-none-eabihf"],
        possible: &["thumbv7m-none-eabi", "thumbv8m.main-none-eabi", "thumbv8m.main-none-eabihf"],
        cores: &["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m35p"],
    },
    // With f32, which some of the cores may lack.
    Extension {
        name: "mve",
        targets: &[],
        possible: &["thumbv8m.main-none-eabihf"],
        cores: &["cortex-m52", "cortex-m55", "cortex-m85"],
    },
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    // Cores without the 32-bit instructions of Thumb-2.
    println!("cargo::rustc-check-cfg=cfg(arm_thumb1)");
    if ["thumbv6m-", "thumbv8m.base-"].iter().any(|family| target.starts_with(family)) {
        println!("cargo::rustc-cfg=arm_thumb1");
    }
    let ask = env::var_os("CARGO_FEATURE_ID_REGISTERS").is_some();
    let vectors = EXTENSIONS.iter().any(|extension| extension.name == "mve" && extension.is_in(&flags));
    for extension in EXTENSIONS {
        let name = extension.name;
        println!("cargo::rustc-check-cfg=cfg(arm_{name}, arm_{name}_optional, arm_{name}_detect)");
        let possible = extension.possible.contains(&target.as_str()) && (name == "mve" || !vectors);
        let sure = extension.targets.contains(&target.as_str()) || possible && extension.is_in(&flags);
        if sure || possible && ask {
            println!("cargo::rustc-cfg=arm_{name}");
        }
        if possible {
            println!("cargo::rustc-cfg=arm_{name}_optional");
        }
        if !sure && possible && ask {
            println!("cargo::rustc-cfg=arm_{name}_detect");
        }
    }
}

impl Extension {
    /// Returns whether the compiler's flags, separated by 0x1f, switch the extension on. Later flags count more.
    fn is_in(&self, flags: &str) -> bool {
        let (mut by_core, mut by_name) = (false, None);
        let options = flags.split('\x1f').map(|flag| flag.strip_prefix("-C").unwrap_or(flag));
        for (option, value) in options.filter_map(|option| option.trim().split_once('=')) {
            match option {
                "target-cpu" => by_core = self.cores.contains(&value),
                "target-feature" => {
                    for (sign, name) in value.split(',').filter_map(|feature| feature.split_at_checked(1)) {
                        if name == self.name {
                            by_name = Some(sign == "+");
                        }
                    }
                }
                _ => {}
            }
        }
        by_name.unwrap_or(by_core)
    }
}
