//! How soon a cheer is on the wall: from its event time to the moment of event time at which its window is told.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    pipelines::media::{records::RoomStats, settings::ROOM_MS},
    sim::media::RoomId,
};

/// Cheers that wait for their window at most, and windows in which they do.
const WAITING_MAX: usize = 500_000;
/// Delays are counted by so much, up to so much.
const STEP_MS: i64 = 10;
const STEPS: usize = 2_000;
/// The share that is within the figure that is told.
const SHARE: f64 = 0.99;

/// Measures the swarm.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    /// By room and start of the window.
    waiting: BTreeMap<(RoomId, i64), Vec<i64>>,
    waiting_count: usize,
    /// Windows that were told, with the moment and the delays of their cheers; counted once there are events from after it: what only the
    /// end of a run closed, nobody waited for.
    told: VecDeque<(i64, Vec<i64>)>,
    delays: BTreeMap<usize, u64>,
}

impl Swarm {
    /// Somebody cheers.
    pub(super) fn sent(&mut self, room: &RoomId, ts: i64) {
        while let Some((_, delays)) = self.told.pop_front_if(|(published_ms, _)| *published_ms <= ts) {
            self.waiting_count -= delays.len();
            for delay_ms in delays {
                *self.delays.entry(usize::try_from(delay_ms / STEP_MS).unwrap_or(0).min(STEPS)).or_default() += 1;
            }
        }
        if self.waiting_count < WAITING_MAX {
            self.waiting_count += 1;
            self.waiting.entry((room.clone(), ts - ts.rem_euclid(ROOM_MS))).or_default().push(ts);
        }
    }

    /// A window is told.
    pub(super) fn told(&mut self, stats: &RoomStats) {
        let Some(waited) = self.waiting.remove(&(stats.room.clone(), stats.window_start)) else { return };
        self.told.push_back((stats.published_ms, waited.into_iter().map(|ts| stats.published_ms - ts).collect()));
    }

    /// The delay that 99 of 100 cheers do not exceed.
    pub(super) fn scores(&self) -> BTreeMap<String, f64> {
        let all: u64 = self.delays.values().sum();
        let mut within = 0;
        let step = self.delays.iter().find(|(_, count)| {
            within += **count;
            within as f64 >= all as f64 * SHARE
        });
        step.map(|(step, _)| ("swarm_delay_s_p99".to_owned(), (*step as f64 + 1.0) * STEP_MS as f64 / 1e3)).into_iter().collect()
    }
}
