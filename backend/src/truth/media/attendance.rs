//! Who was in a room when: viewers at the end of each window against what the viewers' own records say.

use std::collections::{BTreeMap, HashMap};

use weir_model::Check;

use crate::{
    pipelines::media::{
        records::{LateEvent, RoomStats},
        settings::{PRESENT_MS, ROOM_MS},
    },
    sim::media::{Presence, PresenceAction, RoomId, ViewerId},
    truth::{check, pending},
};

/// Stays and windows that are compared; a longer run is judged by its first ones.
const STAYS_MAX: usize = 500_000;
const WINDOWS_MAX: usize = 100_000;

/// Compares the numbers of viewers.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    /// By room and viewer: from when until when.
    stays: HashMap<(RoomId, ViewerId), Vec<(i64, i64)>>,
    count: usize,
    /// By room and end of the window.
    told: BTreeMap<(RoomId, i64), u64>,
    /// Signs of viewers that came too late, by room: their windows may lack them.
    late: BTreeMap<RoomId, Vec<i64>>,
}

impl Attendance {
    /// A viewer's sign.
    pub(super) fn observe(&mut self, presence: &Presence) {
        if presence.user_id.is_empty() || self.count >= STAYS_MAX {
            return;
        }
        let stays = self.stays.entry((presence.room.clone(), presence.user_id.clone())).or_default();
        let (ts, last) = (presence.ts, stays.last_mut());
        match (presence.action, last) {
            (PresenceAction::Leave, Some((_, until_ms))) => *until_ms = (*until_ms).min(ts),
            (PresenceAction::Leave, None) => {}
            (_, Some((_, until_ms))) if ts <= *until_ms => *until_ms = (*until_ms).max(ts + PRESENT_MS),
            _ => {
                stays.push((ts, ts + PRESENT_MS));
                self.count += 1;
            }
        }
    }

    /// A window's figures.
    pub(super) fn told(&mut self, stats: &RoomStats) {
        if self.told.len() < WINDOWS_MAX {
            self.told.insert((stats.room.clone(), stats.window_end), stats.viewers);
        }
    }

    /// A sign that came too late.
    pub(super) fn late(&mut self, late: &LateEvent) {
        let all = self.late.entry(late.room.clone()).or_default();
        if all.len() < WINDOWS_MAX {
            all.push(late.window_start);
        }
    }

    /// `room_viewers_exact`: as many viewers as were there; up to as many more or less as there were signs that came too late for it.
    pub(super) fn verdict(&self, is_over: bool) -> Check {
        let id = "room_viewers_exact";
        if !is_over || self.told.is_empty() || self.count >= STAYS_MAX {
            return pending(id, format!("{} windows with viewers; counted again at the end", self.told.len()));
        }
        let mut changes = BTreeMap::<&RoomId, Vec<(i64, i64)>>::new();
        for ((room, _), stays) in &self.stays {
            let of_room = changes.entry(room).or_default();
            for (from_ms, until_ms) in stays.iter().filter(|(from_ms, until_ms)| from_ms < until_ms) {
                of_room.extend([(*from_ms, 1), (*until_ms, -1)]);
            }
        }
        changes.values_mut().for_each(|changes| changes.sort_unstable());
        let (mut wrong, mut excused, mut example, mut most) = (0_u64, 0_u64, None, 0);
        let mut at = BTreeMap::<&RoomId, (usize, i64)>::new();
        for ((room, end_ms), told) in &self.told {
            let of_room = changes.get(room).map(Vec::as_slice).unwrap_or_default();
            let (next, there) = at.entry(room).or_default();
            while let Some((_, change)) = of_room.get(*next).filter(|(ms, _)| ms <= end_ms) {
                (*next, *there) = (*next + 1, *there + change);
            }
            most = most.max(*there);
            let off = there.abs_diff(told.cast_signed());
            if off == 0 {
                continue;
            }
            let late_for_it = |start_ms: &&i64| (**start_ms..=**start_ms + ROOM_MS + PRESENT_MS).contains(end_ms);
            let late = self.late.get(room).map_or(0, |late| late.iter().filter(late_for_it).count() as u64);
            if off <= late {
                excused += 1;
                continue;
            }
            wrong += 1;
            example = example.or_else(|| Some(format!("; first: {room} at {end_ms}: {told}, not {there}")));
        }
        let windows = self.told.len();
        let evidence = format!(
            "{windows} windows, at most {most} viewers at once, {wrong} wrong, {excused} off by signs that came too late{}",
            example.unwrap_or_default()
        );
        check(id, wrong == 0, evidence)
    }
}
