//! A conversation with the backend, as the window has it: requests go out, updates come back and are folded into a store.

use std::time::{Duration, Instant};

use weir_backend::{Handle, HandleConfig};
use weir_model::{Cluster, ConnectionState, NoticeLevel, Problem, Request, Store, Update};

use super::{Failure, note, signals::EndAsked};

/// A cluster that does not answer within this time is told to be away.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How soon a signal is noticed while nothing else happens.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// A connected backend and what it told.
pub(crate) struct Session {
    handle: Handle,
    /// What is known.
    pub(crate) store: Store,
    /// Whether the user wants to end.
    pub(crate) end: EndAsked,
}

impl Session {
    /// Connects, and waits until the cluster answers.
    pub(crate) fn connect(cluster: Cluster, backend: HandleConfig) -> Result<Self, Failure> {
        let end = EndAsked::listen()?;
        let handle = Handle::start(backend, || {})?;
        let mut session = Self { handle, store: Store::default(), end };
        let what = format!("{} does not answer", cluster.label());
        session.request(Request::Connect(cluster))?;
        session.wait_for(&what, |store| match &store.connection {
            ConnectionState::Connected { .. } => Some(Ok(())),
            ConnectionState::Failed { problem, .. } => Some(Err(problem.clone())),
            ConnectionState::Idle | ConnectionState::Connecting(_) => None,
        })??;
        Ok(session)
    }

    /// Asks the backend for something.
    pub(crate) fn request(&self, request: Request) -> Result<(), Problem> {
        self.handle.request(request)
    }

    /// The address to give to other clients.
    pub(crate) fn bootstrap(&self) -> &str {
        self.store.connection.bootstrap().unwrap_or_default()
    }

    /// Waits until the store shows what is looked for.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&Store) -> Option<T>) -> Result<T, Failure> {
        let give_up = Instant::now() + ANSWER_MAX;
        loop {
            if let Some(found) = look(&self.store) {
                return Ok(found);
            }
            if self.end.is_set() {
                return Err(Failure::Reported);
            }
            if Instant::now() > give_up {
                return Err(Failure::Problem(Problem::new(
                    what,
                    format!("nothing came within {} s", ANSWER_MAX.as_secs()),
                    "Check the address and the network; -vv shows the client's log",
                )));
            }
            self.advance(SIGNAL_CHECK);
        }
    }

    /// Waits for a piece of news; an error that is told first ends the waiting. For what was asked for and takes its time.
    pub(crate) fn wait_for_news<T>(&mut self, mut look: impl FnMut(&Update) -> Option<T>) -> Result<T, Failure> {
        loop {
            let update = self.next(SIGNAL_CHECK);
            if let Some(found) = update.as_ref().and_then(&mut look) {
                return Ok(found);
            }
            // It was shown on the way.
            if self.end.is_set() || matches!(&update, Some(Update::Notice(notice)) if notice.level == NoticeLevel::Error) {
                return Err(Failure::Reported);
            }
        }
    }

    /// Takes in what is new, waiting at most for `timeout`.
    pub(crate) fn advance(&mut self, timeout: Duration) {
        if let Some(update) = self.next(timeout) {
            self.store.apply(update);
        }
    }

    /// The next piece of news, not yet in the store. Warnings and errors are shown on the way.
    pub(crate) fn next(&mut self, timeout: Duration) -> Option<Update> {
        let update = self.handle.recv(timeout)?;
        if let Update::Notice(notice) = &update {
            match notice.level {
                NoticeLevel::Warning | NoticeLevel::Error => note(format_args!("{}: {}", notice.title, notice.detail)),
                NoticeLevel::Info | NoticeLevel::Success => tracing::info!("{}: {}", notice.title, notice.detail),
            }
        }
        Some(update)
    }
}
