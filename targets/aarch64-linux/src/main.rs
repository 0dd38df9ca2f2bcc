//! `tinybert-run IMAGE [--isa NAME]` answers each line of standard input as `targets/console` describes. A line that
//! has no answer gets a line `error: …`. With the feature `signature`, the program has the option `--public-key PEM`,
//! with which it accepts only an image that is signed with that key. `--help` says the same.
//!
//! The image is mapped, not read: nothing of it is copied, and processes share it. The weights should have the layout
//! of this CPU.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use memmap2::MmapOptions;
use tinybert_console::{AnswerLine, UnreadableLine, input, line_text};
use tinybert_runtime::kernels::{Isa, Kernels};
use tinybert_runtime::{Error as Refused, Model};

const USAGE: &str = if cfg!(feature = "signature") {
    "usage: tinybert-run IMAGE [--isa NAME] [--public-key PEM] < TEXTS"
} else {
    "usage: tinybert-run IMAGE [--isa NAME] < TEXTS"
};

const ABOUT: &str = "
Answers each line of standard input with a model image. A tab in the line separates the two texts of a pair. The answer
is a line with tabs between its columns: the label (several with | between them) or the kind of the answer, the bits of
the outputs, and the probability of each label, each word with its tag, or the score. A line that has no answer gets a
line that begins with \"error:\".

  --isa NAME         the kernels to compute with, if they read the layout of the weights; without it, the fastest";

const ABOUT_KEYS: &str = "
  --public-key PEM   the key with which the image must be signed";

const ABOUT_THE_REST: &str = "
  -h, --help         print this text
  -V, --version      print the version of the program";

/// Most bytes of a line. A model of 512 tokens reads far fewer, and no peer can fill the memory with one line.
const LINE_BYTES: u64 = 1 << 16;

type OpenResult<'a> = Result<Model<'a>, Refused>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line to standard error. Nobody can be told that this failed, and answers go on without it.
fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut kernels, mut public_key) = (Kernels::detect(), None);
    let [path, options @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    match (path.as_str(), options) {
        ("-h" | "--help", []) => {
            let keys = if cfg!(feature = "signature") { ABOUT_KEYS } else { "" };
            return Ok(writeln!(io::stdout(), "{USAGE}\n{ABOUT}{keys}{ABOUT_THE_REST}")?);
        }
        ("-V" | "--version", []) => {
            return Ok(writeln!(io::stdout(), "tinybert-run {}", env!("CARGO_PKG_VERSION"))?);
        }
        (option, _) if option.starts_with('-') => {
            return Err(format!("the first argument is the image, not {option}\n{USAGE}").into());
        }
        _ => {}
    }
    for option in options.chunks(2) {
        match option {
            [flag, name] if flag == "--isa" => {
                let found = Isa::parse(name).and_then(Kernels::with_isa);
                kernels = found.ok_or_else(|| format!("this CPU lacks {name}; it has {}", names_here()))?;
            }
            [flag, file] if flag == "--public-key" && cfg!(feature = "signature") => public_key = Some(file),
            [option, ..] => {
                return Err(format!("{option} is no option with a value behind it\n{USAGE}").into());
            }
            [] => {}
        }
    }
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    // SAFETY: an image is replaced by renaming, never written in place, so that the mapped bytes stay as they are.
    let image = unsafe { MmapOptions::new().populate().map(&file) };
    let image = image.map_err(|error| format!("{path}: {error}"))?;
    let model = match public_key {
        Some(file) => open_signed(&image, file)?,
        None => Model::from_bytes(&image),
    };
    let model = model.map_err(|error| format!("{path}: {error}"))?.with_kernels(kernels);
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let tests = model.self_test(&mut workspace)?;
    tell(format_args!("{tests} self-tests passed on {}", model.kernels().isa().name()));

    let mut session = model.session(&mut workspace)?;
    let (mut asked, mut out) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = Vec::new();
    while let Some(line) = read_line(&mut asked, &mut buffer)? {
        let Ok(line) = line else {
            writeln!(out, "error: the line is too long or not UTF-8")?;
            continue;
        };
        match session.run(input(line)) {
            Ok(reply) => {
                writeln!(out, "{}", AnswerLine { model: &model, text: line, answer: &reply.answer })?
            }
            Err(error) => writeln!(out, "error: {error}")?,
        }
    }
    Ok(())
}

/// Returns the names of the instruction sets that this CPU has.
fn names_here() -> String {
    let here: Vec<_> = Isa::ALL.into_iter().filter(|isa| Kernels::with_isa(*isa).is_some()).collect();
    here.into_iter().map(Isa::name).collect::<Vec<_>>().join(", ")
}

/// Returns the next line without its end, or `None` after the last one.
fn read_line<'b>(
    asked: &mut impl BufRead,
    buffer: &'b mut Vec<u8>,
) -> io::Result<Option<Result<&'b str, UnreadableLine>>> {
    buffer.clear();
    // The limit includes the end of the longest line.
    if asked.by_ref().take(LINE_BYTES + 1).read_until(b'\n', buffer)? == 0 {
        return Ok(None);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
    } else if buffer.len() as u64 > LINE_BYTES {
        asked.skip_until(b'\n')?;
        return Ok(Some(Err(UnreadableLine)));
    }
    Ok(Some(line_text(buffer)))
}

/// Returns the model, if it is signed with the key in `file`.
#[cfg(feature = "signature")]
fn open_signed<'a>(image: &'a [u8], file: &str) -> Result<OpenResult<'a>, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{file}: {error}");
    let pem = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    let key = tinybert_image::public_key_from_pem(&pem).map_err(|error| named(&error))?;
    Ok(Model::from_signed_bytes(image, &key, 0))
}

/// Without the feature, no caller asks for it.
#[cfg(not(feature = "signature"))]
fn open_signed<'a>(_: &'a [u8], _: &str) -> Result<OpenResult<'a>, Box<dyn Error>> {
    Err(USAGE.into())
}
