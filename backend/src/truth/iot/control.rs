//! Control: fields that stay neither too dry nor too wet, and commands that are answered.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::iot::settings::{COMMAND_ACKS, COMMANDS, TRUTH},
    sim::iot::{Ack, AckResult, Command, TruthRecord},
    truth::{check, pending},
};

/// Fields must be in their band for so much of the time, once control is at work.
const BAND_MIN: f64 = 0.95;
const WARM_UP_MS: i64 = 10_000;
/// Seconds of moisture that are kept: an hour; what is older has been judged.
const SECONDS_MAX: usize = 3_600;
/// Commands that are kept.
const COMMANDS_MAX: usize = 200_000;
/// A command of the last seconds may be on its way when the run ends.
const ON_ITS_WAY_MS: i64 = 8_000;

/// Compares soil with its band, and commands with answers.
#[derive(Debug, Default)]
pub struct Control {
    started_ms: Option<i64>,
    now_ms: i64,
    /// Fields, in the band, and how many would be without water, by second.
    moisture: std::collections::VecDeque<(u64, u64, u64)>,
    commands: BTreeMap<String, i64>,
    acks: BTreeMap<String, (AckResult, i64)>,
    answered_twice: u64,
}

impl Control {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            COMMANDS => {
                let Some(command) = seen.read::<Command>().filter(|_| self.commands.len() < COMMANDS_MAX) else { return };
                self.commands.insert(command.command_id, command.ts);
            }
            COMMAND_ACKS => {
                let Some(ack) = seen.read::<Ack>().filter(|_| self.acks.len() < COMMANDS_MAX) else { return };
                let before = self.acks.insert(ack.command_id, (ack.result, ack.ts));
                self.answered_twice += u64::from(before.is_some_and(|before| before != (ack.result, ack.ts)));
            }
            TRUTH => {
                let truth = seen.read();
                self.now_ms = self.now_ms.max(seen.timestamp_ms);
                let started_ms = *self.started_ms.get_or_insert(seen.timestamp_ms);
                if let Some(TruthRecord::Moisture { ts, fields, in_band, in_band_without }) = truth
                    && ts - started_ms >= WARM_UP_MS
                {
                    self.moisture.push_back((fields, in_band, in_band_without));
                    if self.moisture.len() > SECONDS_MAX {
                        self.moisture.pop_front();
                    }
                }
            }
            _ => {}
        }
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        vec![self.moisture_in_band(), self.commands_acked(is_over)]
    }

    /// Figures.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::new();
        if let Some((with, without)) = self.shares() {
            scores.insert("moisture_in_band".to_owned(), with);
            scores.insert("moisture_in_band_without_control".to_owned(), without);
        }
        let latencies = self.latencies_ms();
        if !latencies.is_empty() {
            scores.insert("command_latency_p50_ms".to_owned(), quantile(&latencies, 0.5));
            scores.insert("command_latency_p99_ms".to_owned(), quantile(&latencies, 0.99));
        }
        scores
    }

    /// Counters.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let of = |result| self.acks.values().filter(|(known, _)| *known == result).count() as u64;
        [
            ("commands", self.commands.len() as u64),
            ("commands_done", of(AckResult::Done)),
            ("commands_refused", of(AckResult::Refused)),
            ("commands_expired", of(AckResult::Expired)),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into()
    }

    fn moisture_in_band(&self) -> Check {
        let id = "moisture_in_band";
        let Some((with, without)) = self.shares() else { return pending(id, "control has just begun") };
        let (with_pct, without_pct) = (with * 100.0, without * 100.0);
        let evidence = format!("fields were in their band {with_pct:.1} % of the time; unwatered they would have been {without_pct:.1} %");
        check(id, with >= BAND_MIN, evidence)
    }

    fn commands_acked(&self, is_over: bool) -> Check {
        let id = "commands_acked";
        let is_waiting = |(id, ts): &(&String, &i64)| !self.acks.contains_key(*id) && self.now_ms - **ts > ON_ITS_WAY_MS;
        let silent: Vec<_> = self.commands.iter().filter(is_waiting).map(|(id, _)| id).collect();
        if self.commands.is_empty() {
            let evidence = "no command was given";
            return if is_over { check(id, true, evidence) } else { pending(id, format!("{evidence} yet")) };
        }
        let latencies = self.latencies_ms();
        let mut evidence = format!(
            "{} commands, {} without an answer, {} answered twice and differently; {:.0} ms in the median",
            self.commands.len(),
            silent.len(),
            self.answered_twice,
            quantile(&latencies, 0.5),
        );
        if let Some(first) = silent.first() {
            evidence += &format!("; first without: {first}");
        }
        let holds = silent.is_empty() && self.answered_twice == 0;
        // A device without network answers when it is back.
        if holds || is_over { check(id, holds, evidence) } else { pending(id, evidence) }
    }

    fn shares(&self) -> Option<(f64, f64)> {
        let sum = |of: fn(&(u64, u64, u64)) -> u64| self.moisture.iter().map(of).sum::<u64>() as f64;
        let fields = sum(|second| second.0);
        (fields > 0.0).then(|| (sum(|second| second.1) / fields, sum(|second| second.2) / fields))
    }

    fn latencies_ms(&self) -> Vec<i64> {
        let done = self.acks.iter().filter(|(_, (result, _))| *result == AckResult::Done);
        let mut latencies: Vec<_> = done.filter_map(|(id, (_, ts))| Some(ts - self.commands.get(id)?)).collect();
        latencies.sort_unstable();
        latencies
    }
}

fn quantile(sorted: &[i64], share: f64) -> f64 {
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0) as f64
}
