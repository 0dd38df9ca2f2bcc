//! What a Raspberry Pi 3 wants before its PL011 is a console: the pins of the header, and the baud rate.

unsafe extern "C" {
    /// GPFSEL0 and GPFSEL1, which say what each pin is connected to, three bits per pin.
    static mut gpio: [u32; 2];
}

/// Pins 14 and 15 in GPFSEL1, connected to the PL011 (alternate function 0).
const PINS: u32 = 0o77 << 12;
const PL011: u32 = 0o44 << 12;
/// Baud rate: 48 MHz / (16 × (26 + 3/64)) = 115,200.
const IBRD: (usize, u32) = (0x24 / 4, 26);
const FBRD: (usize, u32) = (0x28 / 4, 3);
/// Eight bits, with queues.
const LCRH: (usize, u32) = (0x2c / 4, 0b111 << 4);

/// Connects the UART, whose registers begin at `uart`, to the pins 14 and 15 at 115,200 baud.
pub fn connect(uart: *mut u32) {
    let select = (&raw mut gpio).cast::<u32>().wrapping_add(1);
    // SAFETY: the linker script says that the registers are there, and start.s has mapped them as a device's.
    unsafe {
        select.write_volatile(select.read_volatile() & !PINS | PL011);
        for (register, value) in [IBRD, FBRD, LCRH] {
            uart.wrapping_add(register).write_volatile(value);
        }
    }
}
