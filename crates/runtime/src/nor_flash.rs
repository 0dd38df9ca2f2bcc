//! Word rows in NOR flash that a driver of the crate `embedded-storage` reads.

use core::marker::PhantomData;

use embedded_storage::nor_flash::ReadNorFlash;

use crate::WordRows;

/// Most bytes of `READ_SIZE`: larger ones would need more stack than one row.
const MAX_READ_SIZE: usize = 64;

/// The word rows of an image in flash that is not memory-mapped. Reads of the flash are aligned to its `READ_SIZE`,
/// which may be at most 64 bytes.
///
/// A driver reads through `&mut self`, and a model may be shared. Therefore `lock` lends the driver to the function
/// that it is given, by whatever lock the program has:
///
/// ```
/// # use embedded_storage::nor_flash::{ErrorType, ReadNorFlash};
/// # struct Driver;
/// # impl ErrorType for Driver { type Error = core::convert::Infallible; }
/// # impl ReadNorFlash for Driver {
/// #     const READ_SIZE: usize = 1;
/// #     fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), Self::Error> { Ok(()) }
/// #     fn capacity(&self) -> usize { 0 }
/// # }
/// # struct Mutex<T>(std::sync::Mutex<T>);
/// # impl<T> Mutex<T> {
/// #     fn lock<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> R { use_it(&mut self.0.lock().unwrap()) }
/// # }
/// # static FLASH: Mutex<Driver> = Mutex(std::sync::Mutex::new(Driver));
/// use tinybert_runtime::NorFlashRows;
///
/// let rows = NorFlashRows::new(0x10_0000, |read| FLASH.lock(|flash: &mut Driver| read(flash)));
/// ```
pub struct NorFlashRows<F, L> {
    begin: u32,
    lock: L,
    /// The flash is reached through the lock only.
    flash: PhantomData<fn(&mut F)>,
}

impl<F: ReadNorFlash, L: Fn(&mut dyn FnMut(&mut F)) + Sync> NorFlashRows<F, L> {
    /// The file of word rows (`quantize --word-rows`) begins at address `begin` of the flash, which need not be
    /// aligned.
    pub fn new(begin: u32, lock: L) -> Self {
        const { assert!(F::READ_SIZE > 0 && F::READ_SIZE <= MAX_READ_SIZE, "READ_SIZE must be 1 to 64") };
        Self { begin, lock, flash: PhantomData }
    }
}

impl<F: ReadNorFlash, L: Fn(&mut dyn FnMut(&mut F)) + Sync> WordRows for NorFlashRows<F, L> {
    fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let begin = usize::try_from(self.begin).ok().and_then(|begin| begin.checked_add(offset));
        let Some(begin) = begin else { return false };
        let mut is_read = false;
        (self.lock)(&mut |flash| is_read = read(flash, begin, into).is_some());
        is_read
    }
}

/// Reads bytes from any address: the blocks at both ends through a buffer, as far as only a part of them is wanted, and
/// what lies between them at once. Returns `None` if the flash reports an error.
fn read<F: ReadNorFlash>(flash: &mut F, begin: usize, into: &mut [u8]) -> Option<()> {
    let before = begin.checked_rem(F::READ_SIZE)?;
    let head = if before == 0 { 0 } else { into.len().min(F::READ_SIZE.checked_sub(before)?) };
    let (head, rest) = into.split_at_mut_checked(head)?;
    read_part(flash, begin.checked_sub(before)?, before, head)?;
    let middle = rest.len().checked_sub(rest.len().checked_rem(F::READ_SIZE)?)?;
    let (middle, tail) = rest.split_at_mut_checked(middle)?;
    let middle_begin = begin.checked_add(head.len())?;
    if !middle.is_empty() {
        flash.read(u32::try_from(middle_begin).ok()?, middle).ok()?;
    }
    read_part(flash, middle_begin.checked_add(middle.len())?, 0, tail)
}

/// Reads `into` from the block at the aligned address `block`, without the block's first `before` bytes.
fn read_part<F: ReadNorFlash>(flash: &mut F, block: usize, before: usize, into: &mut [u8]) -> Option<()> {
    if into.is_empty() {
        return Some(());
    }
    let mut buffer = [0; MAX_READ_SIZE];
    let buffer = buffer.get_mut(..F::READ_SIZE)?;
    flash.read(u32::try_from(block).ok()?, buffer).ok()?;
    into.copy_from_slice(buffer.get(before..)?.get(..into.len())?);
    Some(())
}
