//! Who watches what for how long; which titles are watched to the end; what therefore stands first on everybody's screen.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    Options, Sabotage,
    records::{AbSide, TitleStats},
    settings::{
        AB, ENGAGEMENT_APP, HOME_ROW, HOME_ROW_EVERY_MS, HOME_ROW_TITLES, PLAYBACK, QOE, SESSION_KEPT_MS, SESSION_SILENCE_MS, TITLE_STATS,
    },
};
use crate::{
    sim::media::{HomeRow, Playback, PlaybackAction, Qoe, STAYED_MS, SessionId, VideoId, ViewerId},
    stream::{Forward, Processor, Record, Store, StoreHandle, Topology, TopologyError},
};

/// Events of viewers to figures of titles and the home row.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let (counts_pauses, forgets_quitters) = (options.is(Sabotage::WatchPauses), options.is(Sabotage::ForgetQuitters));
    let (forgets_tenths, forgets_stars) = (options.is(Sabotage::ForgetTenths), options.is(Sabotage::ForgetStars));
    Topology::new(ENGAGEMENT_APP, move |builder| {
        let playback = builder.stream::<SessionId, Playback>(PLAYBACK);
        let sessions = Store::<SessionId, Session>::expiring(|_, session| session.last_ts);
        let watch = move |sessions| Sessions { sessions, counts_pauses, forgets_tenths, forgets_stars };
        let watched = playback.process("sessions", sessions, None, watch);
        let judged = watched.flat_map_values(|record| record.value.stayed.clone());
        let judged = judged.filter(move |record| record.value.1 || !forgets_quitters);
        let sides = judged.group_by("ab", |record| record.value.0.clone()).aggregate(AbSide::default, |record, side| {
            side.sessions += 1;
            side.stayed += u64::from(record.value.1);
        });
        sides.to_stream().to(AB);
        // Players tell what stalls apart from what they watch.
        let reports = builder.stream::<SessionId, Qoe>(QOE).filter(|record| record.value.is_bad());
        let watched = watched.merge(&reports.map_values(|record| Watched::bad(&record.value.cid)));
        let by_title = watched.select_key(|record| record.value.video_id.clone());
        let viewers = Store::<String, i64>::expiring(|_, seen_ms| *seen_ms);
        let titles = by_title.process_values("viewers", viewers, None, |seen| Viewers { seen }).group_by_key("titles");
        let titles = titles.aggregate(TitleStats::default, |record, stats| stats.add(&record.value, record.timestamp_ms));
        let changes = titles.to_stream().flat_map_values(|record| record.value.clone());
        changes.to(TITLE_STATS);
        // One row for everybody: all titles meet in one task.
        let all = changes
            .filter(|record| !record.key.as_str().starts_with("live-"))
            .map_values(|record| (record.key.clone(), record.value.clone()));
        let rows =
            all.select_key(|_| "home".to_owned()).process("home", Store::<VideoId, TitleStats>::new(), None, |titles| Home { titles });
        rows.to(HOME_ROW);
    })
}

/// What a session has just added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    video_id: VideoId,
    /// Whose, where a play begins; else empty.
    #[serde(default, skip_serializing_if = "ViewerId::is_empty")]
    user_id: ViewerId,
    /// A viewer whom the title did not have yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_new_viewer: bool,
    watched_ms: i64,
    is_start: bool,
    /// Tenths of the title that were reached for the first time: from here to below there.
    tenths: (u8, u8),
    is_completed: bool,
    /// A player reported that it stalls.
    is_bad: bool,
    /// One to five, where it is rated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stars: Option<u8>,
    /// It is now known whether the viewer stayed: the side of the A/B test, and the answer.
    stayed: Option<(String, bool)>,
}

impl Watched {
    fn bad(video_id: &VideoId) -> Self {
        let video_id = video_id.clone();
        let (user_id, is_new_viewer) = (ViewerId::default(), false);
        Self {
            video_id,
            user_id,
            is_new_viewer,
            watched_ms: 0,
            is_start: false,
            tenths: (0, 0),
            is_completed: false,
            is_bad: true,
            stars: None,
            stayed: None,
        }
    }
}

/// A session as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    last_ts: i64,
    is_playing: bool,
    is_started: bool,
    tenths: u8,
    is_completed: bool,
    #[serde(default)]
    watched_ms: i64,
    /// Whether the viewer stayed was told.
    #[serde(default)]
    is_judged: bool,
}

impl Session {
    fn new(ts: i64) -> Self {
        Self { last_ts: ts, is_playing: false, is_started: false, tenths: 0, is_completed: false, watched_ms: 0, is_judged: false }
    }
}

