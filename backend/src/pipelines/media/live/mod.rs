//! Live rooms: who is there, what they cheer, what they write, what mood they are in, and which messages are hidden.

mod moderation;
mod sketch;
mod stays;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    Options, Sabotage,
    alerts::{self, Alert},
    records::{LateEvent, LateWhat, Moderated, Moderation, RoomStats},
    sentiment::sentiment,
    settings::{ALERTS, CHAT, LATE, LIVE_APP, MODERATED, PRESENCE, PRESENT_MS, REACTIONS, ROOM_GRACE_MS, ROOM_MS, ROOMS},
};
use crate::{
    sim::media::{ChatMessage, Presence, PresenceAction, Reaction, RoomId, ViewerId},
    stream::{Forward, Processor, Record, Store, StoreHandle, Topology, TopologyError, Windowed},
};
use moderation::Writer;
use sketch::Sketch;
use stays::Stays;

/// Rooms to figures and moderated messages.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let options = options.clone();
    Topology::new(LIVE_APP, move |builder| {
        let options = options.clone();
        let chat = builder.stream::<RoomId, ChatMessage>(CHAT).map_values(|record| Live::Chat(record.value.clone()));
        let reactions = builder.stream::<RoomId, Reaction>(REACTIONS).map_values(|record| Live::Reaction(record.value.clone()));
        let presence = builder.stream::<RoomId, Presence>(PRESENCE).map_values(|record| Live::Presence(record.value.clone()));
        let all = chat.merge(&reactions).merge(&presence);
        // Who is there and what was written are kept under spans of other lengths.
        let window_of = |key: &Windowed<String>| key.bounds().filter(|(start_ms, end_ms)| end_ms.checked_sub(*start_ms) == Some(ROOM_MS));
        let store = Store::<Windowed<String>, Kept>::expiring(|key, _| key.end_ms).in_windows(window_of, ROOM_GRACE_MS);
        let told = all.process("rooms", store, None, |kept| Rooms { kept, options });
        told.flat_map_values(|record| if let Told::Stats(stats) = &record.value { Some(stats.clone()) } else { None }).to(ROOMS);
        told.flat_map_values(|record| if let Told::Message(message) = &record.value { Some(message.clone()) } else { None }).to(MODERATED);
        told.flat_map_values(|record| if let Told::Late(late) = &record.value { Some(late.clone()) } else { None }).to(LATE);
        told.flat_map_values(|record| if let Told::Alert(alert) = &record.value { Some(alert.clone()) } else { None }).to(ALERTS);
    })
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Live {
    Chat(ChatMessage),
    Reaction(Reaction),
    Presence(Presence),
}

impl Live {
    fn room(&self) -> &RoomId {
        match self {
            Self::Chat(message) => &message.room,
            Self::Reaction(reaction) => &reaction.room,
            Self::Presence(presence) => &presence.room,
        }
    }

    fn ts(&self) -> i64 {
        match self {
            Self::Chat(message) => message.ts,
            Self::Reaction(reaction) => reaction.ts,
            Self::Presence(presence) => presence.ts,
        }
    }
}

#[derive(Clone, Debug)]
enum Told {
    Stats(RoomStats),
    Message(Moderated),
    Late(LateEvent),
    Alert(Alert),
}

/// What is kept under a room's or a writer's key until its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Kept {
    Window {
        stats: RoomStats,
        mood_sum: f64,
    },
    Viewer(Stays),
    Writer(Writer),
    /// The room is flooded, and somebody was told.
    Flood,
    /// Somebody was here.
    Seen,
    /// How many different ones were: exactly, and as a sketch.
    Uniques {
        exact: u64,
        sketch: Sketch,
    },
}

struct Rooms {
    kept: StoreHandle<Windowed<String>, Kept>,
    options: Options,
}

/// Keys in the store begin with what they are about, so that a room's viewers lie side by side.
const WINDOW: &str = "window";
const VIEWER: &str = "viewer";
const WRITER: &str = "writer";
const SEEN: &str = "seen";
const UNIQUES: &str = "uniques";
const FLOOD: &str = "flood";
/// A flood that pauses for so long is over; the next one is told anew.
const FLOOD_QUIET_MS: i64 = 10_000;
/// Different viewers are those of a day.
const UNIQUES_KEPT_MS: i64 = 86_400_000;
/// A writer of whom nothing was heard for so long is forgotten.
const WRITER_KEPT_MS: i64 = 60_000;

impl Rooms {
    /// The key of something that is not a window: its start says of which kind it is, its end when it goes. What is a room's own is nobody's.
    fn find(&self, kind: &str, room: &RoomId, user_id: &ViewerId) -> Option<Windowed<String>> {
        let key = format!("{kind}|{room}|{user_id}");
        let bound = |end_ms| Windowed { start_ms: i64::MIN, key: key.clone(), end_ms };
        self.kept.borrow().range(bound(i64::MIN)..=bound(i64::MAX)).next().map(|(key, _)| key.into_owned())
    }

