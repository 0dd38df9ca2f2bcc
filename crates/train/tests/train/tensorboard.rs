//! Event files for TensorBoard, read as TensorBoard reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tinybert_base::{Context, Error};
use tinybert_testing::runs::{metrics, output, run_fine_tune, run_task};
use tinybert_testing::toy;
use tinybert_train::Output;

/// Scalars by tag: steps and values.
type Scalars = BTreeMap<String, Vec<(u64, f32)>>;

/// A field of a protobuf message: its number, its value if that is a number, and its bytes if it has some.
fn fields(mut message: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (&byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let (value, length) = match key & 7 {
            0 => (varint(&mut message), 0),
            1 => (0, 8),
            2 => (0, varint(&mut message) as usize),
            5 => (0, 4),
            other => panic!("wire type {other}"),
        };
        let (bytes, rest) = message.split_at(length);
        message = rest;
        fields.push((key >> 3, value, bytes));
    }
    fields
}

/// What TensorBoard shows of the files in `folder`: at the start of a file's run, earlier events with its step or a
/// later one no longer count.
fn shown(folder: &Path) -> Scalars {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut scalars = Scalars::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = fields(&rest[12..12 + length]);
            rest = &rest[16 + length..];
            let step = event.iter().find(|(number, ..)| *number == 2).map_or(0, |(_, step, _)| *step);
            for (number, _, bytes) in event {
                match number {
                    7 => {
                        scalars.values_mut().for_each(|points| points.retain(|(earlier, _)| *earlier < step))
                    }
                    5 => {
                        for (_, _, scalar) in fields(bytes) {
                            let [(1, _, tag), (2, _, value)] = fields(scalar)[..] else { panic!() };
                            let value = f32::from_le_bytes(value.try_into().unwrap());
                            let tag = String::from_utf8(tag.to_vec()).unwrap();
                            scalars.entry(tag).or_default().push((step, value));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    scalars
}

/// The losses, rates and metrics in the lines of `metrics.jsonl`.
fn expected(lines: &[Value]) -> Scalars {
    fn collect(path: &str, value: &Value, step: u64, scalars: &mut Scalars) {
        match value {
            Value::Object(inner) => {
                inner
                    .iter()
                    .for_each(|(name, value)| collect(&format!("{path}/{name}"), value, step, scalars));
            }
            Value::Number(number) if number.is_f64() => {
                let value = number.as_f64().unwrap() as f32;
                scalars.entry(path.into()).or_default().push((step, value));
            }
            _ => {}
        }
    }
    let (mut scalars, mut before, mut last) = (Scalars::new(), 0, ("", 0));
    for line in lines {
        let (session, step) = (line["session"].as_str().unwrap(), line["step"].as_u64().unwrap());
        if session != last.0 {
            before += last.1;
        }
        last = (session, step);
        collect(session, line, before + step, &mut scalars);
    }
    scalars
}

/// Makes sure that TensorBoard shows in `folder` what the metrics of `out` say. Times are left out.
fn agree(folder: &Path, out: &Path) {
    let mut shown = shown(folder);
    shown.retain(|tag, _| !tag.ends_with("/seconds"));
    assert_eq!(shown, expected(&metrics(out)));
}

#[test]
fn a_run_of_two_sessions_in_parts_has_no_step_twice() {
    let place = tempfile::tempdir().unwrap();
    let (out, events) = (place.path().join("out"), place.path().join("events"));
    let mut stops = 0;
    for steps in [4, 1, 2, 5].into_iter().cycle() {
        let stop = toy::StopAfter::new(steps);
        let output = Output { tensorboard: Some(events.clone()), ..output(&out, stops > 0) };
        match run_task(place.path(), output, &stop.context()) {
            Ok(()) => break,
            Err(Error::Interrupted(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 20);
    }
    assert!(stops > 2);
    assert_eq!(fs::read_dir(&events).unwrap().count(), 1 + stops);
    agree(&events, &out);
    let shown = shown(&events);
    let steps = |tag: &str| shown[tag].iter().map(|(step, _)| *step).collect::<Vec<_>>();
    // 5 steps of one intermediate epoch; 10 of two prediction epochs, with two evaluations each.
    assert_eq!(steps("intermediate/learning_rate"), [5]);
    assert_eq!(steps("prediction/dev/values/accuracy"), [8, 10, 13, 15]);
}

/// A process that dies has written events after its last checkpoint.
#[test]
fn events_behind_the_checkpoint_count_no_more() {
    let place = tempfile::tempdir().unwrap();
    let (out, events) = (place.path().join("out"), place.path().join("events"));
    let output = |resume| Output {
        tensorboard: Some(events.clone()),
        checkpoint_steps: Some(4),
        ..output(&out, resume)
    };
    let stop = toy::StopAfter::new(11);
    run_fine_tune(place.path(), output(false), &stop.context()).unwrap_err();
    // As if the process had died before it wrote its last checkpoint: only the one after 8 steps is left, and an
    // evaluation came after 10.
    fs::remove_dir_all(toy::run_folder(&out).join("step-00000011")).unwrap();
    run_fine_tune(place.path(), output(true), &Context::default()).unwrap();
    agree(&events, &out);
}

#[test]
fn another_run_in_the_same_folder_takes_the_place_of_the_first() {
    let place = tempfile::tempdir().unwrap();
    let (out, events) = (place.path().join("out"), place.path().join("events"));
    for _ in 0..2 {
        let output = Output { tensorboard: Some(events.clone()), ..output(&out, false) };
        run_fine_tune(place.path(), output, &Context::default()).unwrap();
    }
    agree(&events, &out);
}

#[test]
fn a_folder_that_cannot_be_is_refused_before_the_first_step() {
    let place = tempfile::tempdir().unwrap();
    let (out, events) = (place.path().join("out"), place.path().join("events"));
    fs::write(&events, "mine").unwrap();
    let output = Output { tensorboard: Some(events.clone()), ..output(&out, false) };
    let error = run_fine_tune(place.path(), output, &Context::default()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&events)), "{error}");
}
