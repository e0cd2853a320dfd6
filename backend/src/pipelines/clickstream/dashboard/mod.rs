//! The dashboard, folded from the result topics alone: it works the same when another process does the processing.

mod stages;
mod widgets;

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;
use weir_model::{Dashboard, TimestampMs};

use crate::{
    pipelines::clickstream::{
        records::{Ab, AbCount, Attribution, Bot, Funnel, Merge, Offer, Pages, Pair, Recommended, Sales, Session, Stats, Totals},
        settings::{AB, ATTRIBUTION, BOTS, FUNNEL, MERGES, OFFERS, PAGES, PAIRS, RECOMMENDATIONS, RECOMMENDED, SALES, SESSIONS, STATS},
    },
    sim::clickstream::Action,
    truth::clickstream::Hits,
};

/// Windows of history: five minutes of the wall clock.
const WINDOWS_MAX: usize = 300;
/// Windows over which pages are ranked.
const PAGE_WINDOWS: usize = 15;
/// Sessions in the table.
const SESSIONS_MAX: usize = 12;
/// Merged sessions in lanes.
const MERGES_MAX: usize = 3;
/// Offers and robots in the feed, of each.
const HAPPENED_MAX: usize = 6;
/// Looks in the table of recommendations.
const LOOKS_MAX: usize = 8;
/// Recommendations shown of those there are.
const SHOWN: usize = 3;
/// Purchases remembered for attribution; the first ones are forgotten.
const ATTRIBUTED_MAX: usize = 50_000;
/// Categories remembered.
const CATEGORIES_MAX: usize = 1_000;
/// Items remembered, for recommendations and for what is most wanted.
const ITEMS_MAX: usize = 20_000;
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
    pages: BTreeMap<i64, BTreeMap<i32, BTreeMap<String, u64>>>,
    funnels: BTreeMap<i32, Funnel>,
    abs: BTreeMap<i32, Ab>,
    sessions: VecDeque<Session>,
    last_window_at: Option<TimestampMs>,
    merges: VecDeque<Merge>,
    bots: VecDeque<Bot>,
    offers: VecDeque<Offer>,
    /// Campaign and revenue by purchase.
    attributed: BTreeMap<String, (String, i64)>,
    /// By category.
    sales: BTreeMap<String, Sales>,
    recommended: HashMap<String, Vec<String>>,
    wanted: HashMap<String, u64>,
    hits: Hits,
    looks: VecDeque<Look>,
}

/// Somebody looked at an item for which something is recommended, and then at another.
#[derive(Debug)]
struct Look {
    user_id: String,
    from: String,
    shown: String,
    to: String,
    is_hit: bool,
}

/// One partition's figures for one window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    actions: [u64; Action::ALL.len()],
    active_users: u64,
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
        // Names of runs begin with the time of their start, so the greatest is the newest.
        if *run < *self.run {
            return;
        }
        if *run > *self.run {
            *self = Self { run: run.into_owned(), ..Self::default() };
        }
        match topic {
            STATS => read(value, |stats| self.add_stats(&stats, at)),
            PAGES => read(value, |pages| self.add_pages(pages)),
            SESSIONS => read(value, |session| self.add_session(session)),
            FUNNEL => read(value, |funnel: Funnel| drop(self.funnels.insert(funnel.partition, funnel))),
            MERGES => read(value, |merge| newest(&mut self.merges, merge, MERGES_MAX)),
            BOTS => read(value, |bot| newest(&mut self.bots, bot, HAPPENED_MAX)),
            OFFERS => read(value, |offer| newest(&mut self.offers, offer, HAPPENED_MAX)),
            ATTRIBUTION => read(value, |attribution| self.attribute(attribution)),
            SALES => read(value, |sales| self.sell(sales)),
            RECOMMENDED => read(value, |recommended| self.recommend(recommended)),
            PAIRS => read(value, |pair| self.look(pair)),
            AB => read(value, |ab: Ab| drop(self.abs.insert(ab.partition, ab))),
            _ => {}
        }
    }

    /// The dashboard as of now.
    pub fn dashboard(&self, now: TimestampMs) -> Dashboard {
        let event_time = self.newest_by_partition.values().max().map(|start| TimestampMs(start + self.window_ms));
        Dashboard { event_time, widgets: widgets::all(self, now) }
    }

    fn add_stats(&mut self, stats: &Stats, at: TimestampMs) {
        (self.window_ms, self.speed, self.last_window_at) = (stats.window_end - stats.window_start, stats.speed.max(1), Some(at));
        let actions = Action::ALL.map(|action| stats.actions.get(action.name()).copied().unwrap_or_default());
        let window = Window { actions, active_users: stats.active_users, totals: stats.totals };
        self.windows.entry(stats.window_start).or_default().insert(stats.partition, window);
        let newest = self.newest_by_partition.entry(stats.partition).or_insert(stats.window_start);
        *newest = stats.window_start.max(*newest);
        while self.windows.len() > WINDOWS_MAX {
            self.windows.pop_first();
        }
    }

    fn add_pages(&mut self, pages: Pages) {
        self.pages.entry(pages.window_start).or_default().insert(pages.partition, pages.views);
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

    fn sell(&mut self, sales: Sales) {
        if self.sales.len() < CATEGORIES_MAX || self.sales.contains_key(&sales.category) {
            self.sales.insert(sales.category.clone(), sales);
        }
    }

    fn recommend(&mut self, Recommended { item_id, items, .. }: Recommended) {
        if self.recommended.len() < ITEMS_MAX || self.recommended.contains_key(&item_id) {
            self.recommended.insert(item_id, items);
        }
    }

    fn look(&mut self, Pair { user_id, from, to, .. }: Pair) {
        if let Some(items) = self.recommended.get(&from).filter(|items| items.len() >= RECOMMENDATIONS) {
            let is_hit = items.contains(&to);
            let own = self.wanted.get(&to).copied().unwrap_or(0);
            let ahead = self.wanted.values().filter(|looks| **looks > own).take(RECOMMENDATIONS).count();
            self.hits.looks += 1;
            self.hits.recommended += u64::from(is_hit);
            self.hits.popular += u64::from(ahead < RECOMMENDATIONS);
            let shown = items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            self.looks.push_front(Look { user_id, from, shown, to: to.clone(), is_hit });
            self.looks.truncate(LOOKS_MAX);
        }
        if self.wanted.len() < ITEMS_MAX || self.wanted.contains_key(&to) {
            *self.wanted.entry(to).or_default() += 1;
        }
    }

    /// Closed sessions that were one page and gone.
    fn bounced(&self) -> u64 {
        self.complete_windows().last().map_or(0, |(_, window)| window.totals.bounced)
    }

    fn add_session(&mut self, session: Session) {
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

    fn top_pages(&self, n: usize) -> Vec<(&str, u64)> {
        let mut views: HashMap<&str, u64> = HashMap::new();
        for (page, count) in self.pages.values().flat_map(BTreeMap::values).flatten() {
            *views.entry(page).or_default() += count;
        }
        let mut ranked: Vec<_> = views.into_iter().collect();
        ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
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

    fn ab(&self) -> BTreeMap<&str, AbCount> {
        let mut sums: BTreeMap<&str, AbCount> = BTreeMap::new();
        for (variant, count) in self.abs.values().flat_map(|ab| &ab.variants) {
            let sum = sums.entry(variant).or_default();
            sum.sessions += count.sessions;
            sum.conversions += count.conversions;
        }
        sums
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
