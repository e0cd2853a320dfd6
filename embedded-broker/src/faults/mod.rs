//! Fault switches: what can be made to go wrong on purpose, in tests and demonstrations.
//!
//! Set and cleared through [`Broker::faults`](crate::Broker::faults) while the broker runs. Without any, a request pays for one relaxed load.
//! In reading order: `spec` (what a fault is, as text), `active` (those that are set), `probe` (what a request concerns), `disk` (files that
//! fail). Requests meet faults in `api::faulty`.

mod active;
mod disk;
mod probe;
mod spec;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use active::{Asked, Effects, Faults, Injected};
pub(crate) use disk::FaultyDisk;
pub(crate) use probe::Probe;
pub use spec::{FaultKind, FaultScope, FaultSpec, FaultSyntaxError, fault_help};

use crate::view::Counters;

/// Faults set at once.
pub const MAX_FAULTS: usize = 64;

/// The fault switches of a broker.
#[derive(Clone, Debug)]
pub struct FaultSwitches {
    pub(crate) faults: Arc<Faults>,
    pub(crate) counters: Arc<Counters>,
}

impl FaultSwitches {
    /// Sets a fault. Several may be set; each request meets those that apply to it, in the order they were set.
    pub fn set(&self, spec: FaultSpec) -> Result<FaultId, TooManyFaults> {
        // What is asked has to come first where that matters.
        let closes_now = spec.kind == FaultKind::Close && (spec.scope.api, &spec.scope.topic) == (None, &None);
        let closes = closes_now.then(|| spec.clone());
        let id = self.faults.set(spec)?;
        if let Some(spec) = closes {
            let closed = self.counters.close_connections(|connection| spec.scope.includes_client(&connection.client_id()));
            self.faults.closed(id, closed as u64);
        }
        Ok(id)
    }

    /// Clears a fault. False: it is not set (any more).
    pub fn clear(&self, id: FaultId) -> bool {
        self.faults.clear(id)
    }

    /// Clears all faults. Says how many there were.
    pub fn clear_all(&self) -> usize {
        self.faults.clear_all()
    }

    /// Those that are set, and how often each was met.
    pub fn active(&self) -> Vec<ActiveFault> {
        self.faults.active()
    }
}

/// A fault that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultId(pub(crate) u64);

/// A fault that is set.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveFault {
    /// Clear it by this.
    pub id: FaultId,
    /// What it is.
    pub spec: FaultSpec,
    /// How often it was met.
    pub hits: u64,
    /// How long it stays; `None`: until it is met often enough or cleared.
    pub remaining: Option<Duration>,
}

/// There are too many faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_FAULTS} faults are set, which is the limit; clear some first")]
pub struct TooManyFaults;
