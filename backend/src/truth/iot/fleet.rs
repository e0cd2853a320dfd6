//! Readings: none missing in the end, and no twin that goes back in time.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::iot::{
        records::DeviceState,
        settings::{DEVICE_STATE, SENSOR_DATA, TRUTH},
    },
    sim::iot::{DeviceId, Reading, TruthRecord},
    truth::{Sequence, check, pending},
};

/// Devices that are compared.
const DEVICES_MAX: usize = 20_000;

/// What is known of a device.
#[derive(Debug, Default)]
struct Known {
    seqs: Sequence,
    partition: Option<i32>,
    twin: Option<(u64, u64)>,
}

/// Compares readings and twins with what devices took.
#[derive(Debug, Default)]
pub struct Fleet {
    devices: BTreeMap<DeviceId, Known>,
    taken: Option<BTreeMap<DeviceId, u64>>,
    readings: u64,
    twins: u64,
    went_back: u64,
    moved: u64,
    example: Option<String>,
}

impl Fleet {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>, since_ms: i64) {
        match seen.topic {
            SENSOR_DATA => {
                let Some(reading) = seen.read::<Reading>().filter(|reading| reading.boot >= since_ms && seen.is_of(&reading.device_id))
                else {
                    return;
                };
                self.readings += 1;
                let Some(known) = self.known(reading.device_id) else { return };
                known.seqs.observe(reading.seq);
                let moved = known.partition.replace(seen.partition).is_some_and(|was| was != seen.partition);
                self.moved += u64::from(moved);
            }
            DEVICE_STATE => {
                let Some(state) = seen.read::<DeviceState>().filter(|state| state.boot >= since_ms) else { return };
                self.twins += 1;
                let Some(known) = self.known(state.device_id.clone()) else { return };
                let before = known.twin.replace((state.last_seq, state.missing));
                if let Some((before, _)) = before.filter(|(before, _)| *before > state.last_seq) {
                    self.went_back += 1;
                    let example = || format!("{} from reading {before} to {}", state.device_id, state.last_seq);
                    self.example.get_or_insert_with(example);
                }
            }
            TRUTH => {
                if let Some(TruthRecord::Totals { readings, .. }) = seen.read() {
                    self.taken = Some(readings);
                }
            }
            _ => {}
        }
    }

    fn known(&mut self, id: DeviceId) -> Option<&mut Known> {
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(&id) {
            return None;
        }
        Some(self.devices.entry(id).or_default())
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        vec![self.gaps_closed(is_over), self.device_order(is_over)]
    }

    /// Counters.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let repeated = self.devices.values().map(|known| known.seqs.duplicates()).sum();
        [("readings".to_owned(), self.readings), ("readings_repeated".to_owned(), repeated), ("twins".to_owned(), self.twins)].into()
    }

    /// After recovery every reading that was taken is there, and the pipeline knows it.
    fn gaps_closed(&self, is_over: bool) -> Check {
        let id = "gaps_closed";
        let Some(taken) = self.taken.as_ref().filter(|_| is_over) else {
            let missing: u64 = self.devices.values().filter_map(|known| known.twin).map(|(_, missing)| missing).sum();
            return pending(id, format!("{missing} readings are on their way; devices tell at the end of the run"));
        };
        let (mut lost, mut open, mut example) = (0, 0, None);
        for (device, count) in taken.iter().filter(|(_, count)| **count > 0) {
            let Some(known) = self.devices.get(device) else {
                lost += count;
                continue;
            };
            let twin = known.twin.unwrap_or_default();
            lost += count.saturating_sub(known.seqs.seen());
            open += twin.1;
            if twin.1 > 0 || known.seqs.seen() != *count {
                let of = || format!("{device} took {count}, {} came, its twin misses {}", known.seqs.seen(), twin.1);
                example = example.or_else(|| Some(of()));
            }
        }
        let all: u64 = taken.values().sum();
        let mut evidence = format!("{all} readings taken, {lost} lost, {open} missing for their twins");
        if let Some(example) = example {
            evidence += &format!("; first: {example}");
        }
        check(id, lost == 0 && open == 0, evidence)
    }

    /// A device's readings stay in one partition, and its twin goes on to the newest and never back.
    fn device_order(&self, is_over: bool) -> Check {
        let id = "device_order";
        if self.twins == 0 {
            return pending(id, "no twin was told yet");
        }
        let (went_back, moved) = (self.went_back, self.moved);
        let newest = |device: &DeviceId| self.devices.get(device).and_then(|known| known.twin).map_or(0, |(seq, _)| seq + 1);
        let taken = self.taken.iter().flatten().filter(|_| is_over);
        let behind = taken.filter(|(device, count)| newest(device) != **count).count();
        let mut evidence = format!(
            "{} twins told, {went_back} went back to an older reading, {behind} not at the newest in the end; {moved} changes of partition",
            self.twins
        );
        if let Some(example) = &self.example {
            evidence += &format!("; first: {example}");
        }
        check(id, went_back == 0 && behind == 0 && moved == 0, evidence)
    }
}

impl Seen<'_> {
    /// Whether the key names this device: what anybody writes under another key is nobody's reading.
    pub(super) fn is_of(&self, id: &DeviceId) -> bool {
        !id.0.is_empty() && id.0.as_bytes() == self.key
    }
}
