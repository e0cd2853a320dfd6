//! One viewer with a player: starts, plays, stalls, pauses, cheers, leaves.

use std::collections::VecDeque;

use super::{
    catalogue::{APPS, BITRATES, CDNS, DEVICES, EMOJI, ISPS, REGIONS, SEGMENTS},
    chat::{self, Mood},
    event::{AdAction, Cell, PlaybackAction, PresenceAction},
    ids::{RequestId, SessionId, ViewerId},
};
use crate::sim::{Random, hash64};

/// Time between two reports of a player.
pub(super) const REPORT_MS: i64 = 5_000;
/// How often a view is bad when nothing is wrong.
const BAD_RATE: f64 = 0.012;
/// Of bad views, those that end in a fatal error.
const FATAL_SHARE: f64 = 0.04;
/// How long viewers wait for the first picture; half of those who must wait longer leave.
const PATIENCE_MS: u32 = 2_000;
/// One title viewer in so many heartbeats gives stars.
const RATES_OF: u64 = 30;
/// Draws what is drawn apart from what players do.
const ASIDE_SEED: u64 = 0xa51de;
/// Of failed starts, those that are tried again.
const RETRY_SHARE: f64 = 0.5;

/// Sides of the A/B test. B tells what a title is about before it starts, so that fewer change their mind within seconds.
pub(super) const VARIANTS: [&str; 2] = ["A", "B"];
/// The share that does.
const QUITS_EARLY: [f64; 2] = [0.3, 0.16];
/// Chooses the side, by viewer.
const VARIANT_SEED: u64 = 0xab;
/// How often a viewer of a live room sends an emoji with a report.
const CHEER_CHANCE: f64 = 0.2;
/// An ad's quarters, how long after its start, and the share of those who came so far that goes on.
const AD_QUARTERS: [(i64, AdAction, f64); 4] =
    [(3_750, AdAction::Q1, 0.94), (7_500, AdAction::Mid, 0.95), (11_250, AdAction::Q3, 0.96), (15_000, AdAction::Complete, 0.97)];
/// Of ads that do not go on, those that broke off.
const AD_ERROR_SHARE: f64 = 0.2;

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
    Quit,
    Report { stalled_ms: u32, played_ms: u32, is_fatal: bool },
    Playback(PlaybackAction),
    Presence(PresenceAction),
    Chat(String),
    Reaction(&'static str),
    AdRequest,
    Ad(RequestId, AdAction),
}

/// An emoji.
pub(super) fn emoji(random: &mut Random) -> &'static str {
    EMOJI[random.weighted(&EMOJI.map(|(_, share)| share))].0
}

