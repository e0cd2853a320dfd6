//! Nexmark queries on the stream core, on one thread and without a broker: `cargo bench -p weir-tests --bench nexmark [-- --events N]`.
//!
//! Events are Nexmark's: of fifty, one person, three auctions and forty-six bids; half of the bids go to hot auctions. They are JSON bytes
//! as a topic would hold them, results are JSON bytes again, records between two parts of a topology are written and read as through a
//! repartition topic, and every thousand events there is a commit with its changelog. The figures are events a second of CPU: all events
//! are fed, also those that a query passes over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

use std::{collections::VecDeque, sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use weir_backend::stream::{Emission, InputRecord, JoinWindows, SessionWindows, StreamTask, StreamsBuilder, TimeWindows, Topology};

const PERSONS: &str = "person";
const AUCTIONS: &str = "auction";
const BIDS: &str = "bid";
const RESULTS: &str = "results";
/// Events from one commit to the next.
const COMMIT_EVENTS: usize = 1_000;
/// Events a second of event time: windows of ten seconds hold so many times ten.
const EVENTS_PER_S: i64 = 10_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Person {
    id: i64,
    name: String,
    city: String,
    state: String,
    date_time: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Auction {
    id: i64,
    item_name: String,
    initial_bid: i64,
    reserve: i64,
    date_time: i64,
    expires: i64,
    seller: i64,
    category: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bid {
    auction: i64,
    bidder: i64,
    price: i64,
    channel: String,
    url: String,
    date_time: i64,
}

/// What a query is called, what it asks, and how it is answered.
type Query = (&'static str, &'static str, fn(&StreamsBuilder));

const QUERIES: &[Query] = &[
    ("q0", "pass through", |builder| builder.stream::<i64, Bid>(BIDS).to(RESULTS)),
    ("q3", "who sells in category 10 in OR, ID or CA", local_items),
    ("q5", "the auctions with the most bids in the last ten seconds, every two", hot_items),
    ("q7", "the highest bid of each ten seconds", highest_bid),
    ("q8", "persons who opened auctions in the ten seconds they came", new_users),
    ("q11", "bids of each user's session", user_sessions),
];

fn local_items(builder: &StreamsBuilder) {
    let persons = builder.table::<i64, Person>(PERSONS, "persons");
    let auctions = builder.stream::<i64, Auction>(AUCTIONS).filter(|auction| auction.value.category == 10);
    let by_seller = auctions.select_key(|auction| auction.value.seller).repartition("by-seller");
    by_seller
        .join_table(&persons, |auction, person| {
            let is_local = ["OR", "ID", "CA"].contains(&person.state.as_str());
            is_local.then(|| (person.name.clone(), person.city.clone(), person.state.clone(), auction.value.id))
        })
        .filter(|joined| joined.value.is_some())
        .to(RESULTS);
}

fn hot_items(builder: &StreamsBuilder) {
    let windows = TimeWindows::hopping(10_000, 2_000, 0);
    let counts = builder.stream::<i64, Bid>(BIDS).group_by_key("bids").windowed(windows, Emission::OnWindowClose, || 0_u64, |_, n| *n += 1);
    // All auctions of a window under one key.
    let by_window = counts.flat_map(|count| [count.with_key(count.key.start_ms).with_value((count.key.key, count.value))]);
    let hotter = |best: &mut (i64, u64), other: (i64, u64)| {
        if other.1 > best.1 {
            *best = other;
        }
    };
    // A window's counts are as old as their newest bids, so at most its length apart.
    let windows = SessionWindows { gap_ms: 10_000, grace_ms: 0 };
    let hottest = by_window.group_by_key("hottest");
    let hottest = hottest.sessions(windows, Emission::OnWindowClose, || (0, 0), move |count, best| hotter(best, count.value), hotter);
    hottest.map_values(|window| window.value).to(RESULTS);
}

fn highest_bid(builder: &StreamsBuilder) {
    let higher = |record: &weir_backend::stream::Record<i64, (i64, i64)>, best: &mut (i64, i64)| {
        if record.value.1 > best.1 {
            *best = record.value;
        }
    };
    // In two steps, as one would on many partitions: per auction, then over all.
    let per_auction = builder
        .stream::<i64, Bid>(BIDS)
        .map_values(|bid| (bid.value.auction, bid.value.price))
        .group_by_key("per-auction")
        .windowed(TimeWindows::tumbling(10_000, 0), Emission::OnWindowClose, || (0, 0), higher);
    per_auction
        .flat_map(|best| [best.with_key(0_i64).with_value(best.value)])
        .group_by_key("over-all")
        .windowed(TimeWindows::tumbling(10_000, 2_000), Emission::OnWindowClose, || (0, 0), higher)
        .to(RESULTS);
}

fn new_users(builder: &StreamsBuilder) {
    let persons = builder.stream::<i64, Person>(PERSONS).map_values(|person| person.value.name.clone());
    let sellers = builder
        .stream::<i64, Auction>(AUCTIONS)
        .flat_map(|auction| [auction.with_key(auction.value.seller).with_value(auction.value.reserve)]);
    let windows = JoinWindows { before_ms: 10_000, after_ms: 10_000, grace_ms: 0 };
    persons.join(&sellers, windows, "sellers", |_, name: &String, reserve: &i64| (name.clone(), *reserve)).to(RESULTS);
}

fn user_sessions(builder: &StreamsBuilder) {
    let windows = SessionWindows { gap_ms: 10_000, grace_ms: 0 };
    builder
        .stream::<i64, Bid>(BIDS)
        .group_by("by-bidder", |bid| bid.value.bidder)
        .sessions(windows, Emission::OnWindowClose, || 0_u64, |_, bids| *bids += 1, |bids, more| *bids += more)
        .to(RESULTS);
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--events");
    let count: usize = arguments.nth(1).map_or(500_000, |count| count.parse().expect("a number of events"));
    let events = events(count);
    println!(
        "nexmark, {count} events of {} bytes, one thread",
        events.iter().map(|event| event.value.as_ref().map_or(0, Vec::len)).sum::<usize>() / count
    );
    println!("{:<5} {:>12}  {:>10}  {:>9}  asks for", "query", "events/s CPU", "results", "dropped");
    for (name, what, query) in QUERIES {
        let topology = Topology::new("nexmark", query).expect("a sound topology");
        let (taken, results, dropped) = run(&topology, &events);
        println!("{name:<5} {:>12.0}  {results:>10}  {dropped:>9}  {what}", count as f64 / taken.as_secs_f64());
        assert!(results > 0, "{name} found nothing");
    }
}

/// Feeds all events; gives the CPU time, the results, and what was dropped for coming late.
fn run(topology: &Topology, events: &[InputRecord]) -> (Duration, usize, u64) {
    let parts = topology.description().subtopologies.len();
    let mut tasks: Vec<_> = (0..parts).map(|part| StreamTask::new(topology, part)).collect();
    let (before, mut results, mut waiting) = (cpu_time(), 0, VecDeque::new());
    for (at, event) in events.iter().enumerate() {
        feed(&mut tasks, event, &mut waiting, &mut results);
        while let Some(record) = waiting.pop_front() {
            feed(&mut tasks, &record, &mut waiting, &mut results);
        }
        if at % COMMIT_EVENTS == COMMIT_EVENTS - 1 {
            for task in &mut tasks {
                std::hint::black_box(task.changes().expect("changes can be written"));
                task.commit();
            }
        }
    }
    (cpu_time() - before, results, tasks.iter().map(|task| task.dropped().late).sum())
}

/// Every part that reads the record's topic gets it; what they publish waits, or is a result.
fn feed(tasks: &mut [StreamTask], record: &InputRecord, waiting: &mut VecDeque<InputRecord>, results: &mut usize) {
    for task in tasks {
        task.process(record).expect("the topology works");
        for published in task.take_published() {
            if &*published.topic == RESULTS {
                *results += 1;
                continue;
            }
            waiting.push_back(InputRecord {
                topic: published.topic,
                partition: 0,
                offset: 0,
                timestamp_ms: published.timestamp_ms,
                key: published.key,
                value: published.value,
                trace_id: None,
            });
        }
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Nexmark's mix, the same at every run.
fn events(count: usize) -> Vec<InputRecord> {
    const FIRST_ID: i64 = 1_000;
    const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
    const CITIES: [&str; 5] = ["Phoenix", "Los Angeles", "Boise", "Portland", "Kent"];
    let topics: [Arc<str>; 3] = [PERSONS.into(), AUCTIONS.into(), BIDS.into()];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |end: i64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % end.max(1) as u64) as i64
    };
    let (mut persons, mut auctions) = (0_i64, 0_i64);
    let event = |at: i64| {
        let date_time = 1_800_000_000_000 + at * 1_000 / EVENTS_PER_S;
        let (topic, id, value) = match at % 50 {
            0 => {
                persons += 1;
                let id = FIRST_ID + persons;
                let (state, city) = (STATES[below(6) as usize].to_owned(), CITIES[below(5) as usize].to_owned());
                let person = Person { id, name: format!("person {id}"), city, state, date_time };
                (0, id, serde_json::to_vec(&person))
            }
            1..=3 => {
                auctions += 1;
                let id = FIRST_ID + auctions;
                // One of the last hundred persons, mostly a hot one.
                let seller = FIRST_ID + if below(4) > 0 { persons / 4 * 4 } else { persons - below(persons.min(100)) }.max(1);
                let (initial_bid, category) = (100 + below(1_000), 10 + below(5));
                let auction = Auction {
                    id,
                    item_name: format!("item {id}"),
                    initial_bid,
                    reserve: initial_bid * 2,
                    date_time,
                    expires: date_time + 20_000,
                    seller,
                    category,
                };
                (1, id, serde_json::to_vec(&auction))
            }
            _ => {
                let auction = FIRST_ID + if below(2) > 0 { auctions / 100 * 100 } else { auctions - below(auctions.min(100)) }.max(1);
                let bidder = FIRST_ID + if below(4) > 0 { persons / 100 * 100 + 1 } else { persons - below(persons.min(1_000)) }.max(1);
                let bid = Bid {
                    auction,
                    bidder,
                    price: 100 + below(10_000_000),
                    channel: "channel-12".into(),
                    url: "https://auctions.example/item.htm?query=1".into(),
                    date_time,
                };
                (2, auction, serde_json::to_vec(&bid))
            }
        };
        InputRecord {
            topic: Arc::clone(&topics[topic]),
            partition: 0,
            offset: at,
            timestamp_ms: date_time,
            key: Some(id.to_be_bytes().to_vec()),
            value: Some(value.expect("events are JSON")),
            trace_id: None,
        }
    };
    (0..count as i64).map(event).collect()
}
