//! One event of TensorBoard: the protobuf message `tensorflow.Event`, in the record of a TFRecord file.

use tinybert_image::crc32c;

/// The version of the format, with which every event file begins.
const FILE_VERSION: &[u8] = b"brain.Event:2";
/// `SessionLog.SessionStatus.START`.
const START: u64 = 1;
/// What is added to a rotated CRC-32C, so that the CRC of bytes which end with their own CRC stays useful.
const MASK: u32 = 0xa282_ead8;

/// One event of an event file.
pub(super) struct Event<'a> {
    /// Seconds since 1970.
    pub wall_time: f64,
    /// The optimizer step.
    pub step: u64,
    /// What happened.
    pub what: EventKind<'a>,
}

/// What an event says.
pub(super) enum EventKind<'a> {
    /// The first event of a file.
    FileVersion,
    /// A run begins or goes on. Events of earlier files with the event's step or a later one no longer count.
    Start,
    /// Scalars by tag.
    Scalars(&'a [(String, f32)]),
}

impl Event<'_> {
    /// The bytes of the event's record: length and its masked CRC, message and its masked CRC.
    pub fn record(&self) -> Vec<u8> {
        let message = self.message();
        let length = (message.len() as u64).to_le_bytes();
        let parts = [&length[..], &masked_crc(&length), &message, &masked_crc(&message)];
        parts.concat()
    }

    /// The message, with its fields in the order of their numbers. Protobuf leaves out numbers that are 0.
    fn message(&self) -> Vec<u8> {
        let mut message = Message::default();
        message.double(1, self.wall_time);
        if self.step > 0 {
            message.integer(2, self.step);
        }
        match self.what {
            EventKind::FileVersion => message.bytes(3, FILE_VERSION),
            EventKind::Start => {
                let mut session_log = Message::default();
                session_log.integer(1, START);
                message.bytes(7, &session_log.0);
            }
            EventKind::Scalars(scalars) => {
                let mut summary = Message::default();
                for (tag, value) in scalars {
                    let mut scalar = Message::default();
                    scalar.bytes(1, tag.as_bytes());
                    scalar.float(2, *value);
                    summary.bytes(1, &scalar.0);
                }
                message.bytes(5, &summary.0);
            }
        }
        message.0
    }
}

/// The CRC-32C of `bytes` as TFRecord files have it.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(MASK).to_le_bytes()
}

/// The bytes of a protobuf message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/reference/write_events.py` has written the file with TensorBoard's own writer.
    #[test]
    fn the_bytes_are_those_of_tensorboards_own_writer() {
        let scalars = |scalars: &[(&str, f32)]| -> Vec<(String, f32)> {
            scalars.iter().map(|&(tag, value)| (tag.to_owned(), value)).collect()
        };
        let (losses, metrics) = (
            scalars(&[("prediction/loss", 0.41), ("prediction/learning_rate", 3e-5)]),
            scalars(&[("prediction/dev/values/accuracy", 0.0)]),
        );
        let event = |wall_time, step, what| Event { wall_time, step, what }.record();
        let file = [
            event(1.7e9, 0, EventKind::FileVersion),
            event(1.7e9, 301, EventKind::Start),
            event(1.7e9 + 0.25, 320, EventKind::Scalars(&losses)),
            event(1.7e9 + 0.5, 1 << 40, EventKind::Scalars(&metrics)),
        ];
        let reference = include_bytes!("../../tests/reference/events.out.tfevents.reference");
        assert_eq!(file.concat(), reference);
    }
}
