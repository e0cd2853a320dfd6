//! The topology: events by user in, final results out.

use std::sync::Arc;

use super::{
    experiment::{self, Tests},
    ids::{ItemId, UserId},
    offers::{self, CartWatch},
    pages,
    processor::{Visits, store},
    recommend,
    records::{Alert, Event, Outcome, Related, User},
    sabotage::Sabotage,
    settings::{
        AB, ALERTS, BOT_EVERY_MAX_MS, BOTS, DEDUPE_MS, DEVICES, EVENTS, FUNNEL, GROUP, ID, MERGES, OFFERS, OPEN_SESSIONS, PAGE_STATS,
        PAIRS, PURCHASES, RECOMMENDED, RELATED, SESSIONS, STATS, USERS, Windows,
    },
};
use crate::stream::{Condition, Stream, Topology, TopologyError};

/// The main application as it runs by default, at this speed of event time.
///
/// # Errors
/// Never; a mistake here would be told.
pub fn topology(run: &Arc<str>, speed: u32) -> Result<Topology, TopologyError> {
    of(&Options { run: Arc::clone(run), windows: Windows::at_speed(speed), sabotage: None })
}

/// How the applications are built.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// What results are about.
    pub(super) run: Arc<str>,
    /// How long things are.
    pub(super) windows: Windows,
    /// What is broken on purpose.
    pub(super) sabotage: Option<Sabotage>,
}

/// The kinds of results, each with its topic.
const RESULTS: [(Condition<String, Outcome>, &str); 9] = [
    (|record| matches!(record.value, Outcome::Session(_)), SESSIONS),
    (|record| matches!(record.value, Outcome::Open(_)), OPEN_SESSIONS),
    (|record| matches!(record.value, Outcome::Stats(_)), STATS),
    (|record| matches!(record.value, Outcome::Funnel(_)), FUNNEL),
    (|record| matches!(record.value, Outcome::Devices(_)), DEVICES),
    (|record| matches!(record.value, Outcome::Merge(_)), MERGES),
    (|record| matches!(record.value, Outcome::Bot(_)), BOTS),
    (|record| matches!(record.value, Outcome::Purchase(_)), PURCHASES),
    (|record| matches!(record.value, Outcome::Pair(_)), PAIRS),
];

/// The main application: each event once, with what its user was then, counted and made sessions of.
pub(super) fn of(options: &Options) -> Result<Topology, TopologyError> {
    let options = options.clone();
    Topology::new(GROUP, move |builder| {
        let Options { run, mut windows, sabotage } = options.clone();
        if sabotage == Some(Sabotage::GraceOff) {
            (windows.sessions.grace_ms, windows.counts.grace_ms, windows.pages.grace_ms) = (0, 0, 0);
        }
        let events = builder.stream_by_time::<UserId, Event>(EVENTS, time_of);
        let unique = if sabotage == Some(Sabotage::DedupeOff) { events } else { each_once(&events) };
        let users = builder.table::<UserId, User>(USERS, "users");
        let (of_run, is_newest_taken) = (Arc::clone(&run), sabotage == Some(Sabotage::AsOfOff));
        let known = unique
            .left_join_table(&users, move |record, row| record.value.with_tier(row.filter(|row| *row.run == *of_run), is_newest_taken));
        let is_blind_to_purchases = sabotage == Some(Sabotage::OfferBuyers);
        let offers_of = Arc::clone(&run);
        let silence_ms = windows.cart_silence_ms();
        let watch = move |store| CartWatch { run: offers_of, store, silence_ms, is_blind_to_purchases };
        known.process("carts", offers::store(), None, watch).to(OFFERS);
        let related = builder.global_table::<ItemId, Related>(RELATED, "related");
        let recommended_of = Arc::clone(&run);
        recommend::for_users(&known, &related).filter(move |record| *record.value.run == *recommended_of).to(RECOMMENDED);
        pages::most_viewed(&known, &run, windows, sabotage).to(PAGE_STATS);
        let tests_of = Arc::clone(&run);
        let results = known.process("visits", store(windows.sessions), None, |store| Visits { run, windows, sabotage, store });
        let streams = results.branch(RESULTS.map(|(condition, _)| condition));
        for (results, (_, topic)) in streams.iter().zip(RESULTS) {
            results.to(topic);
        }
        let exposures =
            results.flat_map_values(|record| if let Outcome::Exposures(told) = &record.value { Some(told.clone()) } else { None });
        exposures.process("experiment", experiment::store(), None, |store| Tests { run: tests_of, store }).to(AB);
        results.flat_map_values(|record| alert(&record.value)).to(ALERTS);
    })
}

/// Robots are worth an alert.
fn alert(outcome: &Outcome) -> Option<Alert> {
    let Outcome::Bot(bot) = outcome else { return None };
    let every_ms = (bot.at - bot.start) as f64 / bot.events as f64;
    Some(Alert {
        alert_id: format!("{ID}-robot-{}-{}", bot.user_id, bot.start),
        pipeline: ID.to_owned(),
        rule: "robot: milliseconds from one event to the next, on average".to_owned(),
        severity: "warning".to_owned(),
        subject_key: bot.user_id.to_string(),
        window_start: bot.start,
        window_end: bot.at,
        value: every_ms,
        threshold: BOT_EVERY_MAX_MS as f64,
        evidence: vec![
            format!("{} events in {:.1} s", bot.events, (bot.at - bot.start) as f64 / 1_000.0),
            format!("one every {every_ms:.0} ms, where people take more than {BOT_EVERY_MAX_MS} ms"),
        ],
        ts: bot.at,
    })
}

/// Events that carry an id once each; those without, as lines of a log, as they come.
fn each_once(events: &Stream<UserId, Event>) -> Stream<UserId, Event> {
    let [with_id, without] = events.branch([|record| !record.value.id().is_empty(), |_| true]);
    with_id.deduplicate("seen", DEDUPE_MS, |record| record.value.id().to_owned()).merge(&without)
}

/// Event time, found without reading all of the event.
fn time_of(value: &[u8]) -> Option<i64> {
    const NAME: &[u8] = b"\"timestamp\":";
    let at = value.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let rest = value[at..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let time = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    super::records::TIMES.contains(&time).then_some(time)
}
