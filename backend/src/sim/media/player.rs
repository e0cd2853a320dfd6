//! One viewer with a player: starts, plays, stalls, pauses, cheers, leaves.

use std::collections::VecDeque;

use super::{
    catalogue::{APPS, BITRATES, CDNS, DEVICES, EMOJI, ISPS, REGIONS},
    chat::{self, Mood},
    event::{AdAction, Cell, PlaybackAction, PresenceAction},
};
use crate::sim::Random;

/// Time between two reports of a player.
pub(super) const REPORT_MS: i64 = 5_000;
/// How often a view is bad when nothing is wrong.
const BAD_RATE: f64 = 0.012;
/// Of bad views, those that end in a fatal error.
const FATAL_SHARE: f64 = 0.04;
/// Of failed starts, those that are tried again.
const RETRY_SHARE: f64 = 0.5;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Title { number: usize, length_ms: i64 },
    Live { room: usize },
}

/// What a player sends next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Out {
    Start { is_failed: bool, delay_ms: u32 },
    Report { stalled_ms: u32, played_ms: u32, is_fatal: bool },
    Playback(PlaybackAction),
    Presence(PresenceAction),
    Chat(String),
    Reaction(&'static str),
    AdRequest,
    Ad(String, AdAction),
}

/// What is around a player at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// By how much more a view fails because of faults.
    pub(super) extra: f64,
    /// Whether something great happens in the room.
    pub(super) is_goal: bool,
    /// The most a command allows, kbit/s.
    pub(super) bitrate_max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Playing,
    Paused,
    Gone,
}

/// A viewer.
#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) user_id: String,
    pub(super) session_id: String,
    /// As the network would have it; commands change what is used.
    pub(super) home: Cell,
    pub(super) content: Content,
    pub(super) bitrate: u32,
    /// Event time of the newest event: a player's own events are in order.
    pub(super) last_ts: i64,
    /// Playing since the last playback event, for the truth.
    pub(super) playing_since: Option<i64>,
    pub(super) position_ms: i64,
    state: State,
    outbox: VecDeque<Out>,
    /// How long this viewer stays at most.
    stays_until_ms: i64,
    last_report_ms: i64,
    reports: u32,
    is_stalling: bool,
    talks: f64,
    effect: f64,
}

impl Player {
    /// Somebody comes.
    pub(super) fn arrive(random: &mut Random, number: u64, content: Content, now_ms: i64) -> Self {
        let (isp, _, isp_effect) = ISPS[random.weighted(&ISPS.map(|(_, share, _)| share))];
        let (device, _, device_effect) = DEVICES[random.weighted(&DEVICES.map(|(_, share, _)| share))];
        let cdn = CDNS[random.weighted(&CDNS.map(|(_, share)| share))].0;
        let region = REGIONS[random.weighted(&REGIONS.map(|(_, share)| share))].0;
        let app_version = APPS[random.weighted(&APPS.map(|(_, share)| share))].0;
        let of = |text: &str| text.to_owned();
        let home = Cell { cdn: of(cdn), isp: of(isp), region: of(region), device: of(device), app_version: of(app_version) };
        Self {
            user_id: format!("u{number}"),
            session_id: format!("s{number}"),
            home,
            content,
            bitrate: BITRATES[random.weighted(&[0.1, 0.25, 0.4, 0.25])],
            last_ts: now_ms,
            playing_since: None,
            position_ms: 0,
            state: State::Starting,
            outbox: VecDeque::new(),
            stays_until_ms: now_ms + 20_000 + random.exponential(240_000.0) as i64,
            last_report_ms: now_ms,
            reports: 0,
            is_stalling: false,
            talks: random.unit() * 0.12,
            effect: isp_effect * device_effect,
        }
    }

    /// The next thing it sends, and when it is due again; `None` when it has left.
    pub(super) fn next(&mut self, random: &mut Random, around: Surroundings, now_ms: i64) -> Option<(Out, i64)> {
        if self.outbox.is_empty() {
            self.think(random, around, now_ms);
        }
        let out = self.outbox.pop_front()?;
        let due_ms = if self.outbox.is_empty() { now_ms + self.rest_ms(random) } else { now_ms + 20 };
        Some((out, due_ms))
    }

