//! Answers under a watchdog: the tick ends the program with an error if the main loop has not come back from a step in
//! time. The inputs are those of the image's self-tests, and the outputs are compared with them bit by bit. With the
//! feature `at-once` the watchdog barks.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::hprintln;
use tinybert_runtime::{Error, Input, Session, Step};
use tinybert_slices::{BUDGET, end, open, start_ticks, workspace};

/// The main loop must come back within this number of ticks: 1 ms, which is a million instructions in the emulation.
const LIMIT: u32 = 10;

/// Ticks since the main loop came back.
static AWAY: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    if AWAY.fetch_add(1, Relaxed) >= LIMIT {
        end(Err("the watchdog barks: a step took too long"));
    }
}

#[entry]
fn main() -> ! {
    match answer_all() {
        Ok(()) => end(Ok(())),
        Err(_) => end(Err("the model gives no answer")),
    }
}

fn answer_all() -> Result<(), Error> {
    // SAFETY: `main` is called once and calls this function once.
    let workspace = unsafe { workspace() };
    let model = open(workspace)?;
    let mut session = model.session(workspace)?;
    AWAY.store(0, Relaxed);
    start_ticks();
    let (mut steps, mut longest) = (0, 0);
    for test in model.image().self_tests() {
        let mut feed = || {
            steps += 1;
            longest = AWAY.swap(0, Relaxed).max(longest);
        };
        answer(&mut session, Input::ids(test.ids, test.type_ids), test.outputs, &mut feed)?;
    }
    let answers = model.image().self_tests().count();
    hprintln!("{} answers in {} steps, at most {} ticks of 0.1 ms between them", answers, steps, longest);
    Ok(())
}

/// Answers an input and compares the outputs with those that the host has computed.
fn answer(
    session: &mut Session<'_, '_>,
    input: Input<'_>,
    expected: &[f32],
    feed: &mut impl FnMut(),
) -> Result<(), Error> {
    if cfg!(feature = "at-once") {
        session.run(input)?;
        feed();
    }
    let mut run = session.start(input)?;
    let reply = loop {
        match run.step(BUDGET)? {
            Step::Pending => feed(),
            Step::Done(reply) => break reply,
        }
    };
    feed();
    let bits = |outputs: &[f32]| outputs.iter().fold(0, |sum, x| x.to_bits().wrapping_add(31_u32.wrapping_mul(sum)));
    if bits(reply.answer.outputs()) != bits(expected) {
        end(Err("other bits than the host's"));
    }
    Ok(())
}
