//! The clickstream pipeline's results, recomputed plainly, and the checkers.
//!
//! The recomputation keeps every accepted event of a partition, sorts each user's by time, splits where the distance exceeds the gap,
//! and walks each session in order. What is late it finds by definition: an event whose neighbours' session had ended.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher as _},
};

use weir_model::Check;

use crate::{
    pipelines::clickstream::{
        records::{Activity, ClosedBy, Devices, Funnel, Session, Tier, Totals, visit_id},
        settings::{BOT_EVENTS_MIN, BOT_EVERY_MAX_MS},
    },
    sim::clickstream::Action,
    truth::{Sequence, check, pending},
};

/// With what a batch job recomputes a run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The run's name, which results carry.
    pub run: String,
    /// Events further apart belong to different sessions.
    pub gap_ms: i64,
    /// How much later than its successors an event may come.
    pub grace_ms: i64,
    /// The length of the windows of counts.
    pub window_ms: i64,
    /// Whether every event belongs to a session, however late it comes: a log that was given is one, whole.
    pub is_all_in_time: bool,
}

/// One accepted event.
#[derive(Clone, Debug)]
struct Row {
    timestamp: i64,
    offset: i64,
    action: Action,
    session_id: Box<str>,
    page: Box<str>,
    device: Box<str>,
    variant: Box<str>,
    price_minor: i64,
}

/// A plain recomputation of one partition.
#[derive(Debug)]
pub struct Batch {
    rules: Rules,
    partition: i32,
    newest: i64,
    by_user: BTreeMap<String, Vec<Row>>,
    totals: Totals,
}

/// What a batch job says the results must be.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Every session.
    pub sessions: Vec<Session>,
    /// The funnel over them.
    pub funnel: Funnel,
    /// The counts by device over them.
    pub devices: Devices,
    /// Cumulative figures; `sessions_merged` depends on order and stays 0.
    pub totals: Totals,
}

impl Batch {
    /// A partition before its first record.
    pub fn new(rules: Rules, partition: i32) -> Self {
        Self { rules, partition, newest: i64::MIN, by_user: BTreeMap::new(), totals: Totals::default() }
    }

    /// Takes a record in, in the order of offsets.
    pub fn add(&mut self, offset: i64, activity: Option<&Activity<'_>>) {
        self.totals.processed += 1;
        let Some(activity) = activity else {
            self.totals.malformed += 1;
            return;
        };
        let timestamp = activity.timestamp;
        self.newest = self.newest.max(timestamp);
        let window_end = (timestamp.div_euclid(self.rules.window_ms) + 1) * self.rules.window_ms;
        self.totals.window_late_dropped += u64::from(window_end + self.rules.grace_ms <= self.newest);
        let close_time = self.newest - self.rules.gap_ms - self.rules.grace_ms;
        if !self.by_user.contains_key(&*activity.user_id) {
            self.by_user.insert(activity.user_id.to_string(), Vec::new());
        }
        let Some(rows) = self.by_user.get_mut(&*activity.user_id) else { return };
        if !self.rules.is_all_in_time && is_late(rows, timestamp, self.rules.gap_ms, close_time) {
            self.totals.session_late_dropped += 1;
            return;
        }
        let row = Row {
            timestamp,
            offset,
            action: activity.action_type,
            session_id: (*activity.session_id).into(),
            page: (*activity.page).into(),
            device: (*activity.device).into(),
            variant: (*activity.variant).into(),
            price_minor: activity.price_minor.unwrap_or(0),
        };
        let at = rows.partition_point(|other| (other.timestamp, other.offset) < (timestamp, offset));
        rows.insert(at, row);
    }

    /// All records are in.
    pub fn finish(self) -> Expected {
        let mut expected = Expected { totals: self.totals, ..Expected::default() };
        expected.funnel = Funnel { run: self.rules.run.clone(), partition: self.partition, ..Funnel::default() };
        expected.devices = Devices { run: self.rules.run.clone(), partition: self.partition, ..Devices::default() };
        for (user_id, rows) in &self.by_user {
            for rows in rows.chunk_by(|a, b| b.timestamp - a.timestamp <= self.rules.gap_ms) {
                let session = self.session(user_id, rows);
                expected.funnel.count(session.funnel);
                expected.devices.count(&session);
                expected.totals.sessions_closed += 1;
                expected.totals.bounced += u64::from(session.bounced);
                expected.totals.converted += u64::from(session.converted);
                expected.totals.revenue_minor += session.revenue_minor;
                expected.sessions.push(session);
            }
        }
        expected
    }

