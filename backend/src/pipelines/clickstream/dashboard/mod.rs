//! The dashboard, folded from the result topics alone: it works the same when another process does the processing.

mod lanes;
mod partitions;
mod stages;
mod widgets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use weir_model::{Chooser, Dashboard, PipelineAction, Problem, TimestampMs};

use crate::{
    pipelines::clickstream::{
        ItemId, PurchaseId, UserId,
        records::{Ab, Attribution, Bot, Devices, Funnel, Offer, OfferTaken, OpenSession, PageStats, Pair, Sales, Session, Stats, Totals},
        settings::{
            AB, ATTRIBUTION, BOTS, DEVICES, FUNNEL, MERGES, OFFERS, OFFERS_TAKEN, PAGE_STATS, PAIRS, RECOMMENDED, SALES, SESSIONS, STATS,
        },
    },
    sim::clickstream::Action,
    truth::clickstream::HitRate,
};
use lanes::Lanes;

/// Windows of history: five minutes of the wall clock.
const WINDOWS_MAX: usize = 300;
/// Windows of pages remembered; the newest is shown.
const PAGE_WINDOWS: usize = 2;
/// Sessions in the table.
const SESSIONS_MAX: usize = 12;
/// Offers and robots in the feed, of each.
const HAPPENED_MAX: usize = 6;
/// Looks in the table of recommendations.
const LOOKS_MAX: usize = 8;
/// Recommendations shown of those there are.
const SHOWN: usize = 3;
/// Purchases remembered for attribution; the first ones are forgotten.
const ATTRIBUTED_MAX: usize = 50_000;
/// Sides of A/B tests remembered.
const SIDES_MAX: usize = 100;
/// Categories remembered.
const CATEGORIES_MAX: usize = 1_000;
/// A partition this many windows behind the others is idle: windows are shown without waiting for it.
const IDLE_WINDOWS: i64 = 10;
/// Without a new window for this long, nothing flows.
const QUIET_MS: i64 = 3_000;

/// What the result topics said so far about the newest run.
#[derive(Debug, Default)]
pub struct Fold {
    run: String,
    windows: BTreeMap<i64, BTreeMap<i32, Window>>,
    newest_by_partition: BTreeMap<i32, i64>,
    window_ms: i64,
    speed: u32,
    /// By the window's end and by page.
    pages: BTreeMap<i64, BTreeMap<String, PageStats>>,
    funnels: BTreeMap<i32, Funnel>,
    devices: BTreeMap<i32, Devices>,
    /// By experiment and variant, the newest.
    ab: BTreeMap<(String, String), Ab>,
    sessions: VecDeque<Session>,
    last_window_at: Option<TimestampMs>,
    lanes: Lanes,
    bots: VecDeque<Bot>,
    offers: VecDeque<Offer>,
    /// Purchases that offers brought.
    taken: BTreeSet<PurchaseId>,
    /// Campaign and revenue by purchase.
    attributed: BTreeMap<PurchaseId, (String, i64)>,
    /// By category.
    sales: BTreeMap<String, Sales>,
    hit_rate: HitRate,
    looks: VecDeque<Look>,
}

/// Somebody was recommended something, and then looked at an item.
#[derive(Debug)]
struct Look {
    user_id: UserId,
    from: ItemId,
    shown: String,
    to: ItemId,
    is_hit: bool,
}

/// One partition's figures for one window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    actions: [u64; Action::ALL.len()],
    active_users: u64,
    sessions_open: u64,
    totals: Totals,
}

impl Window {
    fn events(&self) -> u64 {
        self.actions.iter().sum()
    }
}

/// Enough of a result to know whether to read on.
#[derive(Deserialize)]
struct RunOf<'a> {
    #[serde(borrow)]
    run: std::borrow::Cow<'a, str>,
}

