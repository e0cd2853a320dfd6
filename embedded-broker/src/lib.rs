//! An embeddable one-node Kafka broker that unmodified clients can use.
//!
//! ```no_run
//! use weir_broker::{Broker, BrokerConfig};
//!
//! let broker = Broker::start(BrokerConfig::new("/tmp/weir"))?;
//! println!("bootstrap.servers={}", broker.address());
//! broker.shutdown();
//! # Ok::<(), weir_broker::StartError>(())
//! ```
//!
//! In reading order: `broker` (start and stop), `server` (sockets), `security` (who gets in), `codec` (bytes to messages, guarded), `api` (one file per request),
//! `node` (what they share), `topics`, `log` (the records), `coordinator` (groups, transactions).
//!
//! Invariants: nothing reaches the codec crate before `codec::guard` has walked it; a client's record batches are never decoded and encoded
//! again; every queue, buffer and list has a limit in [`Limits`]; time and files come from [`Clock`] and [`Disk`].

mod api;
mod broker;
mod clock;
mod codec;
mod config;
mod coordinator;
#[cfg(test)]
mod damage;
mod disk;
mod faults;
mod fetch_sessions;
#[doc(hidden)]
pub mod fuzzing;
mod housekeeping;
mod limits;
mod log;
mod node;
mod producer_ids;
mod security;
mod server;
#[cfg(test)]
mod simulation;
mod sync;
mod topics;
mod view;

pub use api::{ServedApi, served_apis};
pub use broker::{Broker, StartError};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{BrokerConfig, DEFAULT_PORT, Durability, Limits, UnknownDurability};
pub use coordinator::{GroupConfig, MigrationPolicy, TransactionConfig};
pub use disk::{Disk, DiskFile, MemoryDisk, RealDisk, Volume};
pub use faults::{
    ActiveFault, FaultId, FaultKind, FaultScope, FaultSpec, FaultSwitches, FaultSyntaxError, MAX_FAULTS, TooManyFaults, fault_help,
};
pub use limits::{LimitValue, LimitView};
pub use security::{
    Credential, Listener, ListenerError, Mechanism, Secret, SecurityConfig, SecurityProtocol, TlsError, TlsFiles, UnknownName,
};
pub use view::{
    ApiView, BrokerView, ConnectionView, ErrorCount, Event, EventKind, Events, Histogram, InFlight, LastError, LogView, Totals, TraceEntry,
};
