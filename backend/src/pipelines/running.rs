//! A pipeline at work: its control, its thread, and what becomes of it when a thread fails.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use weir_model::{FaultId, PipelineAction, Problem, StoreQuery};

/// Faults that wait to be injected; a run takes them within milliseconds.
const FAULTS_MAX: usize = 16;
/// Actions that wait.
const ACTIONS_MAX: usize = 64;
/// Questions about stores that wait.
const STORE_QUERIES_MAX: usize = 4;

/// A pipeline at work. Dropping it stops it.
#[derive(Debug)]
pub struct RunningPipeline {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

impl RunningPipeline {
    /// Runs `body` on a thread of its own; a panic in it reaches `failed` as a problem.
    pub(super) fn spawn(
        name: &str,
        rate_per_s: u32,
        body: impl FnOnce(&Control) -> Result<(), Problem> + Send + 'static,
        failed: impl FnOnce(Problem) + Send + 'static,
    ) -> Result<Self, Problem> {
        let control = Arc::new(Control::new(rate_per_s));
        let of_thread = Arc::clone(&control);
        let work = move || match catch_unwind(AssertUnwindSafe(|| body(&of_thread))) {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => failed(problem),
            Err(panic) => failed(panicked(&*panic)),
        };
        let thread = Builder::new().name(name.to_owned()).spawn(work).map_err(|error| no_thread(&error))?;
        Ok(Self { control, thread })
    }

    /// The generator waits; processors go on.
    pub fn pause(&self) {
        self.control.is_paused.store(true, Ordering::Release);
    }

    /// The generator goes on.
    pub fn resume(&self) {
        self.control.is_paused.store(false, Ordering::Release);
    }

    /// Changes the rate from now on.
    pub fn set_rate(&self, rate_per_s: u32) {
        self.control.set_rate(rate_per_s);
    }

    /// Breaks something on purpose. What the pipeline does not know is passed over, and so is what comes faster than it can break.
    pub fn inject(&self, fault: &FaultId) {
        self.control.inject(fault.clone());
    }

    /// Does something that its dashboard offers. What comes faster than it can be done is passed over, as no hand is so fast.
    pub fn act(&self, action: PipelineAction) {
        let mut actions = self.control.actions.lock().unwrap_or_else(PoisonError::into_inner);
        if actions.len() < ACTIONS_MAX {
            actions.push_back(action);
        }
    }

    /// Looks into a store; the answer is an update. Of questions that come faster than they can be answered the newest count.
    pub fn browse_store(&self, query: StoreQuery) {
        let mut queries = self.control.store_queries.lock().unwrap_or_else(PoisonError::into_inner);
        if queries.len() == STORE_QUERIES_MAX {
            queries.pop_front();
        }
        queries.push_back(query);
    }

    /// Ends the run: drains, writes the last results, checks them, reports. Does not wait.
    pub fn stop(&self) {
        self.control.is_stopping.store(true, Ordering::Release);
    }

    /// Whether all is written and reported: another run may start.
    pub fn is_finished(&self) -> bool {
        self.control.is_over.load(Ordering::Acquire) || self.thread.is_finished()
    }
}

impl Drop for RunningPipeline {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a run is told from outside.
#[derive(Debug)]
pub(super) struct Control {
    is_paused: AtomicBool,
    is_stopping: Arc<AtomicBool>,
    is_over: AtomicBool,
    rate_per_s: AtomicU32,
    faults: Mutex<VecDeque<FaultId>>,
    store_queries: Mutex<VecDeque<StoreQuery>>,
    actions: Mutex<VecDeque<PipelineAction>>,
}

impl Control {
    fn new(rate_per_s: u32) -> Self {
        Self {
            is_paused: AtomicBool::new(false),
            is_stopping: Arc::default(),
            is_over: AtomicBool::new(false),
            rate_per_s: AtomicU32::new(rate_per_s),
            faults: Mutex::default(),
            store_queries: Mutex::default(),
            actions: Mutex::default(),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Acquire)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Set when the run is to end, for who can't ask here.
    pub(super) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopping)
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Nothing of the run is left to do but to tell that it ended. Whoever hears that may start the next one at once.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    pub(super) fn rate_per_s(&self) -> u32 {
        self.rate_per_s.load(Ordering::Acquire)
    }

    pub(super) fn set_rate(&self, rate_per_s: u32) {
        self.rate_per_s.store(rate_per_s, Ordering::Release);
    }

    pub(super) fn inject(&self, fault: FaultId) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < FAULTS_MAX {
            faults.push_back(fault);
        }
    }

    pub(super) fn next_action(&self) -> Option<PipelineAction> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn next_store_query(&self) -> Option<StoreQuery> {
        self.store_queries.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn next_fault(&self) -> Option<FaultId> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// A thread of a run that can fail.
pub(super) struct Worker<'scope> {
    handle: std::thread::ScopedJoinHandle<'scope, Result<(), Problem>>,
}

impl<'scope> Worker<'scope> {
    /// Starts a named thread.
    pub(super) fn spawn<'env>(
        scope: &'scope std::thread::Scope<'scope, 'env>,
        name: String,
        body: impl FnOnce() -> Result<(), Problem> + Send + 'scope,
    ) -> Result<Self, Problem> {
        Builder::new().name(name).spawn_scoped(scope, body).map(|handle| Self { handle }).map_err(|error| no_thread(&error))
    }

    /// Whether it ended, well or not.
    pub(super) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for its end; a panic is a problem.
    pub(super) fn join(self) -> Result<(), Problem> {
        self.handle.join().unwrap_or_else(|panic| Err(panicked(&*panic)))
    }
}

fn no_thread(error: &std::io::Error) -> Problem {
    Problem::new(
        "The pipeline could not start a thread",
        error.to_string(),
        "Raise the limit of threads (ulimit -u), or end other programs",
    )
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::new(
        "The pipeline stopped by a defect of this program",
        text.unwrap_or("a panic without a message"),
        "Start it again; please report what you did, with the seed and the rate",
    )
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn a_panic_becomes_a_problem() {
        let (sender, problems) = mpsc::sync_channel(1);
        let failed = move |problem| sender.send(problem).expect("the test waits");
        let running = RunningPipeline::spawn("test", 1, |_| panic!("on purpose"), failed).expect("a thread");
        let problem = problems.recv_timeout(Duration::from_secs(10)).expect("a problem");
        assert_eq!(&*problem.why, "on purpose");
        running.thread.is_finished();
    }
}