impl Fold {
    /// Takes a record of a result topic in; `at` is when it came. What is none, and what belongs to an older run, is passed over.
    pub fn observe(&mut self, topic: &str, value: &[u8], at: TimestampMs) {
        let Ok(RunOf { run }) = serde_json::from_slice(value) else { return };
        if !self.is_of_run(&run) {
            return;
        }
        match topic {
            STATS => read(value, |stats| self.add_stats(&stats, at)),
            PAGE_STATS => read(value, |stats| self.add_page(stats)),
            SESSIONS => read(value, |session| self.add_session(session)),
            FUNNEL => read(value, |funnel: Funnel| drop(self.funnels.insert(funnel.partition, funnel))),
            MERGES => read(value, |merge| self.lanes.merge(merge)),
            BOTS => read(value, |bot| newest(&mut self.bots, bot, HAPPENED_MAX)),
            OFFERS => read(value, |offer| newest(&mut self.offers, offer, HAPPENED_MAX)),
            OFFERS_TAKEN => read(value, |taken| self.take(taken)),
            ATTRIBUTION => read(value, |attribution| self.attribute(attribution)),
            SALES => read(value, |sales| self.sell(sales)),
            RECOMMENDED => read(value, |recommended| self.hit_rate.recommended(&recommended)),
            PAIRS => read(value, |pair| self.look(pair)),
            DEVICES => read(value, |devices: Devices| drop(self.devices.insert(devices.partition, devices))),
            AB => read(value, |ab: Ab| self.compare(ab)),
            _ => {}
        }
    }

