//! Answers as a task of the executor embassy, while another task makes a lamp blink at every tick. With the feature
//! `at-once` the lamp stands still during an answer.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m_rt::exception;
use cortex_m_semihosting::hprintln;
use embassy_executor::Spawner;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use tinybert_runtime::{Error, Input, Step};
use tinybert_slices::{BUDGET, end, open, start_ticks, workspace};

/// Ticks between two changes of the lamp: 1 ms.
const PERIOD: u32 = 10;
/// The register of the board's lamps.
const LAMPS: *mut u32 = 0x4002_8000 as *mut u32;

/// The lamp is due.
static DUE: Signal<CriticalSectionRawMutex, ()> = Signal::new();
/// How often the lamp was due, and how often it was changed.
static PERIODS: AtomicU32 = AtomicU32::new(0);
static BLINKS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    static mut TICKS: u32 = 0;
    *TICKS = TICKS.wrapping_add(1);
    if TICKS.is_multiple_of(PERIOD) {
        PERIODS.fetch_add(1, Relaxed);
        DUE.signal(());
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let spawned = spawner.spawn(blink()).and_then(|()| spawner.spawn(answer()));
    if spawned.is_err() {
        end(Err("a task was not spawned"));
    }
}

#[embassy_executor::task]
async fn blink() {
    loop {
        DUE.wait().await;
        let blinks = BLINKS.fetch_add(1, Relaxed);
        // SAFETY: the board has this register, which switches lamps and nothing else.
        unsafe { LAMPS.write_volatile(blinks & 1) };
    }
}

#[embassy_executor::task]
async fn answer() {
    let Ok(answers) = answer_all().await else { end(Err("the model gives no answer")) };
    let (periods, blinks) = (PERIODS.load(Relaxed), BLINKS.load(Relaxed));
    hprintln!("{} answers, while the lamp was due {} times and blinked {} times", answers, periods, blinks);
    // The last period may still be due.
    end(if blinks + 1 >= periods { Ok(()) } else { Err("the lamp did not blink whenever it was due") })
}

/// Answers the inputs of the image's self-tests and returns their number.
async fn answer_all() -> Result<usize, Error> {
    // SAFETY: `main` spawns one task, which calls this function once.
    let workspace = unsafe { workspace() };
    let model = open(workspace)?;
    let mut session = model.session(workspace)?;
    start_ticks();
    let budget = if cfg!(feature = "at-once") { usize::MAX } else { BUDGET };
    for test in model.image().self_tests() {
        let mut run = session.start(Input::ids(test.ids, test.type_ids))?;
        while let Step::Pending = run.step(budget)? {
            yield_now().await;
        }
        yield_now().await;
    }
    Ok(model.image().self_tests().count())
}
