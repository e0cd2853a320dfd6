//! The shop's visitors as the world of a run.

use std::collections::VecDeque;

use serde::Serialize;

use crate::{
    pipelines::{
        clickstream::{
            meta::{BOT_SWARM, CELEBRITY_KEY, PHONES_OFFLINE, TRAFFIC_SPIKE},
            records::{AdClick, Item, Offer, RunTruth, User},
            settings::{AD_CLICKS, DISORDER, EVENTS, ITEMS, OFFER_TAKERS, OFFERS, SKEW, TRUTH, USERS, Windows},
        },
        shape::{Command, Emit, EmitRecord, Observed, RunParams, World},
    },
    sim::clickstream::{CROWD_MS, Generator, GeneratorParams, OFFLINE_EVENT_MS, SPIKE_MS},
};

/// Event time stands in the value; the record's own time is when it was sent, so that lag in time means something at any speed.
pub(super) const SENT_NOW: i64 = -1;

/// The visitors.
pub(super) struct Visitors {
    generator: Generator,
    run: std::sync::Arc<str>,
    speed: u32,
    /// Events that will be sent again, and when: clients that did not hear the answer.
    again: VecDeque<(u64, String, Vec<u8>)>,
    repeats: u64,
}

/// One in so many events is sent again, so many events later.
const AGAIN_ONE_IN: u64 = 199;
const AGAIN_AFTER: u64 = 20;

/// What the shop sells, said before anybody comes.
pub(super) fn catalogue(run: &RunParams, out: &mut Emit) {
    for item in generator(run).catalogue() {
        let (run, item_id, category) = (run.name.to_string(), item.item_id.into(), item.category.to_owned());
        let row = Item { run, item_id, category, price_minor: item.price_minor };
        out.send(ITEMS, item.item_id, json(&row), SENT_NOW);
    }
}

fn generator(run: &RunParams) -> Generator {
    let (params, windows) = (&run.params, Windows::of(run));
    let sessions = windows.sessions;
    let params = GeneratorParams { seed: params.seed, rate_per_s: params.rate_per_s, speed: params.speed, start_at_ms: run.start_at.0 };
    let disorder_ms = (run.setting(DISORDER).max(0.0) * 1_000.0) as i64;
    let generator = Generator::new(params).for_sessions(sessions.gap_ms, sessions.grace_ms).with_disorder(disorder_ms);
    generator.with_skew(run.setting(SKEW)).with_offers(windows.cart_silence_ms(), run.setting(OFFER_TAKERS))
}

impl Visitors {
    pub(super) fn new(run: &RunParams) -> Self {
        Self {
            generator: generator(run),
            run: std::sync::Arc::clone(&run.name),
            speed: run.params.speed.max(1),
            again: VecDeque::new(),
            repeats: 0,
        }
    }

    fn release(&mut self, out: &mut Emit) {
        while let Some((key, value)) = self.generator.release() {
            out.send(EVENTS, key, value, SENT_NOW);
        }
        while let Some(touch) = self.generator.touch() {
            let (run, user, at) = (self.run.to_string(), touch.user_id.clone(), touch.at_ms);
            let click = AdClick { run, click_id: touch.click_id.into(), user_id: touch.user_id.into(), campaign: touch.campaign, at };
            out.send(AD_CLICKS, user, json(&click), at);
        }
        while let Some(joined) = self.generator.joined() {
            let (run, user) = (self.run.to_string(), joined.user_id.clone());
            let row = User { run, user_id: joined.user_id.into(), member_from: joined.from_ms };
            out.send(USERS, user, json(&row), joined.at_ms);
        }
    }

    fn send_again(&mut self, until: u64, out: &mut Emit) {
        while let Some((_, key, value)) = self.again.pop_front_if(|(due, ..)| *due <= until) {
            self.repeats += 1;
            out.send(EVENTS, key, value, SENT_NOW);
        }
    }
}

impl World for Visitors {
    fn due_ns(&self) -> u128 {
        self.generator.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        let number = self.generator.events();
        if let Some(record) = self.generator.generate() {
            if number % AGAIN_ONE_IN == AGAIN_ONE_IN - 1 {
                self.again.push_back((number + AGAIN_AFTER, record.key.to_owned(), record.value.to_vec()));
            }
            out.send(EVENTS, record.key, record.value, SENT_NOW);
        }
        self.release(out);
        self.send_again(number, out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.generator.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.generator.events()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        match command.fault.as_str() {
            TRAFFIC_SPIKE => {
                self.generator.start_spike();
                Some(SPIKE_MS.cast_signed())
            }
            PHONES_OFFLINE => {
                self.generator.start_offline();
                Some(OFFLINE_EVENT_MS / i64::from(self.speed))
            }
            BOT_SWARM => {
                self.generator.start_bots();
                Some(CROWD_MS.cast_signed())
            }
            CELEBRITY_KEY => {
                self.generator.start_celebrity();
                Some(CROWD_MS.cast_signed())
            }
            _ => None,
        }
    }

    fn hears(&self) -> Vec<std::sync::Arc<str>> {
        vec![OFFERS.into()]
    }

    fn hear(&mut self, record: &Observed<'_>) {
        let offer = record.value.and_then(|value| serde_json::from_slice::<Offer>(value).ok());
        // Other runs may make offers too, to visitors of the same names.
        if let Some(offer) = offer.filter(|offer| *offer.run == *self.run) {
            self.generator.offer(offer.user_id.as_str(), offer.percent);
        }
    }

    fn finish(&mut self, out: &mut Emit) {
        // Phones that are still offline come back for the end, so that every event made is in the log.
        self.generator.heal();
        self.release(out);
        self.send_again(u64::MAX, out);
        let truth = self.generator.truth();
        let truth = RunTruth {
            visits: truth.visits,
            visits_cut_short: truth.visits_cut_short,
            events: self.generator.events(),
            repeats: self.repeats,
            offers_taken: truth.offers_taken,
            bots: self.generator.crowd_users().iter().cloned().collect(),
            broken: None,
        };
        out.send(TRUTH, &*self.run, json(&truth), SENT_NOW);
        end_run(&self.run, out);
    }
}

/// Texts and numbers always have a JSON form.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Tells every partition that nothing more comes, which closes what is open.
pub(super) fn end_run(run: &str, out: &mut Emit) {
    for partition in 0..out.partitions_of(EVENTS) {
        let value = format!(r#"{{"run_end":"{run}"}}"#).into_bytes();
        let key = Some(run.as_bytes().to_vec());
        out.push(EmitRecord { topic: EVENTS, partition: Some(partition), key, value: Some(value), timestamp_ms: SENT_NOW });
    }
}
