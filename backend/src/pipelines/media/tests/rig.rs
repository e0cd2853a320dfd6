//! The whole pipeline without a broker: the world, every topology in a test driver, and the truth, wired topic by topic.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::super::{Options, Sabotage, alerts::Alert, records::TitleStats, settings::*, topologies, world::topic_of};
use crate::{
    sim::media::{
        AdDecision, DISORDER_MAX_MS, Generator, GeneratorParams, HomeRow, PlayerCommand, Presence, PresenceAction, RoomId, TruthRecord,
        VideoId, ViewerId, campaigns,
    },
    stream::TopologyTestDriver,
    truth::{Seen, media::MediaTruth},
};

/// A record on its way.
type Moving = (String, Vec<u8>, Vec<u8>, i64);

/// Event time at which every run of a test starts.
pub(super) const START_MS: i64 = 1_790_000_000_000;

/// A topology at work, the topics it reads and those it writes.
type Driven = (TopologyTestDriver, Vec<Arc<str>>, Vec<Arc<str>>);

pub(super) struct Rig {
    pub(super) generator: Generator,
    drivers: Vec<Driven>,
    pub(super) truth: MediaTruth,
    /// The newest record of each title, and the newest home row.
    newest: BTreeMap<String, Vec<u8>>,
    pub(super) alerts: Vec<Alert>,
    /// Players hear of commands.
    pub(super) is_obeyed: bool,
}

impl Rig {
    pub(super) fn new(seed: u64, rate_per_s: u32, sabotage: Option<Sabotage>) -> Self {
        let topologies = topologies(&Options { run: "run".to_owned(), sabotage, ..Options::default() }).expect("topologies are right");
        let drivers = topologies.into_iter().map(|topology| {
            let description = topology.description();
            let mut sources: Vec<_> = description.subtopologies.iter().flat_map(|part| part.source_topics.clone()).collect();
            sources.extend(description.global_topics.iter().cloned());
            assert!(sources.iter().all(|topic| !topic.starts_with("_truth")), "no topology may read the truth");
            let topics = description.nodes.iter().filter_map(|node| node.topic.clone());
            let sinks = topics.filter(|topic| RESULTS.contains(&&**topic) && !sources.contains(topic)).collect();
            (TopologyTestDriver::new(&topology), sources, sinks)
        });
        let generator = Generator::new(GeneratorParams { seed, rate_per_s, start_at_ms: START_MS, disorder_ms: DISORDER_MAX_MS });
        let mut rig = Self {
            generator,
            drivers: drivers.collect(),
            newest: BTreeMap::new(),
            alerts: Vec::new(),
            truth: MediaTruth::default(),
            is_obeyed: true,
        };
        for campaign in campaigns(seed, START_MS) {
            let value = serde_json::to_vec(&campaign).expect("JSON");
            rig.send((CAMPAIGNS.to_owned(), campaign.campaign_id.0.into_bytes(), value, START_MS));
        }
        rig
    }

    /// Only the applications that read a topic go on.
    pub(super) fn keep_readers_of(&mut self, topic: &str) {
        self.drivers.retain(|(_, sources, _)| sources.iter().any(|source| **source == *topic));
    }

    /// What is known of a title.
    pub(super) fn title(&self, title: &str) -> TitleStats {
        self.newest.get(title).map(|value| serde_json::from_slice(value).expect("figures")).unwrap_or_default()
    }

    /// What stands in the home row.
    pub(super) fn home_row(&self) -> Vec<VideoId> {
        self.newest.get("home").map(|value| serde_json::from_slice::<HomeRow>(value).expect("a row").titles).unwrap_or_default()
    }

    /// Runs for so long.
    pub(super) fn run_s(&mut self, seconds: i64) {
        let until_ms = self.generator.now_ms() + seconds * 1_000;
        while self.generator.now_ms() < until_ms {
            let record = self.generator.generate();
            self.send((topic_of(record.topic).to_owned(), record.key.into_bytes(), record.value, record.timestamp_ms));
            for truth in self.generator.take_truth() {
                self.tell(&truth);
            }
        }
    }

