//! Media: players by the thousand, and what a video service wants to know of them at once.
//!
//! ```text
//! players ─► media.qoe ──────► media-qoe ──► slices, cube ──► media-incidents ──► incidents, causes
//!    ▲                                                              └── media.commands.player ──► players obey
//!    ├─► media.playback ─────► media-engagement ──► title_stats ──► home_row ──► what is watched next; ab
//!    ├─► media.live.* ───────► media-live ──► figures of rooms, moderated messages
//!    └─► media.ad.requests ──► media-ads ──► decisions ──► players show them ──► media-billing ──► charges, spend, sessions
//!                                 └── lease requests ──► media-budget ──► leases ──┘
//! ```

pub mod ads;
mod alerts;
mod dashboard;
pub mod engagement;
mod given;
pub mod incidents;
pub mod input;
pub mod live;
mod meta;
mod pipeline;
pub mod qoe;
pub mod rca;
pub mod records;
pub mod sabotage;
mod scenarios;
pub mod sentiment;
pub mod settings;
mod world;

pub use meta::meta;
pub use pipeline::{Media, shape};
pub use sabotage::{Detection, Options, Sabotage};

use crate::stream::{Topology, TopologyError};

/// Every application.
///
/// # Errors
/// When a topology is not right.
pub fn topologies(options: &Options) -> Result<Vec<Topology>, TopologyError> {
    Ok(vec![
        qoe::topology(options)?,
        incidents::topology(options)?,
        engagement::topology(options)?,
        live::topology(options)?,
        ads::topology(options)?,
        ads::lease_topology(options)?,
        ads::billing_topology(options)?,
    ])
}

#[cfg(test)]
mod tests;
