//! The processing of one partition of `user_activity`: sessions, windows of counts, funnel and A/B. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    pipelines::clickstream::{
        records::{Ab, Activity, ClosedBy, Funnel, Pages, Session, Stats, Totals},
        settings::{
            AB, ACTIVE_MS, FUNNEL, NAMES_MAX, OPEN_SESSIONS_MAX, OTHER_PAGES, PAGES, PAGES_PER_WINDOW_MAX, SESSION_WINDOWS, SESSIONS,
            STATS, stats_windows,
        },
        visit::Visit,
    },
    sim::clickstream::Action,
    stream::{Added, ClosedSession, Input, Output, SessionStore, StreamTime, Task, TumblingStore},
};

/// The state of one partition. It follows from the records since the run's start.
#[derive(Debug)]
pub struct ClickstreamTask {
    run: Arc<str>,
    partition: i32,
    speed: u32,
    time: StreamTime,
    sessions: SessionStore<Visit>,
    windows: TumblingStore<Counts>,
    names: Names,
    totals: Totals,
    funnel: Funnel,
    ab: Ab,
    published: (Funnel, Ab),
}

/// The counts of one window.
#[derive(Debug, Default)]
struct Counts {
    actions: [u64; Action::ALL.len()],
    views: HashMap<Arc<str>, u64>,
}

/// Texts that repeat, kept once.
#[derive(Debug, Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        if self.0.len() < NAMES_MAX {
            self.0.insert(Arc::clone(&name));
        }
        name
    }
}

impl ClickstreamTask {
    /// A partition at the run's start. `speed` sets how long the windows of counts are.
    pub fn new(run: Arc<str>, partition: i32, speed: u32) -> Self {
        let funnel = Funnel { run: run.to_string(), partition, ..Funnel::default() };
        let ab = Ab { run: run.to_string(), partition, ..Ab::default() };
        Self {
            run,
            partition,
            speed,
            time: StreamTime::default(),
            sessions: SessionStore::new(SESSION_WINDOWS),
            windows: TumblingStore::new(stats_windows(speed)),
            names: Names::default(),
            totals: Totals::default(),
            published: (funnel.clone(), ab.clone()),
            funnel,
            ab,
        }
    }

    /// Figures since the run's start.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn add(&mut self, activity: &Activity<'_>, offset: i64) {
        let now = self.time.observe(activity.timestamp);
        match self.windows.window(activity.timestamp, now) {
            Some(counts) => {
                counts.actions[activity.action_type.index()] += 1;
                if activity.action_type == Action::View {
                    counts.view(&activity.page, &mut self.names);
                }
            }
            None => self.totals.window_late_dropped += 1,
        }
        let names = &mut self.names;
        let added = self.sessions.add(&activity.user_id, activity.timestamp, now, |visit| {
            visit.add(activity, offset, |text| names.get(text));
        });
        match added {
            Added::Accepted => {}
            Added::Merged(n) => self.totals.sessions_merged += n as u64,
            Added::Late => self.totals.session_late_dropped += 1,
        }
    }

    fn close(&mut self, closed: ClosedSession<Visit>, closed_by: ClosedBy, out: &mut Vec<Output>) {
        let ClosedSession { key, start_ms, end_ms, value: visit } = closed;
        let depth = visit.funnel_depth();
        let converted = visit.purchases > 0;
        self.totals.sessions_closed += 1;
        self.totals.sessions_evicted += u64::from(closed_by == ClosedBy::Limit);
        self.totals.bounced += u64::from(visit.is_bounce());
        self.totals.converted += u64::from(converted);
        self.totals.revenue_minor = self.totals.revenue_minor.saturating_add(visit.revenue_minor);
        self.funnel.count(depth);
        let bounced = visit.is_bounce();
        let Some(entry) = visit.entry else { return };
        let count = self.ab.variants.entry(entry.variant.to_string()).or_default();
        count.sessions += 1;
        count.conversions += u64::from(converted);
        let session = Session {
            run: self.run.to_string(),
            partition: self.partition,
            session_id: entry.session_id.into(),
            user_id: key.to_string(),
            start: start_ms,
            end: end_ms,
            events: visit.events,
            pages: visit.pages,
            entry_page: entry.page.to_string(),
            exit_page: visit.exit.map(|(_, page)| page.to_string()).unwrap_or_default(),
            bounced,
            converted,
            funnel: depth,
            revenue_minor: visit.revenue_minor,
            device: entry.device.to_string(),
            variant: entry.variant.to_string(),
            closed_by,
        };
        publish(SESSIONS, session.user_id.clone(), &session, out);
    }

    /// The window's figures, as far as they depend on the sessions open now.
    fn stats(&self, start: i64, counts: &Counts) -> Stats {
        let window_end = start + stats_windows(self.speed).size_ms;
        let active_after = window_end - ACTIVE_MS;
        Stats {
            run: self.run.to_string(),
            partition: self.partition,
            window_start: start,
            window_end,
            speed: self.speed,
            events: counts.actions.iter().sum(),
            actions: Action::ALL.iter().map(|action| (action.name().to_owned(), counts.actions[action.index()])).collect(),
            active_users: self.sessions.iter_open().filter(|(end_ms, _)| *end_ms > active_after).count() as u64,
            sessions_open: self.sessions.open() as u64,
            totals: Totals::default(),
        }
    }

    fn publish_window(&mut self, mut stats: Stats, counts: Counts, out: &mut Vec<Output>) {
        stats.totals = self.totals;
        let key = format!("{}-{}", stats.window_start, self.partition);
        if !counts.views.is_empty() {
            let pages = Pages {
                run: self.run.to_string(),
                partition: self.partition,
                window_start: stats.window_start,
                window_end: stats.window_end,
                views: counts.views.into_iter().map(|(page, views)| (page.to_string(), views)).collect(),
            };
            publish(PAGES, key.clone(), &pages, out);
        }
        publish(STATS, key, &stats, out);
        let mut funnel = self.funnel.clone();
        self.sessions.iter_open().for_each(|(_, visit)| funnel.count(visit.funnel_depth()));
        if funnel != self.published.0 {
            publish(FUNNEL, self.partition.to_string(), &funnel, out);
            self.published.0 = funnel;
        }
        if self.ab != self.published.1 {
            publish(AB, self.partition.to_string(), &self.ab, out);
            self.published.1 = self.ab.clone();
        }
    }
}