    /// The players tell what they know.
    pub(super) fn end(&mut self) {
        let totals = TruthRecord::Totals(self.generator.truth().clone());
        self.tell(&totals);
        // Time goes on, so that the last windows of the rooms close.
        let ts = self.generator.now_ms() + PRESENT_MS / 2;
        let nobody = Presence { room: RoomId::default(), user_id: ViewerId::default(), action: PresenceAction::Leave, ts };
        self.send((PRESENCE.to_owned(), Vec::new(), serde_json::to_vec(&nobody).expect("JSON"), ts));
        let nothing = serde_json::json!({
            "request_id": "", "user_id": "", "session_id": "", "content_id": "", "device": "", "geo": "", "ts": ts,
        });
        self.send((AD_REQUESTS.to_owned(), Vec::new(), nothing.to_string().into_bytes(), ts));
    }

    pub(super) fn tell(&mut self, truth: &TruthRecord) {
        let value = serde_json::to_vec(truth).expect("JSON");
        let timestamp_ms = self.generator.now_ms();
        self.truth.observe(&Seen { topic: TRUTH, partition: 0, key: b"truth", value: &value, timestamp_ms });
    }

    /// A record goes to its topic, and all that follows from it happens.
    pub(super) fn send(&mut self, record: Moving) {
        let mut waiting = VecDeque::from([record]);
        while let Some(record) = waiting.pop_front() {
            self.pass(&record, &mut waiting);
        }
    }

    fn pass(&mut self, record: &Moving, waiting: &mut VecDeque<Moving>) {
        let (topic, key, value, timestamp_ms) = record;
        self.truth.observe(&Seen { topic, partition: 0, key, value, timestamp_ms: *timestamp_ms });
        self.hear(topic, value);
        if [TITLE_STATS, HOME_ROW].contains(&topic.as_str()) {
            self.newest.insert(String::from_utf8_lossy(key).into_owned(), value.clone());
        }
        if topic == ALERTS {
            self.alerts.push(serde_json::from_slice(value).expect("an alert"));
        }
        for (driver, sources, sinks) in &mut self.drivers {
            if sources.iter().any(|source| **source == **topic) {
                driver.pipe_bytes(topic, Some(key.clone()), Some(value.clone()), *timestamp_ms).expect("it is processed");
                for topic in sinks {
                    for result in driver.read_all::<Vec<u8>, serde_json::Value>(topic).expect("JSON") {
                        let value = result.value.map(|value| serde_json::to_vec(&value).expect("JSON")).unwrap_or_default();
                        waiting.push_back((topic.to_string(), result.key, value, result.timestamp_ms));
                    }
                }
            }
        }
    }

    /// The loops are closed.
    fn hear(&mut self, topic: &str, value: &[u8]) {
        match topic {
            COMMANDS if self.is_obeyed => self.generator.command(serde_json::from_slice::<PlayerCommand>(value).expect("a command")),
            AD_DECISIONS => self.generator.ad_decided(&serde_json::from_slice::<AdDecision>(value).expect("a decision")),
            HOME_ROW => self.generator.home_row(&serde_json::from_slice::<HomeRow>(value).expect("a row")),
            _ => {}
        }
    }

    /// Forgets everything in memory and rebuilds it from the changelogs.
    pub(super) fn crash_and_restore(&mut self) {
        for (driver, ..) in &mut self.drivers {
            driver.crash_and_restore().expect("restored");
        }
    }

    /// Records that could not be read.
    pub(super) fn malformed(&self) -> u64 {
        self.drivers.iter().map(|(driver, ..)| driver.dropped().malformed).sum()
    }

    /// A verdict, and its evidence.
    pub(super) fn verdict(&self, id: &str) -> (weir_model::CheckVerdict, String) {
        let check = self.truth.verdicts(true).into_iter().find(|check| &*check.id == id);
        check.map(|check| (check.verdict, check.evidence.to_string())).unwrap_or_else(|| panic!("no check {id}"))
    }
}
