//! A goal: everybody in a room cheers, and the rate of all events rises with it.

use std::cmp::Reverse;

use super::{
    fault::FaultKind,
    generator::{Generator, Record},
    player::{Out, emoji},
};

/// How many times as many emoji as usual a goal brings in its room.
const GOAL_FACTOR: f64 = 50.0;
/// The most events per second a goal may ask for; above it one core can't generate and process.
const GOAL_RATE_MAX: u32 = 20_000;
/// Places of the queue that are looked at for somebody in the room.
const FANS_LOOKED_AT: usize = 200;

impl Generator {
    /// The rate with what a goal adds: so many times the emoji its room usually sends.
    pub(super) fn pace(&mut self) {
        let base = f64::from(self.base_rate_per_s);
        let usual = |room: usize| {
            let events = self.events - self.added;
            // Before much has happened a room is taken for one like others.
            (self.usual_cheers.get(room).copied().unwrap_or(0) + 5) as f64 / (events + 1_000) as f64
        };
        let rooms = self.faults.iter().filter_map(|fault| if let FaultKind::GoalMoment { room } = fault.kind { Some(room) } else { None });
        let added = rooms.map(|room| base * usual(room) * (GOAL_FACTOR - 1.0)).sum::<f64>();
        let added = added.min((f64::from(GOAL_RATE_MAX) - base).max(0.0));
        self.cheer_share = added / (base + added);
        self.schedule.set_rate((base + added).round() as u32);
    }

    /// An emoji of somebody in a room where there is a goal.
    pub(super) fn fan(&mut self, now_ms: i64) -> Option<Record> {
        if self.cheer_share <= 0.0 || !self.random.chance(self.cheer_share) {
            return None;
        }
        let from = self.random.below(self.due.len().max(1) as u64) as usize;
        let queue = self.due.as_slice();
        let numbers = queue.iter().cycle().skip(from).take(FANS_LOOKED_AT.min(queue.len())).map(|Reverse((_, number))| *number);
        let is_there = |number: &u64| self.players.get(number).is_some_and(|player| self.is_goal(player) && player.is_playing());
        let number = numbers.into_iter().find(is_there)?;
        let mut player = self.players.remove(&number)?;
        let (used, emoji) = (self.used(&player.home), emoji(&mut self.random));
        let record = self.write(&mut player, used, Out::Reaction(emoji), now_ms);
        self.players.insert(number, player);
        self.added += 1;
        Some(record)
    }
}