    /// Whether nothing more will come.
    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Gone && self.outbox.is_empty()
    }

    /// An ad was decided for it.
    pub(super) fn show_ad(&mut self, random: &mut Random, request_id: &str) {
        // Some players never get round to it: the ad is decided, and nobody pays.
        if self.state == State::Gone || random.chance(0.08) {
            return;
        }
        let mut tell = |action, chance| {
            if random.chance(chance) {
                self.outbox.push_back(Out::Ad(request_id.to_owned(), action));
            }
        };
        tell(AdAction::Start, 1.0);
        tell(AdAction::Start, 0.05); // told twice: the acknowledgement was lost
        tell(AdAction::Mid, 0.9);
        tell(AdAction::Complete, 0.75);
        tell(AdAction::Click, 0.02);
    }

    fn rest_ms(&self, random: &mut Random) -> i64 {
        match self.state {
            State::Paused => random.between(4_000, 30_000),
            State::Starting => 1_500,
            State::Playing | State::Gone => REPORT_MS,
        }
    }

    fn think(&mut self, random: &mut Random, around: Surroundings, now_ms: i64) {
        match self.state {
            State::Starting => self.start(random, around, now_ms),
            State::Playing => self.play_on(random, around, now_ms),
            State::Paused => {
                self.state = State::Playing;
                self.last_report_ms = now_ms;
                self.outbox.push_back(Out::Playback(PlaybackAction::Play));
            }
            State::Gone => {}
        }
    }

    fn start(&mut self, random: &mut Random, around: Surroundings, now_ms: i64) {
        self.last_report_ms = now_ms;
        let is_failed = random.chance(self.bad_chance(around));
        let delay_ms = (300.0 + random.exponential(if is_failed { 6_000.0 } else { 500.0 })) as u32;
        self.outbox.push_back(Out::Start { is_failed, delay_ms });
        if is_failed {
            self.state = if random.chance(RETRY_SHARE) { State::Starting } else { State::Gone };
            return;
        }
        self.state = State::Playing;
        self.outbox.push_back(Out::Playback(PlaybackAction::Play));
        if matches!(self.content, Content::Live { .. }) {
            self.outbox.push_back(Out::Presence(PresenceAction::Join));
        }
        if random.chance(0.6) {
            self.outbox.push_back(Out::AdRequest);
        }
    }

    fn play_on(&mut self, random: &mut Random, around: Surroundings, now_ms: i64) {
        let elapsed_ms = (now_ms - self.last_report_ms).clamp(1, 60_000);
        self.last_report_ms = now_ms;
        self.reports += 1;
        self.is_stalling = random.chance(self.bad_chance(around));
        let share = if self.is_stalling { 0.15 + 0.75 * random.unit() } else { 0.04 * random.unit() * random.unit() };
        let stalled_ms = (elapsed_ms as f64 * share) as u32;
        let is_fatal = self.is_stalling && random.chance(FATAL_SHARE);
        self.bitrate = around.bitrate_max.min(if self.is_stalling { BITRATES[0] } else { self.bitrate.max(BITRATES[1]) });
        let played_ms = elapsed_ms as u32 - stalled_ms.min(elapsed_ms as u32);
        self.outbox.push_back(Out::Report { stalled_ms, played_ms, is_fatal });
        let is_over = matches!(self.content, Content::Title { length_ms, .. } if self.position_ms >= length_ms);
        if is_fatal || is_over || now_ms >= self.stays_until_ms {
            self.leave();
            return;
        }
        self.act(random, around);
    }

    fn act(&mut self, random: &mut Random, around: Surroundings) {
        if let Content::Live { .. } = self.content {
            if random.chance(if around.is_goal { self.talks * 4.0 } else { self.talks }) {
                let mood: Mood = chat::mood(random, around.is_goal, self.is_stalling);
                self.outbox.push_back(Out::Chat(chat::message(random, mood)));
            }
            let (chance, times) = if around.is_goal { (0.9, 4) } else { (0.2, 1) };
            for _ in 0..times {
                if random.chance(chance) {
                    self.outbox.push_back(Out::Reaction(EMOJI[random.weighted(&EMOJI.map(|(_, share)| share))].0));
                }
            }
            if self.reports.is_multiple_of(4) {
                self.outbox.push_back(Out::Presence(PresenceAction::Beat));
            }
        } else if random.chance(0.02) {
            self.state = State::Paused;
            self.outbox.push_back(Out::Playback(PlaybackAction::Pause));
        } else if random.chance(0.02) {
            let is_back = random.chance(0.5);
            self.position_ms = (self.position_ms + if is_back { -15_000 } else { 30_000 }).max(0);
            self.outbox.push_back(Out::Playback(if is_back { PlaybackAction::SeekBack } else { PlaybackAction::Skip }));
        } else if random.chance(0.04) {
            self.outbox.push_back(Out::AdRequest);
        }
        if self.reports.is_multiple_of(3) {
            self.outbox.push_back(Out::Playback(PlaybackAction::Heartbeat));
        }
    }

    fn leave(&mut self) {
        self.state = State::Gone;
        self.outbox.push_back(Out::Playback(PlaybackAction::Stop));
        if matches!(self.content, Content::Live { .. }) {
            self.outbox.push_back(Out::Presence(PresenceAction::Leave));
        }
    }

    fn bad_chance(&self, around: Surroundings) -> f64 {
        let base = BAD_RATE * self.effect;
        base + (1.0 - base) * around.extra
    }
}