impl Counts {
    fn view(&mut self, page: &str, names: &mut Names) {
        if let Some(views) = self.views.get_mut(page) {
            *views += 1;
            return;
        }
        let page = if self.views.len() < PAGES_PER_WINDOW_MAX { page } else { OTHER_PAGES };
        *self.views.entry(names.get(page)).or_default() += 1;
    }
}

impl Task for ClickstreamTask {
    fn process(&mut self, input: Input<'_>, out: &mut Vec<Output>) {
        self.totals.processed += 1;
        let Some(activity) = Activity::parse(input.value) else {
            self.totals.malformed += 1;
            return;
        };
        self.add(&activity, input.offset);
        let Some(now) = self.time.get() else { return };
        while let Some(closed) = self.sessions.pop_closed(now) {
            self.close(closed, ClosedBy::Gap, out);
        }
        while self.sessions.open() > OPEN_SESSIONS_MAX {
            let Some(oldest) = self.sessions.pop_any() else { break };
            self.close(oldest, ClosedBy::Limit, out);
        }
        while let Some((start, counts)) = self.windows.pop_closed(now) {
            let stats = self.stats(start, &counts);
            self.publish_window(stats, counts, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Output>) {
        // Windows look at the sessions open in them, and their totals at all sessions: so count, close, publish.
        let mut windows = BTreeMap::new();
        while let Some((start, counts)) = self.windows.pop_any() {
            windows.insert(start, (self.stats(start, &counts), counts));
        }
        while let Some(closed) = self.sessions.pop_any() {
            self.close(closed, ClosedBy::RunEnd, out);
        }
        for (stats, counts) in windows.into_values() {
            self.publish_window(stats, counts, out);
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let totals = &self.totals;
        vec![
            ("processed", totals.processed),
            ("malformed", totals.malformed),
            ("sessions_open", self.sessions.open() as u64),
            ("sessions_closed", totals.sessions_closed),
            ("sessions_merged", totals.sessions_merged),
            ("sessions_evicted", totals.sessions_evicted),
            ("late_dropped", totals.window_late_dropped + totals.session_late_dropped),
            ("window_late_dropped", totals.window_late_dropped),
            ("session_late_dropped", totals.session_late_dropped),
        ]
    }
}

fn publish<T: Serialize>(topic: &'static str, key: String, result: &T, out: &mut Vec<Output>) {
    // Structs of texts and numbers always have a JSON form.
    if let Ok(value) = serde_json::to_vec(result) {
        out.push(Output { topic, key, value });
    }
}

#[cfg(test)]
mod tests;
