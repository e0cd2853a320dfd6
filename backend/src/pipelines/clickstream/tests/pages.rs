//! Pages counted in two stages.

use std::sync::Arc;

use weir_model::CheckVerdict;

use super::{
    super::{
        ids::UserId,
        pages::most_viewed,
        records::{Activity, Event, PageStats},
        settings::{EVENTS, PAGE_STATS, PAGES_EXACT_MAX, Windows},
    },
    Partitions,
};
use crate::{
    sim::clickstream::{Generator, GeneratorParams},
    stream::{Publish, Topology, TopologyTestDriver},
    truth::clickstream::PagesCheck,
};

fn stats(out: &[Publish]) -> impl Iterator<Item = PageStats> {
    let of_topic = out.iter().filter(|output| &*output.topic == PAGE_STATS);
    of_topic.map(|output| serde_json::from_slice(output.value.as_deref().expect("a value")).expect("views"))
}

/// Four partitions, of which one takes half of all events and one comes a minute of the clock later than the others.
#[test]
fn a_hot_partition_and_a_late_one_are_counted_exactly() {
    let mut generator = Generator::new(GeneratorParams { seed: 5, rate_per_s: 200, speed: 60, start_at_ms: 1_800_000_000_000 });
    let (mut all, mut pages) = (Partitions::of_run("r1"), PagesCheck::new("r1", Windows::at_speed(60).pages));
    let (mut behind, mut out) = (Vec::new(), Vec::new());
    let mut process = |partition: i32, value: &[u8], out: &mut Vec<Publish>| {
        if let Some(activity) = Activity::parse(Some(value)) {
            pages.event(partition, &activity);
        }
        out.extend(all.process(partition, value));
    };
    for number in 0..8_000 {
        let Some(event) = generator.generate() else { continue };
        let last = event.key.as_bytes()[7];
        match i32::from(last % 8).saturating_sub(4).max(0) {
            3 => behind.push(event.value.to_vec()),
            partition => process(partition, event.value, &mut out),
        }
        if number == 6_000 {
            behind.drain(..).for_each(|value| process(3, &value, &mut out));
        }
    }
    behind.drain(..).for_each(|value| process(3, &value, &mut out));
    assert!(stats(&out).count() > 0, "windows are told while the run goes on");
    (0..4).for_each(|partition| process(partition, br#"{"run_end":"r1"}"#, &mut out));
    stats(&out).for_each(|stats| pages.published(stats));
    let verdict = pages.verdict();
    println!("seed 5: {}", verdict.evidence);
    assert!(verdict.verdict == CheckVerdict::Pass && verdict.evidence.contains("exactly"), "{}", verdict.evidence);
}

#[test]
fn more_pages_than_are_counted_one_by_one_have_a_bound() {
    let (run, windows) = (Arc::<str>::from("r1"), Windows::at_speed(1));
    let topology = Topology::new("pages", move |builder| {
        let events = builder.stream::<UserId, Event>(EVENTS);
        most_viewed(&events, &run, windows, None).to(PAGE_STATS);
    });
    let (mut driver, mut pages) = (TopologyTestDriver::new(&topology.expect("a topology")), PagesCheck::new("r1", windows.pages));
    let mut pipe = |value: &str, at: i64| {
        let bytes = value.as_bytes().to_vec();
        driver.pipe_bytes(EVENTS, Some(b"u".to_vec()), Some(bytes), at).expect("results");
        driver.take_published()
    };
    // Every third view is of one of three pages; all others are of pages that nobody views twice.
    let mut out = Vec::new();
    for number in 0..PAGES_EXACT_MAX * 7 / 4 {
        let page = if number % 3 == 0 { number % 9 } else { number + 9 };
        let value = format!(r#"{{"user_id":"u","timestamp":{},"action_type":"view","page":"/{page}"}}"#, 1_000 + number / 20);
        pages.event(0, &Activity::parse(Some(value.as_bytes())).expect("an event"));
        out.extend(pipe(&value, 1_000));
    }
    out.extend(pipe(r#"{"run_end":"r1"}"#, 3_000));
    let told: Vec<_> = stats(&out).collect();
    let (views, error) = (told[0].views, told[0].error);
    assert!(told[2].views - told[2].error > 1_900 && told[3].error > 0, "{views} {error} {:?}", &told[..4]);
    told.into_iter().for_each(|stats| pages.published(stats));
    let verdict = pages.verdict();
    println!("{}", verdict.evidence);
    assert_eq!(verdict.verdict, CheckVerdict::Pass, "{}", verdict.evidence);
}
