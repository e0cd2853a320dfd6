//! The dashboard, folded from topics alone.

mod money;
mod rooms;
mod widgets;

use std::collections::{BTreeMap, VecDeque};

use serde::de::DeserializeOwned;
use weir_model::{Dashboard, TimestampMs};

use super::{
    records::{
        AbSide, AdSession, Charge, Counts, CubeRow, Incident, IncidentState, Moderated, Moderation, RoomStats, Slice, Spend, TitleStats,
    },
    settings::{
        AB, AD_DECISIONS, AD_SESSIONS, CAMPAIGNS, CHARGES, CUBE, INCIDENTS, MODERATED, ROOMS, SLICES, SPEND, TITLE_STATS, TITLES_TABLE,
    },
};
use crate::{
    pipelines::shape::{DashboardFold, Observed},
    sim::media::{AdAction, AdDecision, Campaign, Title},
    truth::latency::DecisionLatency,
};

/// Slices shown over time: five minutes of them.
const SLICES_MAX: usize = 75;
/// Windows of each room that are kept: five minutes.
const ROOM_WINDOWS_MAX: usize = 150;
/// Incidents, hidden messages, rooms, titles and campaigns that are shown at most.
const INCIDENTS_MAX: usize = 20;
const HIDDEN_MAX: usize = 12;
const NAMES_MAX: usize = 200;
/// Ads are counted over so long, for five minutes.
const AD_SLOT_MS: i64 = 5_000;
const AD_SLOTS_MAX: usize = 60;

/// Views and bad ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    total: u64,
    failures: u64,
}

impl Share {
    fn add(&mut self, total: u64, failures: u64) {
        self.total += total;
        self.failures += failures;
    }

    /// In percent.
    fn percent(self) -> Option<f64> {
        (self.total > 0).then(|| self.failures as f64 * 100.0 / self.total as f64)
    }
}

/// A slice's shares: of all, and by CDN and region.
#[derive(Clone, Debug, Default)]
struct Quality {
    all: Share,
    by_cdn_and_region: BTreeMap<(String, String), Share>,
}

/// What the dashboard knows.
#[derive(Debug, Default)]
pub(super) struct Fold {
    newest_ms: Option<i64>,
    slices: BTreeMap<i64, Quality>,
    /// The newest minute that closed, and what it says by CDN.
    minute_ms: i64,
    by_cdn: BTreeMap<String, Counts>,
    incidents: VecDeque<Incident>,
    rooms: BTreeMap<String, VecDeque<RoomStats>>,
    hidden: VecDeque<(TimestampMs, Moderated)>,
    titles: BTreeMap<String, TitleStats>,
    catalogue: BTreeMap<String, Title>,
    campaigns: BTreeMap<String, Campaign>,
    spend: BTreeMap<String, Spend>,
    /// What each paced campaign has spent of what was planned by then, in percent, by the time of the slot.
    paces: BTreeMap<String, BTreeMap<i64, f64>>,
    decided: u64,
    filled: u64,
    latency: DecisionLatency,
    /// Ads by the time of their slot: decided, and seen.
    ads: BTreeMap<i64, (u64, u64)>,
    /// How ads were watched, by campaign.
    watched: BTreeMap<String, Watched>,
    sides: BTreeMap<String, AbSide>,
}

/// How a campaign's ads were watched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Watched {
    /// Ads that came to the start, and to each quarter.
    reached: [u64; QUARTERS.len()],
    clicked: u64,
    broken: u64,
}

/// How far an ad comes.
const QUARTERS: [AdAction; 5] = [AdAction::Start, AdAction::Q1, AdAction::Mid, AdAction::Q3, AdAction::Complete];

impl DashboardFold for Fold {
    fn observe(&mut self, record: &Observed<'_>, _: TimestampMs) {
        let key = || String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
        match record.topic {
            SLICES => read(record, |slice| self.add_slice(&slice)),
            CUBE => read(record, |row| self.add_row(&row)),
            INCIDENTS => read(record, |incident| self.add_incident(incident)),
            ROOMS => read(record, |stats| self.add_room(stats)),
            MODERATED => read(record, |message: Moderated| {
                if message.verdict == Moderation::Hidden {
                    self.hidden.push_front((TimestampMs(message.ts), message));
                    self.hidden.truncate(HIDDEN_MAX);
                }
            }),
            TITLE_STATS => read(record, |stats| keep(&mut self.titles, key(), stats)),
            TITLES_TABLE => read(record, |title| keep(&mut self.catalogue, key(), title)),
            CAMPAIGNS => read(record, |campaign| keep(&mut self.campaigns, key(), campaign)),
            SPEND => read(record, |spend| {
                self.pace(&key(), &spend, record.timestamp_ms);
                keep(&mut self.spend, key(), spend);
            }),
            AD_DECISIONS => read(record, |decision: AdDecision| {
                self.decided += 1;
                self.latency.record(decision.latency_us);
                self.filled += u64::from(decision.campaign_id.is_some());
                self.count_ads(decision.ts, u64::from(decision.campaign_id.is_some()), 0);
            }),
            AB => read(record, |side| keep(&mut self.sides, key(), side)),
            AD_SESSIONS => read(record, |session: AdSession| self.add_ad(&session)),
            CHARGES => read(record, |charge: Charge| self.count_ads(charge.ts, 0, 1)),
            _ => return,
        }
        self.newest_ms = Some(self.newest_ms.unwrap_or(i64::MIN).max(record.timestamp_ms));
    }

