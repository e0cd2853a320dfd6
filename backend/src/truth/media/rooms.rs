//! Live rooms: windows against a plain count of what was sent; hidden messages against what bots sent.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use weir_model::Check;

use super::{Seen, attendance::Attendance, swarm::Swarm};
use crate::{
    pipelines::media::{
        records::{LateEvent, LateWhat, Moderated, Moderation, RoomStats},
        settings::{CHAT, LATE, MODERATED, PRESENCE, REACTIONS, ROOM_MS, ROOMS, TRUTH},
    },
    sim::media::{ChatMessage, MessageId, Presence, PresenceAction, Reaction, RoomId, TruthRecord, ViewerId},
    truth::{check, pending},
};

/// Messages that are compared by id; a longer run is judged by its first million.
const MESSAGES_MAX: usize = 1_000_000;
/// Windows that wait for their result, or for their events.
const WINDOWS_MAX: usize = 100_000;
/// What moderation must reach, and from how many messages of bots on that means something.
const PRECISION_MIN: f64 = 0.95;
const RECALL_MIN: f64 = 0.90;
const SPAM_MIN: usize = 50;
/// While a run goes on, a window is judged when others so much later are told.
const SETTLED_MS: i64 = 10_000;
/// Four deviations of a sketch with 2,048 registers.
const SKETCH_ERROR_MAX: f64 = 0.092;

/// Emoji and messages of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    emoji: BTreeMap<String, u64>,
    messages: u64,
}

impl Window {
    fn add(&mut self, what: LateWhat) {
        match what {
            LateWhat::Message => self.messages += 1,
            LateWhat::Emoji(emoji) => *self.emoji.entry(emoji).or_default() += 1,
            LateWhat::Presence => {}
        }
    }

    fn with(mut self, other: &Self) -> Self {
        self.messages += other.messages;
        for (emoji, count) in &other.emoji {
            *self.emoji.entry(emoji.clone()).or_default() += count;
        }
        self
    }

    fn events(&self) -> u64 {
        self.emoji.values().sum::<u64>() + self.messages
    }
}

/// Compares rooms.
#[derive(Debug, Default)]
pub struct Rooms {
    sent: BTreeMap<(RoomId, i64), Window>,
    told: BTreeMap<(RoomId, i64), Window>,
    /// What was told to have come too late, by its window.
    late: BTreeMap<(RoomId, i64), Window>,
    presence: Attendance,
    swarm: Swarm,
    messages: HashSet<MessageId>,
    moderated: BTreeMap<MessageId, bool>,
    moderated_twice: u64,
    spam: BTreeSet<MessageId>,
    /// By room: who was there, and how many the newest window says that were, exactly and by the sketch.
    visitors: BTreeMap<RoomId, HashSet<ViewerId>>,
    uniques: BTreeMap<RoomId, (i64, u64, u64)>,
}

