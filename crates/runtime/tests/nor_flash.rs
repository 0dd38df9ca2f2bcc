//! Word rows in flash that a driver of `embedded-storage` reads, with every alignment that drivers ask for.

mod common;

use std::sync::Mutex;

use common::three_layers;
use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_read};
use tinybert_image::{AlignedBytes, Image, detach_words};
use tinybert_runtime::{Error, Input, Model, NorFlashRows, WordRows};

/// Flash that refuses reads which are not aligned, as drivers do, and reads of a range that is broken.
struct Flash<const READ_SIZE: usize> {
    bytes: Vec<u8>,
    broken: std::ops::Range<usize>,
    reads: usize,
}

#[derive(Debug)]
struct Fault(NorFlashErrorKind);

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

impl<const READ_SIZE: usize> ErrorType for Flash<READ_SIZE> {
    type Error = Fault;
}

impl<const READ_SIZE: usize> ReadNorFlash for Flash<READ_SIZE> {
    const READ_SIZE: usize = READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        check_read(self, offset, bytes.len()).map_err(Fault)?;
        let range = offset as usize..offset as usize + bytes.len();
        if range.start < self.broken.end && self.broken.start < range.end {
            return Err(Fault(NorFlashErrorKind::Other));
        }
        bytes.copy_from_slice(&self.bytes[range]);
        self.reads += 1;
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

fn flash<const READ_SIZE: usize>(bytes: Vec<u8>) -> Mutex<Flash<READ_SIZE>> {
    Mutex::new(Flash { bytes, broken: 0..0, reads: 0 })
}

/// Reads `length` bytes from `offset` of a file that begins at `begin`.
fn read<const N: usize>(
    flash: &Mutex<Flash<N>>,
    begin: u32,
    offset: usize,
    length: usize,
) -> Option<Vec<u8>> {
    let rows = NorFlashRows::new(begin, |read| read(&mut *flash.lock().unwrap()));
    let mut into = vec![0; length];
    rows.read(offset, &mut into).then_some(into)
}

fn every_place<const READ_SIZE: usize>() {
    let bytes: Vec<u8> = (0..=255).collect();
    let flash = flash::<READ_SIZE>(bytes.clone());
    for begin in 0..70 {
        for offset in [0, 1, 31] {
            for length in 0..100 {
                flash.lock().unwrap().reads = 0;
                let start = begin + offset;
                let found = read(&flash, begin as u32, offset, length);
                assert_eq!(found.as_deref(), Some(&bytes[start..start + length]), "{start} {length}");
                assert!(flash.lock().unwrap().reads <= 3);
            }
        }
    }
    assert_eq!(read(&flash, 200, 0, 57), None, "a byte behind the end");
    assert_eq!(read(&flash, u32::MAX, 0, 1), None);
    assert_eq!(read(&flash, 1, usize::MAX, 1), None);
    flash.lock().unwrap().broken = 100..101;
    assert_eq!(read(&flash, 0, 90, 20), None);
    assert!(read(&flash, 0, 0, 64).is_some() && read(&flash, 128, 0, 64).is_some());
}

#[test]
fn bytes_of_every_alignment_are_read() {
    every_place::<1>();
    every_place::<4>();
    every_place::<16>();
    every_place::<64>();
}

/// A model of toy sizes without its word rows, and the file of its rows.
fn detached() -> (AlignedBytes, AlignedBytes, Vec<u8>) {
    let whole = three_layers().build().unwrap();
    let (image, rows) = detach_words(&Image::from_bytes(&whole).unwrap()).unwrap();
    (whole, image, rows)
}

fn answer(model: &Model<'_>) -> Result<Vec<u32>, Error> {
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let mut session = model.session(&mut workspace)?;
    let reply = session.run(Input::text("play some jazz"))?;
    Ok(reply.answer.outputs().iter().map(|x| x.to_bits()).collect())
}

#[test]
fn answers_from_flash_are_those_of_the_whole_image_and_a_fault_is_an_error() {
    let (whole, image, rows) = detached();
    let expected = answer(&Model::from_bytes(&whole).unwrap());
    // The file begins at an odd address, behind something else.
    let begin = 13;
    let mut bytes = vec![0xa5; begin];
    bytes.extend(rows);
    bytes.resize(bytes.len().next_multiple_of(32), 0xff);
    let flash = flash::<32>(bytes);
    let rows = NorFlashRows::new(begin as u32, |read| read(&mut *flash.lock().unwrap()));
    let model = Model::from_bytes(&image).unwrap().with_word_rows(&rows);
    assert_eq!(answer(&model), expected);
    assert!(expected.is_ok());

    // `play` is the piece 5.
    let row = begin + 5 * model.config().hidden;
    flash.lock().unwrap().broken = row..row + 1;
    let result = answer(&model);
    assert!(matches!(result, Err(Error::WordRow { .. })), "{result:?}");
    let mut other = flash.lock().unwrap();
    (other.broken, other.bytes[row]) = (0..0, !other.bytes[row]);
    drop(other);
    assert_eq!(answer(&model), Err(Error::WordRow { id: 5 }), "a row that is not the image's");
}