    fn dashboard(&self, _: TimestampMs) -> Dashboard {
        let mut widgets: Vec<_> = widgets::tiles(self).into_iter().chain(money::tiles(self)).collect();
        widgets.extend(widgets::all(self));
        widgets.extend(rooms::all(self));
        widgets.extend(money::all(self));
        Dashboard { event_time: self.newest_ms.map(TimestampMs), widgets }
    }
}

impl Fold {
    fn add_slice(&mut self, slice: &Slice) {
        let place = |name: &str| slice.dimensions.iter().position(|known| known == name);
        let (cdn, region) = (place("cdn"), place("region"));
        let quality = self.slices.entry(slice.start_ms).or_default();
        for (values, total, failures) in &slice.cells {
            quality.all.add(*total, *failures);
            let value = |place: Option<usize>| place.and_then(|place| values.get(place)).cloned().unwrap_or_default();
            let at = (value(cdn), value(region));
            if quality.by_cdn_and_region.len() < NAMES_MAX || quality.by_cdn_and_region.contains_key(&at) {
                quality.by_cdn_and_region.entry(at).or_default().add(*total, *failures);
            }
        }
        while self.slices.len() > SLICES_MAX {
            self.slices.pop_first();
        }
    }

    /// Partitions close a minute apart from each other: its rows come bit by bit.
    fn add_row(&mut self, row: &CubeRow) {
        if row.window_start > self.minute_ms {
            self.minute_ms = row.window_start;
            self.by_cdn.clear();
        }
        // The CDN is the first of the cube's dimensions.
        let Some(cdn) = row.values.first().filter(|_| row.window_start == self.minute_ms) else { return };
        if self.by_cdn.len() < NAMES_MAX || self.by_cdn.contains_key(cdn) {
            self.by_cdn.entry(cdn.clone()).or_default().add(&row.counts);
        }
    }

    /// How far a campaign is, of what is planned by now.
    fn pace(&mut self, campaign_id: &str, spend: &Spend, now_ms: i64) {
        let Some(campaign) = self.campaigns.get(campaign_id).filter(|campaign| campaign.flight_ms > 0) else { return };
        let planned = campaign.planned_micros(now_ms);
        if planned <= 0 {
            return;
        }
        // Campaigns are no more than can be shown.
        let pace = self.paces.entry(campaign_id.to_owned()).or_default();
        pace.insert(now_ms - now_ms.rem_euclid(AD_SLOT_MS), spend.spent_micros as f64 * 100.0 / planned as f64);
        while pace.len() > AD_SLOTS_MAX {
            pace.pop_first();
        }
    }

    fn count_ads(&mut self, ts: i64, decided: u64, seen: u64) {
        let slot = self.ads.entry(ts - ts.rem_euclid(AD_SLOT_MS)).or_default();
        *slot = (slot.0 + decided, slot.1 + seen);
        while self.ads.len() > AD_SLOTS_MAX {
            self.ads.pop_first();
        }
    }

    fn add_ad(&mut self, session: &AdSession) {
        if self.watched.len() >= NAMES_MAX && !self.watched.contains_key(session.campaign_id.as_str()) {
            return;
        }
        let watched = self.watched.entry(session.campaign_id.to_string()).or_default();
        for (count, _) in watched.reached.iter_mut().zip(QUARTERS).filter(|(_, quarter)| *quarter <= session.reached) {
            *count += 1;
        }
        watched.clicked += u64::from(session.is_clicked);
        watched.broken += u64::from(session.is_broken);
    }

    fn add_incident(&mut self, incident: Incident) {
        match self.incidents.iter_mut().find(|known| known.incident_id == incident.incident_id) {
            Some(known) => *known = incident,
            None => self.incidents.push_front(incident),
        }
        self.incidents.truncate(INCIDENTS_MAX);
    }

    fn add_room(&mut self, stats: RoomStats) {
        if stats.room.is_empty() || (self.rooms.len() >= NAMES_MAX && !self.rooms.contains_key(stats.room.as_str())) {
            return;
        }
        let windows = self.rooms.entry(stats.room.to_string()).or_default();
        windows.push_back(stats);
        if windows.len() > ROOM_WINDOWS_MAX {
            windows.pop_front();
        }
    }

    fn open(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.iter().filter(|incident| incident.state != IncidentState::Closed)
    }
}

/// Keeps the newest of each name, and no more names than can be shown.
fn keep<V>(all: &mut BTreeMap<String, V>, name: String, value: V) {
    if all.len() < NAMES_MAX || all.contains_key(&name) {
        all.insert(name, value);
    }
}

/// What is no such record is passed over: anybody may write to a topic.
fn read<T: DeserializeOwned>(record: &Observed<'_>, with: impl FnOnce(T)) {
    if let Some(value) = record.value.and_then(|value| serde_json::from_slice(value).ok()) {
        with(value);
    }
}

#[cfg(test)]
mod tests;