    /// Sets what is kept of somebody, until then.
    fn keep(&self, kind: &str, room: &RoomId, user_id: &ViewerId, until_ms: i64, kept: Kept) {
        if let Some(old) = self.find(kind, room, user_id) {
            self.kept.borrow_mut().delete(&old);
        }
        let key = Windowed { start_ms: i64::MIN, key: format!("{kind}|{room}|{user_id}"), end_ms: until_ms };
        self.kept.borrow_mut().put(key, kept);
    }

    /// Changes the figures of the window an event belongs to; `false` when it is closed.
    fn count(&self, room: &RoomId, ts: i64, now_ms: i64, change: impl FnOnce(&mut RoomStats, &mut f64)) -> bool {
        let start_ms = ts - ts.rem_euclid(ROOM_MS);
        let end_ms = start_ms + ROOM_MS;
        if end_ms + ROOM_GRACE_MS <= now_ms {
            return false;
        }
        // Figures wait for their grace in the store, so that their end there is when they are told.
        let key = Windowed { start_ms, key: format!("{WINDOW}|{room}"), end_ms: end_ms + ROOM_GRACE_MS };
        let first = || Kept::Window {
            stats: RoomStats { room: room.clone(), window_start: start_ms, window_end: end_ms, ..RoomStats::default() },
            mood_sum: 0.0,
        };
        self.kept.borrow_mut().update(&key, first, |kept| {
            if let Kept::Window { stats, mood_sum } = kept {
                change(stats, mood_sum);
            }
        });
        true
    }

    /// Viewers at a moment of event time.
    fn viewers(&self, room: &RoomId, at_ms: i64) -> u64 {
        let prefix = format!("{VIEWER}|{room}|");
        let from = Windowed { start_ms: i64::MIN, key: prefix.clone(), end_ms: i64::MIN };
        let kept = self.kept.borrow();
        let there = kept.range(from..).take_while(|(key, _)| key.start_ms == i64::MIN && key.key.starts_with(&prefix));
        there.filter(|(_, kept)| matches!(&**kept, Kept::Viewer(stays) if stays.contain(at_ms))).count() as u64
    }

    /// Somebody came, is still there, or left.
    fn attend(&self, presence: &Presence, now_ms: i64) {
        let (room, user_id) = (&presence.room, &presence.user_id);
        let key = self.find(VIEWER, room, user_id);
        let known = key.as_ref().and_then(|key| self.kept.borrow().get(key).map(Cow::into_owned));
        let mut stays = if let Some(Kept::Viewer(stays)) = known { stays } else { Stays::default() };
        match presence.action {
            PresenceAction::Join | PresenceAction::Beat => stays.see(presence.ts, PRESENT_MS),
            PresenceAction::Leave if self.options.is(Sabotage::ForgetLeaves) => {}
            PresenceAction::Leave => stays.leave(presence.ts),
        }
        stays.forget_before(now_ms.saturating_sub(ROOM_GRACE_MS + ROOM_MS));
        // As long as a window may ask who was there at its end.
        if let Some(until_ms) = stays.until_ms().map(|until_ms| until_ms + ROOM_GRACE_MS).filter(|until_ms| *until_ms > now_ms) {
            self.keep(VIEWER, room, user_id, until_ms, Kept::Viewer(stays));
        } else if let Some(key) = key {
            self.kept.borrow_mut().delete(&key);
        }
    }

    /// Whether a room is flooded from this window on; what goes on being flooded was told.
    fn floods(&self, stats: &RoomStats) -> bool {
        let is_flooded = alerts::is_flooded(stats);
        let is_known = self.find(FLOOD, &stats.room, &ViewerId::default()).is_some();
        if is_flooded {
            self.keep(FLOOD, &stats.room, &ViewerId::default(), stats.window_end + FLOOD_QUIET_MS, Kept::Flood);
        }
        is_flooded && !is_known
    }

    /// Somebody is here: known, or one more.
    fn see(&self, presence: &Presence) {
        let (room, user_id) = (&presence.room, &presence.user_id);
        let is_known = self.find(SEEN, room, user_id).is_some() && !self.options.is(Sabotage::CountBeats);
        if is_known || user_id.is_empty() || presence.action == PresenceAction::Leave {
            return;
        }
        let until_ms = presence.ts + UNIQUES_KEPT_MS;
        self.keep(SEEN, room, user_id, until_ms, Kept::Seen);
        let (mut exact, mut sketch) = self.uniques(room).unwrap_or_default();
        exact += 1;
        sketch.add(user_id.as_str());
        self.keep(UNIQUES, room, &ViewerId::default(), until_ms, Kept::Uniques { exact, sketch });
    }

