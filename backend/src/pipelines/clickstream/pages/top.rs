//! The second stage: the sums of all partitions as windows that hop, and the most viewed pages of each.
//!
//! A window is told when every partition has told all its panes: partitions may be far apart in time, and no one knows how late is too late.
//! A partition that was not known yet, or could not be waited for any longer, is taken in all the same: its windows are told again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    pipelines::clickstream::{
        records::{PagePart, PageStats},
        settings::{PAGE_ENTRIES_MAX, TOP_PAGES},
    },
    stream::{Forward, Processor, Record, Store, StoreHandle, TimeWindows},
};

/// The key of how far partitions are; panes have their own prefixes.
const PROGRESS: &str = "";
/// Partitions that are far behind are waited for until so many times as much is kept as is kept anyway.
const WAITING_FACTOR: u64 = 4;

/// What the store keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    /// How far everything is.
    Progress(Progress),
    /// Views of a page in one pane and partition, and by how much they may be too high.
    Views(u64, u64),
    /// What a page that is not named has at most, in one pane and partition.
    UnnamedMax(u64),
    /// How many entries there are of a pane.
    Entries(u64),
}

/// How far everything is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// By partition, until when all is told.
    closed_until: BTreeMap<i32, i64>,
    /// Entries of all panes.
    kept: u64,
    /// All windows that end by then are told.
    told_until: Option<i64>,
    /// All panes before this are forgotten.
    forgotten_until: i64,
}

/// A store for the processor.
pub(super) fn store() -> Store<String, Kept> {
    Store::new()
}

/// Sums up and ranks.
pub(super) struct TopPages {
    pub(super) run: Arc<str>,
    pub(super) windows: TimeWindows,
    pub(super) store: StoreHandle<String, Kept>,
    /// Sabotage: of a window's panes, the newest one alone counts.
    pub(super) is_newest_pane_alone: bool,
}

impl Processor<String, PagePart, String, PageStats> for TopPages {
    fn process(&mut self, record: &Record<String, PagePart>, out: &mut Forward<'_, String, PageStats>) {
        let part = &record.value;
        if *part.run != *self.run {
            return; // left over from another run
        }
        let kept = self.store.borrow_mut().delete(&PROGRESS.to_owned());
        let mut progress = if let Some(Kept::Progress(progress)) = kept { progress } else { Progress::default() };
        let is_late = part.pane_start < progress.forgotten_until && !part.pages.is_empty();
        if is_late {
            out.count_late();
        } else {
            self.take(part, &mut progress);
        }
        let closed_until = progress.closed_until.entry(part.partition).or_insert(i64::MIN);
        *closed_until = part.closed_until.max(*closed_until);
        let is_last = part.closed_until > part.pane_start && !part.pages.is_empty();
        if let Some(told_until) = progress.told_until.filter(|_| is_last && !is_late) {
            self.tell(part.pane_start + self.windows.advance_ms, told_until.min(part.pane_start + self.windows.size_ms), out);
        }
        self.advance(&mut progress, out);
        self.store.borrow_mut().put(PROGRESS.to_owned(), Kept::Progress(progress));
    }
}

impl TopPages {
    /// The same part again changes nothing.
    fn take(&self, part: &PagePart, progress: &mut Progress) {
        if part.pages.is_empty() {
            return;
        }
        let (mut store, mut new) = (self.store.borrow_mut(), 0);
        let views = part.pages.iter().map(|it| (page_key(part.pane_start, part.partition, &it.page), Kept::Views(it.views, it.error)));
        let unnamed = (part.unnamed_max > 0).then(|| (unnamed_key(part.pane_start, part.partition), Kept::UnnamedMax(part.unnamed_max)));
        for (key, kept) in views.chain(unnamed) {
            new += u64::from(store.get(&key).is_none());
            store.put(key, kept);
        }
        let add = |kept: &mut Kept| {
            if let Kept::Entries(entries) = kept {
                *entries += new
            }
        };
        store.update(&pane_key(part.pane_start), || Kept::Entries(0), add);
        progress.kept += new;
    }

    /// Tells the windows that are over in every partition.
    fn advance(&self, progress: &mut Progress, out: &mut Forward<'_, String, PageStats>) {
        let (Some(first), Some(last)) = (self.first_pane(0), self.last_pane()) else { return };
        let end = last + self.windows.advance_ms;
        let slowest = progress.closed_until.values().min().copied().unwrap_or(i64::MIN);
        let over = if progress.kept > PAGE_ENTRIES_MAX * WAITING_FACTOR { end } else { slowest.min(end) };
        let next = progress.told_until.unwrap_or(first) + self.windows.advance_ms;
        if over < next {
            return;
        }
        self.tell(next, over, out);
        progress.told_until = Some(over);
        self.forget(over, progress);
    }