/// How much more often than on average views fail on a network and a device.
fn effect_of(home: &Cell) -> f64 {
    let of = |known: &[(&str, f64, f64)], name: &str| known.iter().find(|(known, ..)| *known == name).map_or(1.0, |(.., effect)| *effect);
    of(&ISPS, &home.isp) * of(&DEVICES, &home.device)
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

/// Somebody who left, and may come back.
#[derive(Clone, Debug)]
pub(super) struct Returning {
    number: u64,
    home: Cell,
    pub(super) content: Content,
}

/// A viewer.
#[derive(Clone, Debug)]
pub(super) struct Player {
    /// The viewer's number; sessions have their own.
    number: u64,
    pub(super) user_id: ViewerId,
    pub(super) session_id: SessionId,
    /// As the network would have it; commands change what is used.
    pub(super) home: Cell,
    pub(super) content: Content,
    pub(super) bitrate: u32,
    /// Event time of the newest event: a player's own events are in order.
    pub(super) last_ts: i64,
    /// Playing since the last playback event, for the truth.
    pub(super) playing_since: Option<i64>,
    pub(super) position_ms: i64,
    /// Its side of the A/B test.
    pub(super) variant: usize,
    /// Time watched, and whether the truth has judged whether the viewer stayed.
    pub(super) watched_ms: i64,
    pub(super) is_judged: bool,
    state: State,
    outbox: VecDeque<Out>,
    /// What there will be to tell of ads, by time.
    ads: VecDeque<(i64, RequestId, AdAction)>,
    /// When it next reports; `None` while it has something to say.
    thinks_at_ms: Option<i64>,
    /// How long this viewer stays at most.
    stays_until_ms: i64,
    last_report_ms: i64,
    reports: u32,
    /// Breaks for ads so far, and frames that were dropped.
    pub(super) breaks: u32,
    pub(super) dropped_frames: u32,
    is_stalling: bool,
    talks: f64,
    effect: f64,
}

impl Player {
    /// Somebody comes, for the first time or again.
    pub(super) fn arrive(random: &mut Random, session: u64, returning: Option<Returning>, content: Content, now_ms: i64) -> Self {
        let (isp, ..) = ISPS[random.weighted(&ISPS.map(|(_, share, _)| share))];
        let (device, ..) = DEVICES[random.weighted(&DEVICES.map(|(_, share, _)| share))];
        let cdn = CDNS[random.weighted(&CDNS.map(|(_, share)| share))].0;
        let region = REGIONS[random.weighted(&REGIONS.map(|(_, share)| share))].0;
        let app_version = APPS[random.weighted(&APPS.map(|(_, share)| share))].0;
        let of = |text: &str| text.to_owned();
        let home = Cell { cdn: of(cdn), isp: of(isp), region: of(region), device: of(device), app_version: of(app_version) };
        // Who comes again is where and what they were.
        let (number, home) = returning.map_or((session, home), |returning| (returning.number, returning.home));
        let effect = effect_of(&home);
        let variant = usize::from(hash64(VARIANT_SEED, number) & 1 == 1);
        let stays_ms =
            if random.chance(QUITS_EARLY[variant]) { random.between(3_000, 14_000) } else { 20_000 + random.exponential(240_000.0) as i64 };
        Self {
            number,
            user_id: ViewerId(format!("u{number}")),
            session_id: SessionId(format!("s{session}")),
            home,
            content,
            bitrate: BITRATES[random.weighted(&[0.1, 0.25, 0.4, 0.25])],
            last_ts: now_ms,
            playing_since: None,
            position_ms: 0,
            variant,
            watched_ms: 0,
            is_judged: false,
            state: State::Starting,
            outbox: VecDeque::new(),
            ads: VecDeque::new(),
            thinks_at_ms: None,
            stays_until_ms: now_ms + stays_ms,
            last_report_ms: now_ms,
            reports: 0,
            breaks: 0,
            dropped_frames: 0,
            is_stalling: false,
            talks: random.unit() * 0.12,
            effect,
        }
    }

    /// The next thing it sends, and when it is due again; `None` when it has left.
    pub(super) fn next(&mut self, random: &mut Random, around: Surroundings, now_ms: i64) -> Option<(Out, i64)> {
        if self.outbox.is_empty() {
            match self.ads.pop_front_if(|(due_ms, ..)| *due_ms <= now_ms) {
                Some((_, request_id, action)) => self.outbox.push_back(Out::Ad(request_id, action)),
                None => {
                    self.thinks_at_ms = None;
                    self.think(random, around, now_ms);
                }
            }
        }
        let out = self.outbox.pop_front()?;
        Some((out, self.due_ms(random, now_ms)))
    }

    fn due_ms(&mut self, random: &mut Random, now_ms: i64) -> i64 {
        if !self.outbox.is_empty() {
            return now_ms + 20;
        }
        let rest_ms = self.rest_ms(random);
        let thinks_at_ms = *self.thinks_at_ms.get_or_insert(now_ms + rest_ms);
        self.ads.front().map_or(thinks_at_ms, |(due_ms, ..)| thinks_at_ms.min(*due_ms).max(now_ms + 20))
    }

    /// Who leaves may come back.
    pub(super) fn into_returning(self) -> Returning {
        Returning { number: self.number, home: self.home, content: self.content }
    }

    /// Whether it plays just now.
    pub(super) fn is_playing(&self) -> bool {
        self.state == State::Playing && self.playing_since.is_some()
    }

    /// Whether nothing more will come.
    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Gone && self.outbox.is_empty()
    }

    /// An ad was decided for it.
    pub(super) fn show_ad(&mut self, random: &mut Random, request_id: &RequestId, now_ms: i64) {
        // Some players never get round to it: the ad is decided, and nobody pays.
        if self.state == State::Gone || random.chance(0.08) {
            return;
        }
        let mut tell = |after_ms, action| self.ads.push_back((now_ms + after_ms, request_id.clone(), action));
        tell(0, AdAction::Start);
        if random.chance(0.05) {
            tell(0, AdAction::Start); // told twice: the acknowledgement was lost
        }
        for (after_ms, action, goes_on) in AD_QUARTERS {
            if !random.chance(goes_on) {
                if random.chance(AD_ERROR_SHARE) {
                    tell(after_ms, AdAction::Error);
                }
                break;
            }
            tell(after_ms, action);
            if action == AdAction::Mid && random.chance(0.02) {
                tell(after_ms, AdAction::Click);
            }
        }
        self.ads.make_contiguous().sort_by_key(|(due_ms, ..)| *due_ms);
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
        if !is_failed && delay_ms > PATIENCE_MS && delay_ms.is_multiple_of(2) {
            self.state = State::Gone;
            self.outbox.push_back(Out::Quit);
            return;
        }
        self.outbox.push_back(Out::Start { is_failed, delay_ms });
        if is_failed {
            self.state = if random.chance(RETRY_SHARE) { State::Starting } else { State::Gone };
            return; // no ad was asked for yet
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
        self.dropped_frames += (self.aside() % if self.is_stalling { 40 } else { 3 }) as u32;
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
            if random.chance(CHEER_CHANCE) {
                self.outbox.push_back(Out::Reaction(emoji(random)));
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
            let is_rated = matches!(self.content, Content::Title { .. }) && self.aside().is_multiple_of(RATES_OF);
            self.outbox.push_back(Out::Playback(if is_rated { PlaybackAction::Rate } else { PlaybackAction::Heartbeat }));
        }
    }

    /// A number for what changes nothing else.
    pub(super) fn aside(&self) -> u64 {
        hash64(hash64(ASIDE_SEED, self.number), u64::from(self.reports))
    }

    /// The audiences the viewer belongs to: one or two.
    pub(super) fn segments(&self) -> Vec<String> {
        let of = hash64(!ASIDE_SEED, self.number);
        let names = [of % 6, of / 6 % 6].map(|at| SEGMENTS[at as usize].to_owned());
        names.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn leave(&mut self) {
        self.state = State::Gone;
        self.ads.clear();
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