    fn uniques(&self, room: &RoomId) -> Option<(u64, Sketch)> {
        let key = self.find(UNIQUES, room, &ViewerId::default())?;
        match self.kept.borrow().get(&key).as_deref() {
            Some(Kept::Uniques { exact, sketch }) => Some((*exact, sketch.clone())),
            _ => None,
        }
    }

    fn chat(&self, message: &ChatMessage, now_ms: i64) -> (Moderated, bool) {
        let found = self.find(WRITER, &message.room, &message.user_id);
        let known = found.and_then(|key| self.kept.borrow().get(&key).map(Cow::into_owned));
        let mut writer = if let Some(Kept::Writer(writer)) = known { writer } else { Writer::default() };
        let rules = writer.judge(&message.text, message.ts);
        self.keep(WRITER, &message.room, &message.user_id, message.ts.max(now_ms) + WRITER_KEPT_MS, Kept::Writer(writer));
        let mood = sentiment(&message.text);
        let is_hidden = !rules.is_empty() && !self.options.is(Sabotage::TrustEverybody);
        let is_counted = self.count(&message.room, message.ts, now_ms, |stats, mood_sum| {
            stats.messages += 1;
            stats.hidden += u64::from(is_hidden);
            *mood_sum += if is_hidden { 0.0 } else { mood };
        });
        let moderated = Moderated {
            message_id: message.message_id.clone(),
            room: message.room.clone(),
            user_id: message.user_id.clone(),
            verdict: if is_hidden { Moderation::Hidden } else { Moderation::Shown },
            rules: rules.into_iter().map(str::to_owned).collect(),
            sentiment: mood,
            ts: message.ts,
        };
        (moderated, is_counted)
    }
}

impl Processor<RoomId, Live, RoomId, Told> for Rooms {
    fn process(&mut self, record: &Record<RoomId, Live>, out: &mut Forward<'_, RoomId, Told>) {
        let now_ms = out.stream_time_ms();
        let (is_counted, what) = match &record.value {
            Live::Chat(message) => {
                let (moderated, is_counted) = self.chat(message, now_ms);
                let is_passed_over = self.options.is(Sabotage::PassOver) && message.ts % 10 == 0;
                if !is_passed_over {
                    out.send(&Record { key: message.room.clone(), value: Told::Message(moderated), timestamp_ms: record.timestamp_ms });
                }
                (is_counted, LateWhat::Message)
            }
            Live::Reaction(reaction) => {
                let is_counted = self.count(&reaction.room, reaction.ts, now_ms, |stats, _| {
                    let times = if reaction.emoji == "heart" && self.options.is(Sabotage::CountTwice) { 2 } else { 1 };
                    *stats.emoji.entry(reaction.emoji.clone()).or_default() += times;
                });
                (is_counted, LateWhat::Emoji(reaction.emoji.clone()))
            }
            Live::Presence(presence) => {
                self.see(presence);
                self.attend(presence, now_ms);
                // A window without a word still tells how many watch.
                (self.count(&presence.room, presence.ts, now_ms, |_, _| {}), LateWhat::Presence)
            }
        };
        if !is_counted {
            out.count_late();
            let (room, ts) = (record.value.room().clone(), record.value.ts());
            let late = LateEvent { room: room.clone(), window_start: ts - ts.rem_euclid(ROOM_MS), what, ts };
            out.send(&Record { key: room, value: Told::Late(late), timestamp_ms: record.timestamp_ms });
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, RoomId, Told>) {
        loop {
            let expired = self.kept.borrow_mut().pop_expired(out.stream_time_ms().saturating_add(1));
            let Some((_, kept)) = expired else { break };
            if let Kept::Window { mut stats, mood_sum } = kept {
                stats.viewers = self.viewers(&stats.room, stats.window_end);
                stats.published_ms = out.stream_time_ms();
                let (exact, sketch) = self.uniques(&stats.room).unwrap_or_default();
                (stats.unique_viewers, stats.unique_viewers_hll) = (exact, sketch.count());
                stats.sentiment = mood_sum / stats.messages.saturating_sub(stats.hidden).max(1) as f64;
                let timestamp_ms = stats.window_end - 1;
                if self.floods(&stats) {
                    let alert = Told::Alert(alerts::of_flood(&stats));
                    out.send(&Record { key: stats.room.clone(), value: alert, timestamp_ms });
                }
                out.send(&Record { key: stats.room.clone(), value: Told::Stats(stats), timestamp_ms });
            }
        }
    }
}