    /// Forgets panes of which everything is told, as far as there are many.
    fn forget(&self, told_until: i64, progress: &mut Progress) {
        while progress.kept > PAGE_ENTRIES_MAX
            && let Some(pane) = self.first_pane(0).filter(|pane| pane + self.windows.size_ms <= told_until)
        {
            let mut store = self.store.borrow_mut();
            for of in [page_prefix, unnamed_prefix] {
                let keys: Vec<_> = store.range(of(pane)..of(pane + 1)).map(|(key, _)| key.into_owned()).collect();
                keys.iter().for_each(|key| drop(store.delete(key)));
            }
            let entries = if let Some(Kept::Entries(entries)) = store.delete(&pane_key(pane)) { entries } else { 0 };
            progress.kept = progress.kept.saturating_sub(entries);
            progress.forgotten_until = pane + self.windows.advance_ms;
        }
    }

    /// The first pane that is kept from this time on.
    fn first_pane(&self, from_ms: i64) -> Option<i64> {
        let store = self.store.borrow();
        store.range(pane_key(from_ms.max(0))..pane_key(i64::MAX)).next().and_then(|(key, _)| pane_of(&key))
    }

    fn last_pane(&self) -> Option<i64> {
        let store = self.store.borrow();
        store.range(pane_key(0)..pane_key(i64::MAX)).next_back().and_then(|(key, _)| pane_of(&key))
    }

    /// Tells the windows that end from here to there and hold something.
    fn tell(&self, from: i64, to: i64, out: &mut Forward<'_, String, PageStats>) {
        let TimeWindows { size_ms, advance_ms, .. } = self.windows;
        let mut end = from;
        while end <= to {
            let from_ms = if self.is_newest_pane_alone { end - advance_ms } else { end - size_ms };
            let of_window = |store: &Store<String, Kept>| {
                let keys = store.range(pane_key(from_ms.max(0))..pane_key(end));
                keys.filter_map(|(key, _)| pane_of(&key)).collect::<Vec<_>>()
            };
            let panes = of_window(&self.store.borrow());
            for (page, (views, error)) in self.ranked(&panes) {
                let (run, window_start) = (self.run.to_string(), end - size_ms);
                let stats = PageStats { run, page: page.clone(), window_start, window_end: end, views, error };
                out.send(&Record { key: page, value: stats, timestamp_ms: end });
            }
            // Where nothing happened for long, there is nothing to tell until something does.
            let next = if panes.is_empty() { self.first_pane(end).unwrap_or(to) } else { end };
            end = next.max(end) + advance_ms;
        }
    }

    /// The most viewed pages of these panes.
    fn ranked(&self, panes: &[i64]) -> Vec<(String, (u64, u64))> {
        let store = self.store.borrow();
        // Of each page: views, error, and what was said of unnamed pages where it is named.
        let (mut pages, mut unnamed_max) = (HashMap::<&str, (u64, u64, u64)>::new(), 0);
        let of_pages: Vec<Vec<_>> = panes.iter().map(|pane| store.range(page_prefix(*pane)..page_prefix(pane + 1)).collect()).collect();
        for (pane, of_pages) in panes.iter().zip(&of_pages) {
            let unnamed: HashMap<String, u64> = store
                .range(unnamed_prefix(*pane)..unnamed_prefix(pane + 1))
                .filter_map(|(key, kept)| {
                    Some((key.get(21..31)?.to_owned(), if let Kept::UnnamedMax(most) = *kept { most } else { return None }))
                })
                .collect();
            unnamed_max += unnamed.values().sum::<u64>();
            for (key, kept) in of_pages {
                let (Some(partition), Some(page), Kept::Views(views, error)) = (key.get(21..31), key.get(31..), &**kept) else { continue };
                let sums = pages.entry(page).or_default();
                *sums = (sums.0 + views, sums.1 + error, sums.2 + unnamed.get(partition).copied().unwrap_or(0));
            }
        }
        // Where a page is not named, it may have been viewed as often as any that is not.
        let bounded =
            pages.into_iter().map(|(page, (views, error, named))| (page, (views + unnamed_max - named, error + unnamed_max - named)));
        let mut ranked: Vec<_> = bounded.collect();
        ranked.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
        ranked.truncate(TOP_PAGES);
        ranked.into_iter().map(|(page, counts)| (page.to_owned(), counts)).collect()
    }
}

fn pane_key(pane: i64) -> String {
    format!("n{pane:020}")
}

fn pane_of(key: &str) -> Option<i64> {
    key.get(1..)?.parse().ok()
}

fn page_prefix(pane: i64) -> String {
    format!("v{pane:020}")
}

fn page_key(pane: i64, partition: i32, page: &str) -> String {
    format!("v{pane:020}{partition:010}{page}")
}

fn unnamed_prefix(pane: i64) -> String {
    format!("u{pane:020}")
}

fn unnamed_key(pane: i64, partition: i32) -> String {
    format!("u{pane:020}{partition:010}")
}
