//! Answers in slices, so that the core is free in between.

use core::mem;

use tinybert_runtime::{Input, Run, Session, Step};

use crate::memory::{place, slice, slice_mut};
use crate::status::call_status;
use crate::{CAnswer, CText, Handle, Status, write_answer};

/// Words of a run.
pub const RUN_WORDS: usize = 48;

/// The first word of a run that has been started. Zeroed memory does not have it.
const STARTED: u64 = u64::from_le_bytes(*b"RunBegan");

/// An answer that is being computed in slices. Its contents are this library's alone; it must not be copied or moved
/// between `tinybert_start` and the end of the run. It needs no initial value.
#[derive(Debug)]
#[repr(C)]
pub struct CRun {
    /// The caller must not use them.
    pub words: [u64; RUN_WORDS],
}

/// The contents of the words. No reference to the whole is ever made, because `run` refers to `session`.
#[repr(C)]
struct StartedRun {
    started: u64,
    session: Session<'static, 'static>,
    run: Run<'static, 'static, 'static>,
}

const _: () = assert!(
    size_of::<StartedRun>() <= size_of::<CRun>()
        && align_of::<StartedRun>() <= align_of::<CRun>()
        && !mem::needs_drop::<StartedRun>()
);

/// Reads a text and starts the computation of its answer in slices. Only the text is read here; `tinybert_step`
/// computes the answer. Until the run has ended, `model`, the workspace, the text and `run` stay where they are and are
/// nobody else's. A run ends when `tinybert_step` returns TINYBERT_STATUS_OK, by `tinybert_cancel`, or by the next
/// start with the same `run`.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody else's,
/// the text to as many bytes as it says, `run` to room for a run that nobody else uses. All of this holds until the run
/// has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_start(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    text: CText,
    run: *mut CRun,
) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe { start(model, workspace, workspace_bytes, || Ok(Input::text(text.read()?)), run) })
}

/// Does the same as `tinybert_start` for a pair of texts.
///
/// # Safety
/// As for `tinybert_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_start_pair(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    text: CText,
    pair: CText,
    run: *mut CRun,
) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe {
        start(model, workspace, workspace_bytes, || Ok(Input::pair(text.read()?, pair.read()?)), run)
    })
}

/// Does the same as `tinybert_start` for token ids, special ones included. Each token has a token type.
///
/// # Safety
/// As for `tinybert_start`; `ids` and `type_ids` point to `count` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_start_ids(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    ids: *const u32,
    type_ids: *const u8,
    count: usize,
    run: *mut CRun,
) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe {
        let input = || Ok(Input::ids(slice(ids, count)?, slice(type_ids, count)?));
        start(model, workspace, workspace_bytes, input, run)
    })
}

/// Computes about `budget` multiply-adds of the answer at most, but at least the smallest part of the work. Returns
/// TINYBERT_STATUS_PENDING if there is more to compute. When the answer is there, it writes the answer, which has the
/// same bits for every budget, and ends the run. After any other status the run has not ended, and the next step tries
/// the same work again. The status is TINYBERT_STATUS_NOT_STARTED if no run has been started or the run has ended.
///
/// # Safety
/// `run` points to a run of which everything that `tinybert_start` demands still holds, or to a run that has ended or
/// is zero; `answer` points to an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_step(run: *mut CRun, budget: usize, answer: *mut CAnswer) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (started, answer) = unsafe { (started(run)?, place(answer)?) };
        // SAFETY: the run has been started, and nobody else uses it or its session.
        let run = unsafe { &mut (*started).run };
        let model = run.model();
        match run.step(budget)? {
            Step::Pending => return Err(Status::Pending),
            Step::Done(reply) => write_answer(model, &reply, answer),
        }
        // SAFETY: as above.
        unsafe { (&raw mut (*started).started).write(0) };
        Ok(())
    })
}

/// Ends a run before its answer is there. The workspace and the model are free again. A run that has ended may be
/// cancelled, too.
///
/// # Safety
/// `run` points to a run that was started, has ended, or is zero, and that nobody else uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_cancel(run: *mut CRun) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe { end(run) })
}

/// # Safety
/// As for [`tinybert_start`].
unsafe fn start(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    input: impl FnOnce() -> Result<Input<'static>, Status>,
    run: *mut CRun,
) -> Result<(), Status> {
    // SAFETY: as the caller promises.
    let (model, workspace) = unsafe {
        end(run)?;
        (Handle::get(model)?, slice_mut(workspace, workspace_bytes)?)
    };
    let session = model.session(workspace)?;
    let started = run.cast::<StartedRun>();
    // SAFETY: `end` has found that `run` is a place for a run, which is at least as large and as aligned as its
    // contents (asserted above). It stays where it is until the run has ended, and so does the session in it.
    unsafe {
        (&raw mut (*started).session).write(session);
        let session: &'static mut Session<'static, 'static> = &mut (*started).session;
        (&raw mut (*started).run).write(session.start(input()?)?);
        (&raw mut (*started).started).write(STARTED);
    }
    Ok(())
}

/// Makes `run` one that has not been started.
///
/// # Safety
/// If `run` is not null, it points to room for a run that nobody else uses.
unsafe fn end(run: *mut CRun) -> Result<(), Status> {
    // SAFETY: as the caller promises; it begins with this word.
    unsafe { place(run.cast::<u64>())? }.write(0);
    Ok(())
}

/// Returns the contents of a run that has been started and has not ended.
///
/// # Safety
/// If `run` is not null, it points to a run that was started, has ended, or is zero, and that nobody else uses.
unsafe fn started(run: *mut CRun) -> Result<*mut StartedRun, Status> {
    // SAFETY: as the caller promises; only the first word is borrowed.
    match unsafe { slice(run.cast::<u64>(), 1)? } {
        [STARTED] => Ok(run.cast()),
        _ => Err(Status::NotStarted),
    }
}