    fn session(&self, user_id: &str, rows: &[Row]) -> Session {
        let (first, last) = (&rows[0], &rows[rows.len() - 1]);
        let count = |action| rows.iter().filter(|row| row.action == action).count() as u64;
        let pages = count(Action::View);
        let is_closed = last.timestamp < self.newest - self.rules.gap_ms - self.rules.grace_ms;
        Session {
            run: self.rules.run.clone(),
            partition: self.partition,
            session_id: visit_id(&first.session_id, user_id, first.timestamp),
            user_id: user_id.into(),
            start: first.timestamp,
            end: last.timestamp,
            events: rows.len() as u64,
            pages,
            entry_page: first.page.to_string(),
            exit_page: last.page.to_string(),
            bounced: pages <= 1 && pages + count(Action::Scroll) + count(Action::Load) == rows.len() as u64,
            converted: count(Action::Purchase) > 0,
            funnel: funnel(rows),
            revenue_minor: rows.iter().filter(|row| row.action == Action::Purchase).map(|row| row.price_minor).sum(),
            device: first.device.to_string(),
            variant: first.variant.to_string(),
            // Judged by itself: it takes the users' rows.
            tier: Tier::Guest,
            is_bot: is_bot(rows),
            closed_by: if is_closed { ClosedBy::Gap } else { ClosedBy::RunEnd },
        }
    }
}

/// Whether an event comes too late for the session it would belong to: that of its neighbours, or one of its own.
fn is_late(rows: &[Row], timestamp: i64, gap_ms: i64, close_time: i64) -> bool {
    // Neighbours end at most a gap before the event, so none of them can have ended this early.
    if timestamp - gap_ms >= close_time {
        return false;
    }
    let ends: Vec<_> = rows
        .chunk_by(|a, b| b.timestamp - a.timestamp <= gap_ms)
        .filter(|session| session.iter().any(|row| row.timestamp.abs_diff(timestamp) <= gap_ms.unsigned_abs()))
        .filter_map(|session| session.last().map(|row| row.timestamp))
        .collect();
    if ends.is_empty() { timestamp < close_time } else { ends.iter().any(|end| *end < close_time) }
}

/// Whether nobody can look at pages so fast for so long.
fn is_bot(rows: &[Row]) -> bool {
    let length_ms = rows[rows.len() - 1].timestamp - rows[0].timestamp;
    rows.len() as u64 >= BOT_EVENTS_MIN && length_ms / (rows.len() as i64) < BOT_EVERY_MAX_MS
}

/// Walks a session in order of time; among equal times a view comes before a cart, and that before a purchase.
fn funnel(rows: &[Row]) -> u8 {
    let mut steps: Vec<_> = rows.iter().map(|row| (row.timestamp, row.action)).collect();
    steps.sort_unstable();
    steps.into_iter().fold(0, |depth, (_, action)| match (depth, action) {
        (0, Action::View) => 1,
        (1, Action::AddToCart) => 2,
        (2, Action::Purchase) => 3,
        _ => depth,
    })
}

/// Compares the sessions of the result topic with those of the batch job, in memory that does not depend on their length.
#[derive(Debug, Default)]
pub struct SessionsCheck {
    /// Digest of (user, start) → digest of the whole session.
    published: HashMap<u64, u64>,
    conflicting: u64,
    equal: u64,
    missing: u64,
    different: u64,
    evicted: u64,
    example: Option<String>,
}

impl SessionsCheck {
    /// A session was read from the result topic. The same one again is allowed; another one under its key is not.
    pub fn published(&mut self, session: &Session) {
        self.evicted += u64::from(session.closed_by == ClosedBy::Limit);
        let before = self.published.insert(digest(&(&session.user_id, session.start)), digest(session));
        if before.is_some_and(|before| before != digest(session)) {
            self.conflicting += 1;
            self.example.get_or_insert_with(|| format!("{} from {} was published twice, differently", session.user_id, session.start));
        }
    }

