//! The loop of the firmware, which is the same on every board.

use core::fmt::{self, Write};

use tinybert_runtime::{Error, Model};

use crate::{AnswerLine, UnreadableLine, input, line_text};

/// Control-D, which ends the input.
const END: u8 = 4;

/// The console and the clock of a board.
pub trait Board {
    /// Waits for the next byte from the console.
    fn read(&mut self) -> u8;

    /// Writes a byte to the console.
    fn write(&mut self, byte: u8);

    /// Returns the value of a counter of the core's cycles, which may wrap around.
    fn cycles(&self) -> u32;
}

/// Runs the image's self-tests, which show that this board computes what the host computed. Then
/// answers the console's lines until Control-D and prints the cycles of each answer. Lines may be as long as `buffer`.
///
/// # Errors
/// The fault of the workspace or the board.
#[inline(never)] // The stack that this needs is not taken yet while an image is opened and verified.
pub fn serve(
    board: &mut impl Board,
    model: &Model<'_>,
    workspace: &mut [u8],
    buffer: &mut [u8],
) -> Result<(), Error> {
    let tests = model.self_test(workspace)?;
    // Here and below, nobody can report output that cannot be written.
    let _ = writeln!(ConsoleWriter(board), "{tests} self-tests passed on {}", model.kernels().isa().name());

    let mut session = model.session(workspace)?;
    while let Some(line) = read_line(board, buffer) {
        let Ok(line) = line else {
            let _ = writeln!(ConsoleWriter(board), "error: the line is too long or not UTF-8");
            continue;
        };
        let start = board.cycles();
        let reply = session.run(input(line));
        let cycles = board.cycles().wrapping_sub(start);
        let _ = match &reply {
            Ok(reply) => {
                writeln!(
                    ConsoleWriter(board),
                    "{}\t{cycles} cycles",
                    AnswerLine { model, text: line, answer: &reply.answer }
                )
            }
            Err(error) => writeln!(ConsoleWriter(board), "error: {error}"),
        };
    }
    Ok(())
}

/// The console of a board, for `write!`.
pub struct ConsoleWriter<'b, B>(pub &'b mut B);

impl<B: Board> Write for ConsoleWriter<'_, B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.0.write(byte));
        Ok(())
    }
}

/// Returns the next line without its end, or `None` after the last one.
fn read_line<'l>(board: &mut impl Board, buffer: &'l mut [u8]) -> Option<Result<&'l str, UnreadableLine>> {
    let mut length: usize = 0;
    loop {
        match board.read() {
            END => return None,
            b'\n' => break,
            byte => {
                if let Some(place) = buffer.get_mut(length) {
                    *place = byte;
                }
                length = length.saturating_add(1);
            }
        }
    }
    Some(buffer.get(..length).ok_or(UnreadableLine).and_then(line_text))
}