struct Sessions {
    sessions: StoreHandle<SessionId, Session>,
    counts_pauses: bool,
    forgets_tenths: bool,
    forgets_stars: bool,
}

impl Processor<SessionId, Playback, SessionId, Watched> for Sessions {
    fn process(&mut self, record: &Record<SessionId, Playback>, out: &mut Forward<'_, SessionId, Watched>) {
        let event = &record.value;
        let mut session = self.sessions.borrow().get(&record.key).map(Cow::into_owned).unwrap_or_else(|| Session::new(event.ts));
        if event.ts < session.last_ts {
            out.count_late(); // a player's events are in order; what is not was sent again
            return;
        }
        let since_ms = event.ts - session.last_ts;
        let played_ms = if session.is_playing { since_ms.min(SESSION_SILENCE_MS) } else { 0 };
        let watched_ms = if self.counts_pauses { since_ms.min(SESSION_SILENCE_MS) } else { played_ms };
        let is_start = event.action == PlaybackAction::Play && !session.is_started;
        let reached = tenths_reached(event).saturating_sub(u8::from(self.forgets_tenths));
        let tenths = (session.tenths.min(reached), reached);
        let is_completed = reached >= 9 && !session.is_completed;
        let total_ms = session.watched_ms + played_ms;
        let has_stayed = total_ms >= STAYED_MS;
        let is_judged = has_stayed || event.action == PlaybackAction::Stop;
        let stayed = (is_judged && !session.is_judged).then(|| (event.variant.clone(), has_stayed));
        session = Session {
            last_ts: event.ts,
            is_playing: !matches!(event.action, PlaybackAction::Pause | PlaybackAction::Stop),
            is_started: session.is_started || is_start,
            tenths: session.tenths.max(reached),
            is_completed: session.is_completed || is_completed,
            watched_ms: total_ms,
            is_judged: session.is_judged || is_judged,
        };
        self.sessions.borrow_mut().put(record.key.clone(), session);
        let user_id = if is_start { event.user_id.clone() } else { ViewerId::default() };
        let (video_id, is_new_viewer) = (event.video_id.clone(), false);
        // Whoever writes more stars than there are has not rated.
        let stars = event.stars.filter(|stars| event.action == PlaybackAction::Rate && STARS.contains(stars) && !self.forgets_stars);
        let watched =
            Watched { video_id, user_id, is_new_viewer, watched_ms, is_start, tenths, is_completed, is_bad: false, stars, stayed };
        out.send(&record.with_value(watched));
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, SessionId, Watched>) {
        let before_ms = out.stream_time_ms().saturating_sub(SESSION_KEPT_MS);
        while self.sessions.borrow_mut().pop_expired(before_ms).is_some() {}
    }
}

/// Knows who has seen which title: each viewer counts once, however often they come back.
struct Viewers {
    /// By title and viewer together.
    seen: StoreHandle<String, i64>,
}

impl Processor<VideoId, Watched, VideoId, Watched> for Viewers {
    fn process(&mut self, record: &Record<VideoId, Watched>, out: &mut Forward<'_, VideoId, Watched>) {
        if !record.value.is_start {
            out.send(record);
            return;
        }
        let viewer = format!("{} {}", record.key, record.value.user_id);
        let is_new_viewer = self.seen.borrow().get(&viewer).is_none();
        self.seen.borrow_mut().put(viewer, record.timestamp_ms);
        out.send(&record.with_value(Watched { is_new_viewer, user_id: ViewerId::default(), ..record.value.clone() }));
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, VideoId, Watched>) {
        let before_ms = out.stream_time_ms().saturating_sub(VIEWERS_KEPT_MS);
        while self.seen.borrow_mut().pop_expired(before_ms).is_some() {}
    }
}

/// How many tenths of the title were reached; what is live has no end.
fn tenths_reached(event: &Playback) -> u8 {
    if event.length_s <= 0 { 0 } else { (event.position_s * 10 / event.length_s).clamp(0, 10) as u8 }
}

/// As many stars can be given.
const STARS: std::ops::RangeInclusive<u8> = 1..=5;
/// Who comes back after a day is a viewer anew.
const VIEWERS_KEPT_MS: i64 = 24 * 3_600_000;
/// Time watched of late halves in this time.
const RECENT_HALF_MS: f64 = 120_000.0;
/// What is broken shows, and heals, within moments.
const LATELY_HALF_MS: f64 = 10_000.0;
const MICROS: f64 = 1e6;
/// A title is broken that has so many bad reports lately, so many by minute watched, and so many times as many as all titles have.
const BROKEN_REPORTS: f64 = 4.0;
const BROKEN_PER_MINUTE: f64 = 1.5;
const BROKEN_RATIO: f64 = 3.0;