    /// The batch job found a session.
    pub fn expected(&mut self, session: &Session) {
        match self.published.remove(&digest(&(&session.user_id, session.start))) {
            Some(published) if published == digest(session) => self.equal += 1,
            Some(_) => {
                self.different += 1;
                self.example.get_or_insert_with(|| format!("{} from {} has other figures", session.user_id, session.start));
            }
            None => {
                self.missing += 1;
                self.example.get_or_insert_with(|| format!("{} from {} was not published", session.user_id, session.start));
            }
        }
    }

    /// The verdict.
    pub fn verdict(&self) -> Check {
        let id = "sessions_equal_batch";
        if self.evicted > 0 {
            return pending(id, format!("{} sessions closed before their time because too many were open", self.evicted));
        }
        let surplus = self.published.len();
        let holds = self.missing == 0 && self.different == 0 && self.conflicting == 0 && surplus == 0;
        let mut evidence = format!("{} sessions equal", self.equal);
        if !holds {
            let (missing, different, conflicting) = (self.missing, self.different, self.conflicting);
            evidence += &format!(", {missing} missing, {different} different, {conflicting} conflicting, {surplus} surplus");
        }
        if let Some(example) = self.example.as_ref().filter(|_| !holds) {
            evidence += &format!("; first: {example}");
        }
        check(id, holds, evidence)
    }
}

fn digest<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What was sent, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Records the generator sent, and those acknowledged.
    pub sent: u64,
    /// Acknowledged.
    pub delivered: u64,
    /// Distinct events among them, as the generator says.
    pub events: u64,
    /// Events sent a second time, as the log has them.
    pub repeats: u64,
    /// Records in the log.
    pub records: u64,
    /// Records taken in, or put aside as malformed.
    pub processed: u64,
}

/// `no_loss`: every event made stands in the log, and was processed; what was sent again may be passed over.
pub fn no_loss(flow: Flow, logged: &Sequence) -> Check {
    let Flow { sent, delivered, events, repeats, records, processed } = flow;
    let holds = sent == delivered && logged.is_exactly(events) && processed + repeats >= records;
    let seen = logged.seen();
    let mut evidence = format!(
        "{sent} records sent, {delivered} delivered; {seen} of {events} events in the log, {repeats} twice; {processed} of {records} records processed"
    );
    if let Some(missing) = logged.first_missing(events) {
        evidence += &format!("; first missing: event {missing}");
    }
    check("no_loss", holds, evidence)
}

/// `funnel_equal_batch`: the published funnel and counts by device are those of the batch job, partition by partition.
pub fn funnel_equal(published: &BTreeMap<i32, (Funnel, Devices)>, expected: &BTreeMap<i32, (Funnel, Devices)>) -> Check {
    let sum = |counts: &BTreeMap<i32, (Funnel, Devices)>| {
        counts.values().fold([0, 0, 0], |[view, cart, purchase], (funnel, _)| {
            [view + funnel.view, cart + funnel.add_to_cart, purchase + funnel.purchase]
        })
    };
    let ([view, cart, purchase], batch) = (sum(published), sum(expected));
    let holds = published == expected;
    let mut evidence = format!("{view} sessions with a view, {cart} with a cart after it, {purchase} with a purchase after that");
    if !holds {
        let differing: Vec<_> = expected.keys().filter(|partition| published.get(partition) != expected.get(partition)).collect();
        evidence += &format!("; the batch job says {batch:?}; partitions that differ: {differing:?}");
    }
    check("funnel_equal_batch", holds, evidence)
}

/// `late_drops_equal_oracle`: exactly the events that came too late were dropped, from sessions and from windows.
pub fn late_drops_equal(published: &Totals, expected: &Totals) -> Check {
    let drops = |totals: &Totals| (totals.session_late_dropped, totals.window_late_dropped);
    let ((sessions, windows), oracle) = (drops(published), drops(expected));
    let holds = (sessions, windows) == oracle;
    let mut evidence = format!("{sessions} events too late for their session, {windows} for their window of counts");
    if !holds {
        evidence += &format!("; the oracle says {} and {}; --set grace_s=… waits longer", oracle.0, oracle.1);
    }
    check("late_drops_equal_oracle", holds, evidence)
}

mod exposures;
mod hits;
mod open;
mod pages;
mod sales;
mod stages;
#[cfg(test)]
mod tests;

pub use exposures::ExposuresCheck;
pub use hits::{HitRate, Hits};
pub use open::OpenCheck;
pub use pages::PagesCheck;
pub use sales::SalesCheck;
pub use stages::Stages;
