//! Judges a run: recomputes everything plainly from the events and compares with what was published.
//!
//! Memory is bounded: sessions are compared by digest, and a run with more than [`VERIFY_EVENTS_MAX`] events is checked by its counts alone.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use serde::de::DeserializeOwned;
use weir_model::Check;

use super::{
    records::{Activity, Devices, Funnel, RunTruth, Session, Stats, Tier, Totals},
    settings::{
        AB, AD_CLICKS, ATTRIBUTION, BOTS, DEAD_LETTERS, DEVICES, EVENTS, FUNNEL, ITEMS, OFFERS, OFFERS_TAKEN, OPEN_SESSIONS, PAGE_STATS,
        PAIRS, RECOMMENDED, SALES, SESSIONS, STATS, TRUTH, USERS, Windows,
    },
};
use crate::{
    pipelines::shape::{Checker, Facts, Observed, RunParams},
    sim::clickstream::{CONVERSION, THINK_MAX_MS},
    stream::SessionWindows,
    truth::{
        Sequence, check,
        clickstream::{Batch, Flow, OpenCheck, PagesCheck, Rules, SessionsCheck, Stages, funnel_equal, late_drops_equal, no_loss},
        pending,
    },
};

/// Above this many events the recomputation would take too much memory and time: some 100 bytes and a microsecond each.
const VERIFY_EVENTS_MAX: u64 = 3_000_000;

/// What is recomputed from the events, beside the sessions.
const BY_EVENTS: [&str; 5] =
    ["ab_equals_first_exposures", "offers_equal_replay", "offers_bring_buyers_back", "attribution_equal_batch", "sales_equal_catalogue"];

/// The checks of a run.
pub(super) struct Checks {
    run: String,
    seed: u64,
    windows: Windows,
    is_input_generated: bool,
    /// Records of `user_activity`, without what is told at the run's end, and those in the dead-letter topic.
    records: u64,
    dead: u64,
    null: u64,
    /// Events that are in the log already, by digest of their ids.
    known: HashSet<u64>,
    repeats: u64,
    stages: Stages,
    pages: PagesCheck,
    open: OpenCheck,
    logged: Sequence,
    batches: RefCell<BTreeMap<i32, Batch>>,
    /// By partition, the newest.
    stats: BTreeMap<i32, Stats>,
    counts: BTreeMap<i32, (Funnel, Devices)>,
    sessions: RefCell<SessionsCheck>,
    sessions_seen: u64,
    truth: RunTruth,
    verdicts: RefCell<Option<Vec<Check>>>,
}

impl Checks {
    pub(super) fn new(run: &RunParams) -> Self {
        Self {
            run: run.name.to_string(),
            seed: run.params.seed,
            windows: Windows::of(run),
            is_input_generated: run.params.input.is_none(),
            records: 0,
            dead: 0,
            null: 0,
            known: HashSet::new(),
            repeats: 0,
            stages: Stages::new(&run.name, Windows::of(run)),
            pages: PagesCheck::new(&run.name, Windows::of(run).pages),
            open: OpenCheck::new(&run.name),
            logged: Sequence::default(),
            batches: RefCell::default(),
            stats: BTreeMap::new(),
            counts: BTreeMap::new(),
            sessions: RefCell::default(),
            sessions_seen: 0,
            truth: RunTruth::default(),
            verdicts: RefCell::default(),
        }
    }