impl TitleStats {
    fn add(&mut self, watched: &Watched, timestamp_ms: i64) {
        self.starts += u64::from(watched.is_start);
        self.viewers += u64::from(watched.is_new_viewer);
        self.bad_reports += u64::from(watched.is_bad);
        self.completions += u64::from(watched.is_completed);
        self.ratings += u64::from(watched.stars.is_some());
        self.stars += u64::from(watched.stars.unwrap_or(0));
        self.watched_ms += watched.watched_ms;
        for tenth in watched.tenths.0..watched.tenths.1 {
            if let Some(count) = self.retention.get_mut(usize::from(tenth)) {
                *count += 1;
            }
        }
        let at_ms = self.recent_at_ms.max(timestamp_ms);
        self.recent_ms = self.recent_at(at_ms) + watched.watched_ms;
        let kept = self.lately_kept(at_ms);
        self.lately_ms = (self.lately_ms as f64 * kept) as i64 + watched.watched_ms;
        self.lately_bad_micros = (self.lately_bad_micros as f64 * kept) as i64 + if watched.is_bad { MICROS as i64 } else { 0 };
        self.recent_at_ms = at_ms;
    }

    /// Time watched of late, as of then.
    pub fn recent_at(&self, now_ms: i64) -> i64 {
        let age_ms = (now_ms - self.recent_at_ms).max(0) as f64;
        (self.recent_ms as f64 * 0.5_f64.powf(age_ms / RECENT_HALF_MS)) as i64
    }

    /// The mean of the stars it was given.
    pub fn stars_mean(&self) -> Option<f64> {
        (self.ratings > 0).then(|| self.stars as f64 / self.ratings as f64)
    }

    /// Bad reports of players by minute watched, of late.
    pub fn bad_per_minute(&self) -> Option<f64> {
        (self.lately_ms > 0).then(|| self.lately_bad_micros as f64 / MICROS / (self.lately_ms as f64 / 60_000.0))
    }

    /// Whether it stalls where the others do not. What ails all titles (a CDN that is down) is no title's fault.
    fn is_broken(&self, all: &Self, now_ms: i64) -> bool {
        let reports = self.lately_bad_micros as f64 / MICROS * self.lately_kept(now_ms);
        let usual = all.bad_per_minute().unwrap_or(0.0);
        reports >= BROKEN_REPORTS && self.bad_per_minute().is_some_and(|bad| bad >= BROKEN_PER_MINUTE.max(usual * BROKEN_RATIO))
    }

    fn lately_kept(&self, now_ms: i64) -> f64 {
        0.5_f64.powf((now_ms - self.recent_at_ms).max(0) as f64 / LATELY_HALF_MS)
    }
}

type Title = (VideoId, TitleStats);

struct Home {
    titles: StoreHandle<VideoId, TitleStats>,
}

/// Under this key, which is no title's, the store keeps when the row was last told, as `recent_at_ms`.
const TOLD: &str = "";

impl Processor<String, Title, String, HomeRow> for Home {
    fn process(&mut self, record: &Record<String, Title>, out: &mut Forward<'_, String, HomeRow>) {
        let (title, stats) = &record.value;
        let now_ms = out.stream_time_ms();
        let mut titles = self.titles.borrow_mut();
        titles.put(title.clone(), stats.clone());
        let told_ms = titles.get(&TOLD.into()).map_or(i64::MIN, |told| told.recent_at_ms);
        if now_ms.saturating_sub(told_ms) < HOME_ROW_EVERY_MS {
            return;
        }
        titles.put(TOLD.into(), TitleStats { recent_at_ms: now_ms, ..TitleStats::default() });
        let known = || titles.iter().filter(|(title, _)| title.as_str() != TOLD);
        let mut all = TitleStats::default();
        for (_, stats) in known() {
            let kept = stats.lately_kept(now_ms);
            all.lately_ms += (stats.lately_ms as f64 * kept) as i64;
            all.lately_bad_micros += (stats.lately_bad_micros as f64 * kept) as i64;
        }
        // Nobody is offered what does not play.
        let whole = known().filter(|(_, stats)| !stats.is_broken(&all, now_ms));
        let mut ranked: Vec<_> = whole.map(|(title, stats)| (stats.recent_at(now_ms), title)).collect();
        ranked.sort_by(|a, b| b.cmp(a));
        let row = HomeRow { titles: ranked.into_iter().take(HOME_ROW_TITLES).map(|(_, title)| title.into_owned()).collect(), ts: now_ms };
        drop(titles);
        out.send(&Record { key: "home".to_owned(), value: row, timestamp_ms: now_ms });
    }
}
