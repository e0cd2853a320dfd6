//! The first stage: what one partition's users view, by pane.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::sketch::SpaceSaving;
use crate::{
    pipelines::clickstream::{
        UserId,
        records::{Event, PagePart, Viewed},
        settings::{PAGE_NAME_MAX, PAGES_EXACT_MAX, PAGES_KEPT, PAGES_PER_PART},
    },
    sim::clickstream::Action,
    stream::{Forward, Processor, Record, Store, StoreHandle, TimeWindows},
};

/// The key of what is known of the panes; pages and sketches have their own prefixes.
const PANES: &str = "";

/// What the store keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    /// The newest time of an event, and the number of pages in each open pane.
    Panes { now: i64, open: BTreeMap<i64, u64> },
    /// Views of a page.
    Views(u64),
    /// The counts of a pane with too many pages.
    Sketch(SpaceSaving),
}

/// A store for the processor.
pub(super) fn store() -> Store<String, Kept> {
    Store::new()
}

/// Counts.
pub(super) struct Panes {
    pub(super) run: Arc<str>,
    pub(super) windows: TimeWindows,
    pub(super) store: StoreHandle<String, Kept>,
}

impl Processor<UserId, Event, String, PagePart> for Panes {
    fn process(&mut self, record: &Record<UserId, Event>, out: &mut Forward<'_, String, PagePart>) {
        // Taken out, not copied: the store keeps what it was at the last commit.
        let kept = self.store.borrow_mut().delete(&PANES.to_owned());
        let (mut now, mut open) = if let Some(Kept::Panes { now, open }) = kept { (now, open) } else { (i64::MIN, BTreeMap::new()) };
        let is_end = matches!(&record.value, Event::RunEnd(run) if **run == *self.run);
        if let Event::Activity(activity) = &record.value {
            now = now.max(activity.timestamp);
            let pane = activity.timestamp - activity.timestamp.rem_euclid(self.windows.advance_ms);
            let is_late = self.windows.is_closed(pane + self.windows.advance_ms, now);
            match activity.action_type {
                Action::View if is_late => out.count_late(),
                Action::View => self.add(pane, name_of(&activity.page), &mut open),
                _ => {}
            }
        }
        let until = if is_end { i64::MAX } else { now };
        while let Some(pane) = open.first_key_value().map(|(pane, _)| *pane)
            && self.windows.is_closed(pane + self.windows.advance_ms, until)
        {
            open.remove(&pane);
            self.close(pane, out);
        }
        if is_end {
            self.send(PagePart { closed_until: i64::MAX, ..self.part(now.max(0), out) }, out);
        }
        self.store.borrow_mut().put(PANES.to_owned(), Kept::Panes { now, open });
    }
}

impl Panes {
    fn add(&self, pane: i64, page: &str, open: &mut BTreeMap<i64, u64>) {
        let mut store = self.store.borrow_mut();
        let (pages, key, sketch) = (open.entry(pane).or_default(), page_key(pane, page), sketch_key(pane));
        if *pages > PAGES_EXACT_MAX {
            let count = |kept: &mut Kept| {
                if let Kept::Sketch(sketch) = kept {
                    sketch.add(page)
                }
            };
            store.update(&sketch, || Kept::Sketch(SpaceSaving::of([], PAGES_KEPT)), count);
            return;
        }
        let is_new = store.get(&key).is_none();
        store.update(
            &key,
            || Kept::Views(0),
            |kept| {
                if let Kept::Views(views) = kept {
                    *views += 1
                }
            },
        );
        *pages += u64::from(is_new);
        if *pages > PAGES_EXACT_MAX {
            let exact = pages_of(&mut store, pane);
            store.put(sketch, Kept::Sketch(SpaceSaving::of(exact, PAGES_KEPT)));
        }
    }

    /// Tells what was counted, and forgets it.
    fn close(&self, pane: i64, out: &mut Forward<'_, String, PagePart>) {
        let sketch = self.store.borrow_mut().delete(&sketch_key(pane));
        let (unnamed_max, counts): (_, Vec<_>) = match sketch {
            Some(Kept::Sketch(sketch)) => (sketch.least(), sketch.into_counts().collect()),
            _ => (0, pages_of(&mut self.store.borrow_mut(), pane).into_iter().map(|(page, views)| (page, (views, 0))).collect()),
        };
        let pages: Vec<_> = counts.into_iter().map(|(page, (views, error))| Viewed { page, views, error }).collect();
        let parts = pages.chunks(PAGES_PER_PART);
        let last = parts.len().saturating_sub(1);
        for (at, pages) in parts.enumerate() {
            let closed_until = pane + if at == last { self.windows.advance_ms } else { 0 };
            self.send(PagePart { pages: pages.to_vec(), unnamed_max, closed_until, ..self.part(pane, out) }, out);
        }
    }

    fn part(&self, pane_start: i64, out: &Forward<'_, String, PagePart>) -> PagePart {
        let (run, partition) = (self.run.to_string(), out.origin().partition);
        PagePart { run, partition, pane_start, pages: Vec::new(), unnamed_max: 0, closed_until: pane_start }
    }

    /// Under one key: all parts meet.
    fn send(&self, part: PagePart, out: &mut Forward<'_, String, PagePart>) {
        let timestamp_ms = part.pane_start;
        out.send(&Record { key: String::new(), value: part, timestamp_ms });
    }
}

/// The pages of a pane, taken out.
fn pages_of(store: &mut Store<String, Kept>, pane: i64) -> Vec<(String, u64)> {
    let first = page_key(pane, "");
    let of_pane = store.range(first.clone()..page_key(pane + 1, ""));
    let views = |kept: &Kept| if let Kept::Views(views) = kept { *views } else { 0 };
    let pages: Vec<_> = of_pane.map(|(key, kept)| (key[first.len()..].to_owned(), views(&kept))).collect();
    pages.iter().for_each(|(page, _)| drop(store.delete(&page_key(pane, page))));
    pages
}

/// As much of a page's address as is counted by: addresses may be of any length, records may not.
pub fn name_of(page: &str) -> &str {
    &page[..page.floor_char_boundary(PAGE_NAME_MAX)]
}

fn page_key(pane: i64, page: &str) -> String {
    format!("v{pane:020}{page}")
}

fn sketch_key(pane: i64) -> String {
    format!("s{pane:020}")
}
