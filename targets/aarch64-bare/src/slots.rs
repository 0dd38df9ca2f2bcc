//! Two slots for images beside the image that was built in, as `docs/updates.md` describes: the newest image that this
//! device accepts gives the answers.
//!
//! QEMU's loader fills the slots. They and the least security version stand for flash, which keeps them when the power
//! fails.

use core::fmt::Write;
use core::hint::black_box;
use core::slice;

use tinybert_console::{Board, ConsoleWriter, Model};
use tinybert_runtime::image::{Metadata, image_bytes};
use tinybert_runtime::{Error, image_metadata};

use crate::PUBLIC_KEY;

unsafe extern "C" {
    // The linker script defines these.
    static slot_0: u8;
    static slot_1: u8;
    static slots_end: u8;
    static mut least_security_version: u32;
}

/// Returns the newest image that is whole, signed and not too old, for which the workspace is large enough, whose
/// self-tests this device passes, and whose model has the name of the one that was built in: the same key may sign
/// images for other products. Then no older image will be accepted any more. Of two images that are equally new, the
/// one in slot 0 is tried first.
///
/// # Errors
/// That of the image that was built in, if no slot has an image for this device.
#[inline(never)] // Here and below: the stack that this needs is free again when answers are computed.
pub fn choose(
    board: &mut impl Board,
    built_in: &'static [u8],
    workspace: &mut [u8],
) -> Result<&'static [u8], Error> {
    let least_place = &raw mut least_security_version;
    // SAFETY: the linker script has room for the slots and the word, and nobody else writes them.
    let (slots, least) = unsafe {
        let slots =
            [slot(&raw const slot_0, &raw const slot_1), slot(&raw const slot_1, &raw const slots_end)];
        (slots, least_place.read_volatile())
    };
    let [first, second] = slots.map(whole_image);
    let is_second_newer = match (&first, &second) {
        (Ok((_, first)), Ok((_, second))) => second.precedence(first).is_gt(),
        _ => false,
    };
    let ordered = if is_second_newer { [(1, second), (0, first)] } else { [(0, first), (1, second)] };
    let name = image_metadata(built_in)?.name;
    let mut ordered = ordered.into_iter();
    while let Some((number, image)) = ordered.next() {
        let accepted = image.and_then(|(image, _)| Ok((image, accept(image, least, workspace)?)));
        // Nobody can report output that cannot be written.
        let _ = match &accepted {
            Ok((_, metadata)) if metadata.name != name => {
                writeln!(ConsoleWriter(board), "slot {number}: the image is of another model")
            }
            Ok(_) => writeln!(ConsoleWriter(board), "slot {number}: accepted"),
            Err(error) => writeln!(ConsoleWriter(board), "slot {number}: {error}"),
        };
        let Some((image, metadata)) = accepted.ok().filter(|(_, metadata)| metadata.name == name) else {
            continue;
        };
        for (other, image) in ordered {
            let _ = match image {
                Ok(_) => writeln!(ConsoleWriter(board), "slot {other}: not tried, because it is not newer"),
                Err(error) => writeln!(ConsoleWriter(board), "slot {other}: {error}"),
            };
        }
        let version = metadata.security_version;
        if version > least {
            // SAFETY: as above.
            unsafe { least_place.write_volatile(version) };
            let _ = writeln!(ConsoleWriter(board), "the least security version is now {version}");
        }
        return Ok(image);
    }
    let _ = writeln!(ConsoleWriter(board), "no slot has an image for this device");
    accept(built_in, least, workspace)?;
    Ok(built_in)
}

/// # Safety
/// Between the two lies memory that nobody writes while this program runs.
unsafe fn slot(begin: *const u8, end: *const u8) -> &'static [u8] {
    // SAFETY: as the caller promises. The compiler must not assume that the memory is as this program has it.
    black_box(unsafe { slice::from_raw_parts(begin, end as usize - begin as usize) })
}

/// Returns the image in a slot, without what lies behind it, and what it says about itself, which is not verified yet.
#[inline(never)]
fn whole_image(slot: &'static [u8]) -> Result<(&'static [u8], Metadata<&'static str>), Error> {
    let bytes = image_bytes(slot)?;
    let image = slot.get(..bytes).unwrap_or_default();
    Ok((image, image_metadata(image)?))
}

/// Verifies an image, runs its self-tests in the workspace that it will have, and returns what it says about itself.
#[inline(never)]
fn accept(image: &'static [u8], least: u32, workspace: &mut [u8]) -> Result<Metadata<&'static str>, Error> {
    let model = Model::from_signed_bytes(image, &PUBLIC_KEY, least);
    // The model stays a reference, because copies of it are large for a small stack.
    let model = model.as_ref().map_err(|error| *error)?;
    model.self_test(workspace)?;
    Ok(model.image().metadata().unwrap_or_default())
}
