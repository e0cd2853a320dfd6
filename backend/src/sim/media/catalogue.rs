//! What the service consists of: CDNs, networks, regions, devices, titles, rooms and campaigns.

use serde::{Deserialize, Serialize};

use super::ids::{CampaignId, RoomId, VideoId};
use crate::sim::hash64;

/// CDNs with their share of the traffic.
pub const CDNS: [(&str, f64); 3] = [("cdn-a", 0.45), ("cdn-b", 0.35), ("cdn-c", 0.20)];
/// Access networks: share, and how much more often than on average views fail there.
pub const ISPS: [(&str, f64, f64); 5] =
    [("isp-1", 0.30, 0.8), ("isp-2", 0.25, 1.0), ("isp-3", 0.20, 1.3), ("isp-4", 0.15, 0.9), ("isp-5", 0.10, 1.6)];
/// Regions with shares.
pub const REGIONS: [(&str, f64); 4] = [("eu", 0.35), ("na", 0.30), ("apac", 0.25), ("latam", 0.10)];
/// Devices: share, and how much more often than on average views fail there.
pub const DEVICES: [(&str, f64, f64); 5] =
    [("tv", 0.30, 0.7), ("android", 0.28, 1.2), ("ios", 0.20, 0.9), ("web", 0.17, 1.1), ("console", 0.05, 1.4)];
/// Releases of the app with shares, newest first.
pub const APPS: [(&str, f64); 2] = [("8.2", 0.55), ("8.1", 0.45)];
/// Titles on demand.
pub const TITLES: usize = 40;
/// Live rooms.
pub const ROOMS: usize = 4;
/// What viewers of a live room send, with shares.
pub const EMOJI: [(&str, f64); 6] = [("heart", 0.30), ("laugh", 0.22), ("clap", 0.18), ("fire", 0.15), ("wow", 0.10), ("sad", 0.05)];
/// Ladder of bitrates, kbit/s.
pub(super) const BITRATES: [u32; 4] = [1_200, 2_500, 4_500, 8_000];

/// Audiences that viewers belong to.
pub(super) const SEGMENTS: [&str; 6] = ["sports", "news", "kids", "cooking", "gaming", "travel"];
/// The audience of those who come for an ad alone; no viewer belongs to it.
pub(super) const RACERS: &str = "bargains";
/// What titles are about.
const GENRES: [&str; 5] = ["drama", "comedy", "documentary", "thriller", "animation"];

/// A title's id.
pub fn title_id(number: usize) -> VideoId {
    VideoId(format!("title-{number:02}"))
}

/// How long a title is: 4 to 40 minutes, so that some are watched to the end while one looks on.
pub fn title_length_ms(seed: u64, number: usize) -> i64 {
    (4 + (hash64(seed ^ 0x7117, number as u64) % 37) as i64) * 60_000
}

/// A title as it stands in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// Its id, the key of the table.
    pub video_id: VideoId,
    /// What people call it.
    pub name: String,
    /// What it is about.
    pub genre: String,
    /// How long it is, s.
    pub length_s: i64,
}

/// The catalogue of a seed.
pub fn titles(seed: u64) -> Vec<Title> {
    let title = |number: usize| {
        let genre = GENRES[(hash64(seed ^ 0x9e5, number as u64) % GENRES.len() as u64) as usize];
        Title {
            video_id: title_id(number),
            name: format!("A {genre} no. {number}"),
            genre: genre.to_owned(),
            length_s: title_length_ms(seed, number) / 1_000,
        }
    };
    (0..TITLES).map(title).collect()
}

/// A room's name.
pub fn room_name(number: usize) -> RoomId {
    ["final", "concert", "launch", "chess"].get(number).map_or_else(|| format!("room-{number}").into(), |name| (*name).into())
}

/// An advertiser's order: how much may be spent, what a view costs, whom it is for, how often one user may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id, the key of the table.
    pub campaign_id: CampaignId,
    /// All that may be spent, in millionths of the currency.
    pub budget_micros: i64,
    /// The most the advertiser pays for one impression, in millionths of the currency.
    pub bid_micros: i64,
    /// How often a user may see it in an hour of event time.
    pub cap_per_hour: u32,
    /// Only on these devices; everywhere when empty.
    pub devices: Vec<String>,
    /// Only in these regions; everywhere when empty.
    pub regions: Vec<String>,
    /// Only for users of one of these audiences; for everybody when empty.
    #[serde(default)]
    pub segments: Vec<String>,
    /// Event time at which it begins, epoch ms.
    #[serde(default)]
    pub from_ms: i64,
    /// Over how long its budget is to be spread evenly; 0 for as soon as it can be spent.
    #[serde(default)]
    pub flight_ms: i64,
}

/// How long the flights of paced campaigns are.
const FLIGHT_MS: i64 = 10 * 60_000;

/// Campaigns of a seed.
const CAMPAIGNS: usize = 12;

/// The campaigns a seed comes with, from then on.
///
/// The first is dear, small and in a hurry, and for those who come for its ad alone: what a budget race is about. The last takes what the
/// others leave, whose plans allow so much and no more while an audience that has just come asks for everything at once: cheap, for
/// everybody, and with budget for hours. All between are paced, and together ask for about as many views as a quiet audience has.
pub fn campaigns(seed: u64, from_ms: i64) -> Vec<Campaign> {
    const LAST: usize = CAMPAIGNS - 1;
    let campaign = |number: usize| {
        let draw = |of: u64, n: u64| hash64(seed ^ of, number as u64) % n;
        let some = |of: u64, names: Vec<&str>| {
            let first = draw(of, names.len() as u64 * 2) as usize;
            names.get(first..(first + 2).min(names.len())).unwrap_or_default().iter().map(|name| (*name).to_owned()).collect()
        };
        let paced = Campaign {
            campaign_id: CampaignId(format!("campaign-{number:02}")),
            budget_micros: (5 + draw(1, 40) as i64) * 1_000_000,
            bid_micros: (6 + draw(2, 30) as i64) * 1_000,
            cap_per_hour: 2 + draw(3, 3) as u32,
            devices: some(4, DEVICES.map(|(name, ..)| name).to_vec()),
            regions: some(5, REGIONS.map(|(name, _)| name).to_vec()),
            segments: some(6, SEGMENTS.to_vec()),
            from_ms,
            flight_ms: FLIGHT_MS,
        };
        let unpaced = Campaign { devices: Vec::new(), regions: Vec::new(), segments: Vec::new(), flight_ms: 0, ..paced.clone() };
        match number {
            0 => Campaign { budget_micros: 1_500_000, bid_micros: 40_000, segments: vec![RACERS.to_owned()], ..unpaced },
            LAST => Campaign { budget_micros: 500_000_000, bid_micros: 3_000, cap_per_hour: 30, ..unpaced },
            _ => paced,
        }
    };
    (0..CAMPAIGNS).map(campaign).collect()
}