    /// Takes a record of the table of open sessions in; nothing under a key says that it is open no more.
    pub fn observe_open(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => read(value, |open: OpenSession| {
                if self.is_of_run(&open.run) {
                    self.lanes.open(&open);
                }
            }),
            None => self.lanes.withdraw(key),
        }
    }

    /// The dashboard as of now.
    pub fn dashboard(&self, now: TimestampMs) -> Dashboard {
        Dashboard { event_time: self.stream_time(), widgets: widgets::all(self, now) }
    }

    /// What somebody did in a widget: chose whose sessions are shown.
    ///
    /// # Errors
    /// When nothing of that kind is offered.
    pub fn act(&mut self, action: &PipelineAction) -> Result<(), Problem> {
        if &*action.widget != lanes::ID || &*action.verb != Chooser::VERB {
            return Err(Problem::new(
                format!("Nothing was done in {}", action.widget),
                "it offers no such action",
                "This is a defect of this program; please report it",
            ));
        }
        self.lanes.choose(&action.subject);
        Ok(())
    }

    /// Whether something is of the newest run, or of a newer one, which is shown from now on.
    fn is_of_run(&mut self, run: &str) -> bool {
        // Names of runs begin with the time of their start, so the greatest is the newest.
        if *run > *self.run {
            *self = Self { run: run.to_owned(), ..Self::default() };
        }
        *run == *self.run
    }

    /// Stream time, as far as closed windows tell.
    fn stream_time(&self) -> Option<TimestampMs> {
        self.newest_by_partition.values().max().map(|start| TimestampMs(start + self.window_ms))
    }

    fn add_stats(&mut self, stats: &Stats, at: TimestampMs) {
        (self.window_ms, self.speed, self.last_window_at) = (stats.window_end - stats.window_start, stats.speed.max(1), Some(at));
        let actions = Action::ALL.map(|action| stats.actions.get(action.name()).copied().unwrap_or_default());
        let Stats { active_users, sessions_open, totals, .. } = *stats;
        let window = Window { actions, active_users, sessions_open, totals };
        self.windows.entry(stats.window_start).or_default().insert(stats.partition, window);
        let newest = self.newest_by_partition.entry(stats.partition).or_insert(stats.window_start);
        *newest = stats.window_start.max(*newest);
        while self.windows.len() > WINDOWS_MAX {
            self.windows.pop_first();
        }
    }

    fn add_page(&mut self, stats: PageStats) {
        self.pages.entry(stats.window_end).or_default().insert(stats.page.clone(), stats);
        while self.pages.len() > PAGE_WINDOWS {
            self.pages.pop_first();
        }
    }

    fn attribute(&mut self, attribution: Attribution) {
        self.attributed.insert(attribution.purchase_id, (attribution.campaign, attribution.revenue_minor));
        while self.attributed.len() > ATTRIBUTED_MAX {
            self.attributed.pop_first();
        }
    }

    fn take(&mut self, taken: OfferTaken) {
        if self.taken.len() < ATTRIBUTED_MAX {
            self.taken.insert(taken.purchase_id);
        }
    }

    fn sell(&mut self, sales: Sales) {
        if self.sales.len() < CATEGORIES_MAX || self.sales.contains_key(&sales.category) {
            self.sales.insert(sales.category.clone(), sales);
        }
    }

    fn compare(&mut self, ab: Ab) {
        let key = (ab.experiment.clone(), ab.variant.clone());
        if self.ab.len() < SIDES_MAX || self.ab.contains_key(&key) {
            self.ab.insert(key, ab);
        }
    }

    fn look(&mut self, pair: Pair) {
        if let Some((items, is_hit)) = self.hit_rate.look(&pair) {
            let shown = items.into_iter().take(SHOWN).map(ItemId::as_str).collect::<Vec<_>>().join(", ");
            let Pair { user_id, from, to, .. } = pair;
            self.looks.push_front(Look { user_id, from, shown, to, is_hit });
            self.looks.truncate(LOOKS_MAX);
        }
    }

    /// Closed sessions that were one page and gone.
    fn bounced(&self) -> u64 {
        self.complete_windows().last().map_or(0, |(_, window)| window.totals.bounced)
    }

    fn add_session(&mut self, session: Session) {
        self.lanes.session(&session);
        if self.sessions.iter().any(|known| (&known.user_id, known.start) == (&session.user_id, session.start)) {
            return;
        }
        self.sessions.push_front(session);
        self.sessions.truncate(SESSIONS_MAX);
    }

    /// The windows that all partitions at work have passed, summed over partitions. Each partition's totals hold until its next window.
    fn complete_windows(&self) -> Vec<(i64, Window)> {
        let Some(newest) = self.newest_by_partition.values().max() else { return Vec::new() };
        let idle_before = newest - IDLE_WINDOWS * self.window_ms;
        let complete = self.newest_by_partition.values().filter(|start| **start >= idle_before).min().copied().unwrap_or(*newest);
        let mut totals: BTreeMap<i32, Totals> = BTreeMap::new();
        let sum = |(start, partitions): (&i64, &BTreeMap<i32, Window>)| {
            let mut sum = Window::default();
            for (partition, window) in partitions {
                sum.active_users += window.active_users;
                sum.sessions_open += window.sessions_open;
                sum.actions.iter_mut().zip(window.actions).for_each(|(sum, count)| *sum += count);
                totals.insert(*partition, window.totals);
            }
            totals.values().for_each(|of_partition| sum.totals += *of_partition);
            (*start, sum)
        };
        self.windows.range(..=complete).map(sum).collect()
    }

    /// Events per second of the wall clock.
    fn per_s(&self, events: u64) -> f64 {
        events as f64 * 1_000.0 * f64::from(self.speed) / self.window_ms.max(1) as f64
    }

    fn is_quiet(&self, now: TimestampMs) -> bool {
        self.last_window_at.is_none_or(|at| now.since(at) > QUIET_MS)
    }

    /// The most viewed pages of the newest window.
    fn top_pages(&self, n: usize) -> Vec<&PageStats> {
        let mut ranked: Vec<_> = self.pages.last_key_value().map(|(_, pages)| pages.values().collect()).unwrap_or_default();
        ranked.sort_unstable_by(|a: &&PageStats, b| b.views.cmp(&a.views).then(a.page.cmp(&b.page)));
        ranked.truncate(n);
        ranked
    }

    fn funnel(&self) -> Funnel {
        self.funnels.values().fold(Funnel::default(), |sum, funnel| Funnel {
            view: sum.view + funnel.view,
            add_to_cart: sum.add_to_cart + funnel.add_to_cart,
            purchase: sum.purchase + funnel.purchase,
            ..sum
        })
    }
}

/// The newest first; the same again changes nothing.
fn newest<T: PartialEq>(list: &mut VecDeque<T>, entry: T, max: usize) {
    if !list.contains(&entry) {
        list.push_front(entry);
        list.truncate(max);
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &[u8], take: impl FnOnce(T)) {
    if let Ok(result) = serde_json::from_slice(value) {
        take(result);
    }
}

#[cfg(test)]
mod tests;