    fn event(&mut self, record: &Observed<'_>) {
        let is_end = record.value.is_some_and(|value| value.starts_with(br#"{"run_end":"#));
        if is_end {
            return;
        }
        self.records += 1;
        if record.key.is_none() || record.value.is_none() {
            self.null += 1;
            return; // a stream takes neither
        }
        let activity = Activity::parse(record.value);
        if activity.as_ref().is_some_and(|activity| self.is_repeated(activity)) {
            self.repeats += 1;
            return;
        }
        if let Some(number) = activity.as_ref().and_then(|activity| self.number_of(&activity.event_id)) {
            self.logged.observe(number);
        }
        let mut batches = self.batches.borrow_mut();
        if self.records > VERIFY_EVENTS_MAX {
            batches.clear();
        } else if let Some(activity) = activity {
            self.stages.event(record.partition, &activity);
            self.pages.event(record.partition, &activity);
            let batch = batches.entry(record.partition).or_insert_with(|| Batch::new(self.rules(), record.partition));
            batch.add(record.offset, Some(&activity));
        }
    }

    fn is_repeated(&mut self, activity: &Activity<'_>) -> bool {
        if activity.event_id.is_empty() || self.records > VERIFY_EVENTS_MAX {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        activity.event_id.hash(&mut hasher);
        !self.known.insert(hasher.finish())
    }

    fn rules(&self) -> Rules {
        let Windows { sessions, counts, .. } = self.windows;
        let SessionWindows { gap_ms, grace_ms } = sessions;
        Rules { run: self.run.clone(), gap_ms, grace_ms, window_ms: counts.size_ms, is_all_in_time: !self.is_input_generated }
    }

    /// The generator's number of an event, if it is one of this run's.
    fn number_of(&self, event_id: &str) -> Option<u64> {
        let (seed, number) = event_id.split_once('-')?;
        (u64::from_str_radix(seed, 16).ok()? == self.seed).then(|| number.parse().ok())?
    }

    fn session(&mut self, session: &Session) {
        if session.run == self.run {
            self.sessions_seen += 1;
            self.open.closed(session.user_id.as_str(), session.start);
            self.stages.session(session);
            // Tiers are judged by themselves.
            self.sessions.borrow_mut().published(&Session { tier: Tier::Guest, ..session.clone() });
        }
    }

    fn totals(&self) -> Totals {
        self.stats.values().fold(Totals::default(), |mut sum, stats| {
            sum += stats.totals;
            sum
        })
    }

    /// While the run goes on: what is compared at its end, because results are on their way, and what can be told already.
    fn so_far(&self) -> Vec<Check> {
        let totals = self.totals();
        let sessions = format!("{} sessions closed; recomputed at the end", self.sessions_seen);
        let late = format!("{} events dropped as too late; recomputed at the end", totals.window_late_dropped);
        let waiting = |id: &str, why: &str| pending(id, why);
        let mut checks = vec![
            waiting("no_loss", &format!("{} of {} records processed", totals.processed + self.dead + self.null, self.records)),
            waiting("sessions_equal_batch", &sessions),
            waiting("funnel_equal_batch", &sessions),
            waiting("late_drops_equal_oracle", &late),
        ];
        if self.is_input_generated {
            let ab = ["ab_equals_first_exposures", "ab_interval_covers_truth"];
            checks.extend(ab.map(|id| waiting(id, "compared at the end, when all results are there")));
            checks.push(self.stages.recommendations());
            checks.push(waiting("sales_equal_catalogue", "compared at the end, when all results are there"));
            checks.push(waiting("bots_found", "compared at the end: a robot may be about to be named"));
        }
        let stages = [
            "top_pages_equal_batch",
            "open_sessions_end",
            "tiers_as_of_events",
            "offers_equal_replay",
            "offers_bring_buyers_back",
            "attribution_equal_batch",
        ];
        checks.extend(stages.map(|id| waiting(id, "compared at the end, when all results are there")));
        checks
    }

    fn judge(&self, facts: &Facts) -> Vec<Check> {
        let totals = self.totals();
        let processed = totals.processed + self.dead + self.null;
        let flow = Flow {
            sent: facts.generated,
            delivered: facts.delivered,
            events: self.truth.events,
            repeats: self.repeats,
            records: self.records,
            processed,
        };
        let mut checks = if self.records > VERIFY_EVENTS_MAX {
            let holds =
                facts.generated == facts.delivered && self.records >= self.truth.events && processed + self.truth.repeats >= self.records;
            let evidence = format!(
                "{} generated, {} delivered, {processed} of {} records processed; by counts, as the run is long",
                facts.generated, facts.delivered, self.records
            );
            let reason = format!("{} events are more than the {VERIFY_EVENTS_MAX} that are recomputed", self.records);
            let mut checks = vec![check("no_loss", holds, evidence)];
            checks.extend(
                ["sessions_equal_batch", "funnel_equal_batch", "late_drops_equal_oracle", "top_pages_equal_batch"]
                    .map(|id| pending(id, reason.as_str())),
            );
            checks
        } else {
            let (mut sessions, mut expected_totals, mut expected_counts) = (self.sessions.borrow_mut(), Totals::default(), BTreeMap::new());
            for (partition, batch) in std::mem::take(&mut *self.batches.borrow_mut()) {
                let expected = batch.finish();
                expected.sessions.iter().for_each(|session| sessions.expected(session));
                expected_totals += expected.totals;
                expected_counts.insert(partition, (expected.funnel, expected.devices));
            }
            vec![
                no_loss(flow, &self.logged),
                sessions.verdict(),
                funnel_equal(&self.counts, &expected_counts),
                late_drops_equal(&totals, &expected_totals),
                self.pages.verdict(),
            ]
        };
        let lost_outcomes = self.truth.visits_cut_short + totals.session_late_dropped;
        let share_cut_short = lost_outcomes as f64 / self.truth.visits.max(1) as f64;
        let gap_ms = self.windows.sessions.gap_ms;
        checks.push(self.open.verdict());
        // Who had to wait long, or whose visit is cut in pieces, may have come back for something else meanwhile.
        let is_known = self.is_input_generated && self.truth.visits_cut_short == 0 && gap_ms >= THINK_MAX_MS * 2;
        checks.extend(self.stages.verdicts(&self.truth.bots, share_cut_short, is_known.then_some(self.truth.offers_taken)));
        if self.records > VERIFY_EVENTS_MAX {
            let why = format!("{} events are more than the {VERIFY_EVENTS_MAX} that are recomputed", self.records);
            let of_events = checks.iter_mut().filter(|check| BY_EVENTS.contains(&&*check.id));
            of_events.for_each(|check| *check = pending(&check.id, why.as_str()));
        }
        if gap_ms < THINK_MAX_MS * 2 {
            let why = format!("a gap of {} s cuts visits in pieces, whose truth nobody knows", gap_ms / 1_000);
            let of_visits = checks.iter_mut().filter(|check| &*check.id == "ab_interval_covers_truth");
            of_visits.for_each(|check| *check = pending("ab_interval_covers_truth", why.as_str()));
        }
        if !self.is_input_generated {
            // Real visitors have no known truth, and no numbers.
            checks.retain(|check| {
                let of_the_shop = ["ab_interval_covers_truth", "recommendations_beat_popularity", "bots_found", "sales_equal_catalogue"];
                &*check.id != "no_loss" && !of_the_shop.contains(&&*check.id)
            });
            let lines = self.truth.events + self.dead;
            let holds = facts.generated == facts.delivered && lines == facts.generated && self.records == self.truth.events;
            let mut evidence = format!(
                "{lines} lines read, {} of them events, {} delivered, {processed} of {} records processed, {} malformed",
                self.truth.events,
                facts.delivered,
                self.records + self.dead,
                self.dead
            );
            if let Some(broken) = &self.truth.broken {
                evidence += &format!("; there is more that can't be read: {broken}");
            }
            let is_all = self.truth.broken.is_none() && processed + self.repeats >= self.records + self.dead;
            checks.insert(0, check("no_loss", holds && is_all, evidence));
        }
        checks
    }
}

impl Checker for Checks {
    fn observe(&mut self, record: &Observed<'_>) {
        match record.topic {
            EVENTS => self.event(record),
            USERS => read(record, |row| self.stages.user(row)),
            ITEMS => read(record, |row| self.stages.sales().item(row)),
            SALES => read(record, |sums| self.stages.sales().published(sums)),
            AD_CLICKS => read(record, |click| self.stages.click(click)),
            OPEN_SESSIONS => self.open.observe(record.key.unwrap_or_default(), record.value),
            PAGE_STATS => read(record, |stats| self.pages.published(stats)),
            OFFERS_TAKEN => read(record, |taken| self.stages.taken(taken)),
            OFFERS => read(record, |offer| self.stages.offer(offer)),
            ATTRIBUTION => read(record, |attribution| self.stages.attribution(attribution)),
            RECOMMENDED => read(record, |recommended| self.stages.recommended(&recommended)),
            PAIRS => read(record, |pair| self.stages.pair(&pair)),
            DEAD_LETTERS => self.dead += 1,
            TRUTH => read(record, |truth| self.truth = truth),
            SESSIONS => read(record, |session: Session| self.session(&session)),
            STATS => read(record, |stats: Stats| {
                let known = self.stats.get(&stats.partition);
                if stats.run == self.run && known.is_none_or(|known| known.window_start <= stats.window_start) {
                    self.stats.insert(stats.partition, stats);
                }
            }),
            FUNNEL => read(record, |funnel: Funnel| {
                if funnel.run == self.run {
                    let partition = funnel.partition;
                    self.counts.entry(partition).or_insert_with(|| none(&self.run, partition)).0 = funnel;
                }
            }),
            DEVICES => read(record, |devices: Devices| {
                if devices.run == self.run {
                    let partition = devices.partition;
                    self.counts.entry(partition).or_insert_with(|| none(&self.run, partition)).1 = devices;
                }
            }),
            AB => read(record, |ab| self.stages.exposures().published(ab)),
            BOTS => read(record, |bot| self.stages.exposures().bot(bot)),
            _ => {}
        }
    }

    fn verdicts(&self, facts: &Facts) -> Vec<Check> {
        if !facts.is_over {
            return self.so_far();
        }
        self.verdicts.borrow_mut().get_or_insert_with(|| self.judge(facts)).clone()
    }

    fn scores(&self, _: &Facts) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::new();
        // Visitors of a real log take part in no test whose truth is known.
        if self.is_input_generated {
            scores.extend([
                ("ab_lift".to_owned(), self.stages.lift().unwrap_or(0.0)),
                ("ab_true_lift".to_owned(), CONVERSION[1] - CONVERSION[0]),
            ]);
        }
        if self.stages.hits().looks > 0 {
            let (recommended, popular) = self.stages.hits().rates();
            scores.extend([("hit_rate_at_10".to_owned(), recommended), ("popularity_hit_rate_at_10".to_owned(), popular)]);
        }
        scores
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let totals = self.totals();
        let counts = [
            ("events", self.records),
            ("malformed", self.dead),
            ("dead_letters", self.dead),
            ("sessions", totals.sessions_closed),
            ("sessions_open", if self.truth.events > 0 { 0 } else { self.stats.values().map(|stats| stats.sessions_open).sum() }),
            ("sessions_closed", totals.sessions_closed),
            ("sessions_merged", totals.sessions_merged),
            ("sessions_evicted", totals.sessions_evicted),
            ("late_dropped", totals.window_late_dropped + totals.session_late_dropped),
            ("window_late_dropped", totals.window_late_dropped),
            ("session_late_dropped", totals.session_late_dropped),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

/// What was published of a partition before the first record of either topic.
fn none(run: &str, partition: i32) -> (Funnel, Devices) {
    (Funnel { run: run.to_owned(), partition, ..Funnel::default() }, Devices { run: run.to_owned(), partition, ..Devices::default() })
}

fn read<T: DeserializeOwned>(record: &Observed<'_>, take: impl FnOnce(T)) {
    if let Some(result) = record.value.and_then(|value| serde_json::from_slice(value).ok()) {
        take(result);
    }
}