impl Rooms {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            REACTIONS => {
                let Some(reaction) = seen.read::<Reaction>() else { return };
                self.swarm.sent(&reaction.room, reaction.ts);
                if let Some(window) = window_of(&mut self.sent, &reaction.room, reaction.ts) {
                    *window.emoji.entry(reaction.emoji).or_default() += 1;
                }
            }
            CHAT => {
                let Some(message) = seen.read::<ChatMessage>() else { return };
                if let Some(window) = window_of(&mut self.sent, &message.room, message.ts) {
                    window.messages += 1;
                }
                if self.messages.len() < MESSAGES_MAX {
                    self.messages.insert(message.message_id);
                }
            }
            PRESENCE => {
                let Some(presence) = seen.read::<Presence>() else { return };
                self.presence.observe(&presence);
                let is_there = presence.action != PresenceAction::Leave && !presence.user_id.is_empty();
                let visitors = self.visitors.entry(presence.room).or_default();
                if is_there && visitors.len() < MESSAGES_MAX {
                    visitors.insert(presence.user_id);
                }
            }
            ROOMS => {
                let Some(stats) = seen.read::<RoomStats>() else { return };
                let newest = self.uniques.entry(stats.room.clone()).or_insert((i64::MIN, 0, 0));
                *newest = (*newest).max((stats.window_start, stats.unique_viewers, stats.unique_viewers_hll));
                self.presence.told(&stats);
                self.swarm.told(&stats);
                if let Some(window) = window_of(&mut self.told, &stats.room, stats.window_start) {
                    *window = Window { emoji: stats.emoji, messages: stats.messages };
                }
            }
            LATE => {
                let Some(late) = seen.read::<LateEvent>() else { return };
                if late.what == LateWhat::Presence {
                    self.presence.late(&late);
                } else if let Some(window) = window_of(&mut self.late, &late.room, late.window_start) {
                    window.add(late.what);
                }
            }
            MODERATED => {
                let Some(message) = seen.read::<Moderated>().filter(|_| self.moderated.len() < MESSAGES_MAX) else { return };
                let is_hidden = message.verdict == Moderation::Hidden;
                self.moderated_twice += u64::from(self.moderated.insert(message.message_id, is_hidden).is_some_and(|was| was != is_hidden));
            }
            TRUTH => {
                if let Some(TruthRecord::Spam { message_id }) = seen.read().filter(|_| self.spam.len() < MESSAGES_MAX) {
                    self.spam.insert(message_id);
                }
            }
            _ => {}
        }
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let viewers = self.presence.verdict(is_over);
        vec![self.windows_equal(is_over), viewers, self.uniques_right(is_over), self.all_moderated(is_over), self.moderation(is_over)]
    }

    /// Figures.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = self.swarm.scores();
        if self.spam.len() >= SPAM_MIN {
            let (precision, recall) = self.precision_and_recall();
            scores.extend([("moderation_precision".to_owned(), precision), ("moderation_recall".to_owned(), recall)]);
        }
        scores
    }

    /// Each window tells what was sent, but for what was told to have come too late; at the end every window with anything in it was told.
    fn windows_equal(&self, is_over: bool) -> Check {
        let id = "room_counts_exact";
        if self.told.is_empty() {
            return pending(id, "no window of a room is closed yet");
        }
        let is_full = self.sent.len() >= WINDOWS_MAX;
        let (mut equal, mut wrong, mut untold, mut example) = (0_u64, 0_u64, 0_u64, None);
        let newest_ms = self.told.keys().map(|(_, start_ms)| *start_ms).max().unwrap_or(i64::MIN);
        let sent_untold = self.sent.keys().filter(|key| is_over && !self.told.contains_key(*key));
        for key in self.told.keys().chain(sent_untold).filter(|key| !is_full || self.sent.contains_key(*key)) {
            let of = |windows: &BTreeMap<(RoomId, i64), Window>| windows.get(key).cloned().unwrap_or_default();
            let (told, sent, late) = (of(&self.told), of(&self.sent), of(&self.late));
            if told.clone().with(&late) == sent {
                equal += 1;
                continue;
            }
            // Events, what came too late, and counts are read each in their own time.
            if !is_over && key.1 + SETTLED_MS > newest_ms {
                untold += 1;
                continue;
            }
            wrong += 1;
            example = example.or_else(|| Some(format!("{} from {}: {told:?} and late {late:?}, not {sent:?}", key.0, key.1)));
        }
        let late: u64 = self.late.values().map(Window::events).sum();
        let mut evidence =
            format!("{equal} windows of rooms equal, {wrong} not; {late} events came too late for theirs and are told apart");
        if let Some(example) = example {
            evidence += &format!("; first: {example}");
        }
        if wrong == 0 && untold > 0 {
            return pending(id, evidence);
        }
        check(id, wrong == 0, evidence)
    }

    /// The newest windows' numbers of different viewers: the exact one equal, the sketch's within four of its deviations.
    fn uniques_right(&self, is_over: bool) -> Check {
        let id = "unique_viewers";
        let rooms: Vec<_> = self.visitors.iter().filter(|(_, visitors)| !visitors.is_empty()).collect();
        if !is_over || rooms.is_empty() {
            return pending(id, "compared when all windows are closed");
        }
        let told = |room: &RoomId| self.uniques.get(room).map_or((0, 0), |(_, exact, roughly)| (*exact, *roughly));
        let is_right = |(room, visitors): &(&RoomId, &HashSet<ViewerId>)| {
            let (count, (exact, roughly)) = (visitors.len() as u64, told(room));
            exact == count && roughly.abs_diff(count) as f64 <= (count as f64 * SKETCH_ERROR_MAX).max(3.0)
        };
        let wrong = rooms.iter().find(|room| !is_right(room));
        let all = rooms.iter().map(|(room, visitors)| {
            let (exact, roughly) = told(room);
            format!("{room} {} ({exact} told, about {roughly} by the sketch)", visitors.len())
        });
        check(id, wrong.is_none(), all.collect::<Vec<_>>().join(", "))
    }

    fn all_moderated(&self, is_over: bool) -> Check {
        let id = "messages_moderated_once";
        let missing = self.messages.iter().filter(|id| !self.moderated.contains_key(*id)).count();
        if !is_over && missing > 0 && self.moderated_twice == 0 {
            return pending(id, format!("{} messages judged, {missing} on their way", self.moderated.len()));
        }
        let evidence =
            format!("{} messages, {missing} not judged, {} judged twice and differently", self.messages.len(), self.moderated_twice);
        check(id, missing == 0 && self.moderated_twice == 0, evidence)
    }

    fn moderation(&self, is_over: bool) -> Check {
        let id = "moderation";
        if self.spam.len() < SPAM_MIN {
            if !is_over {
                return pending(id, format!("{} messages of bots; it takes {SPAM_MIN}", self.spam.len()));
            }
            let people = self.moderated.iter().filter(|(id, _)| !self.spam.contains(*id));
            let (all, hidden) = people.fold((0_u64, 0_u64), |(all, hidden), (_, is_hidden)| (all + 1, hidden + u64::from(*is_hidden)));
            let evidence = format!("{} messages of bots came; {hidden} of {all} messages of people were hidden", self.spam.len());
            return check(id, hidden as f64 <= all as f64 * (1.0 - PRECISION_MIN), evidence);
        }
        let (precision, recall) = self.precision_and_recall();
        let evidence = format!("of the hidden messages {precision:.3} were bots', of the bots' {recall:.3} were hidden");
        check(id, precision >= PRECISION_MIN && recall >= RECALL_MIN, evidence)
    }

    fn precision_and_recall(&self) -> (f64, f64) {
        let hidden = self.moderated.iter().filter(|(_, is_hidden)| **is_hidden).map(|(id, _)| id);
        let (mut all, mut right) = (0_u64, 0_u64);
        for id in hidden {
            all += 1;
            right += u64::from(self.spam.contains(id));
        }
        let judged = self.spam.iter().filter(|id| self.moderated.contains_key(*id)).count();
        (right as f64 / all.max(1) as f64, right as f64 / judged.max(1) as f64)
    }
}

fn window_of<'a>(windows: &'a mut BTreeMap<(RoomId, i64), Window>, room: &RoomId, ts: i64) -> Option<&'a mut Window> {
    let key = (room.clone(), ts - ts.rem_euclid(ROOM_MS));
    if windows.len() >= WINDOWS_MAX && !windows.contains_key(&key) {
        return None;
    }
    Some(windows.entry(key).or_default())
}
