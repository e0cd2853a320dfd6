//! The most viewed pages, recounted: each window by itself, from every view that came in time.

use std::collections::{BTreeMap, HashMap};

use weir_model::Check;

use crate::{
    pipelines::clickstream::{
        page_name,
        records::{Activity, PageStats},
        settings::TOP_PAGES,
    },
    sim::clickstream::Action,
    stream::TimeWindows,
    truth::{check, pending},
};

/// What was seen of a run's pages.
#[derive(Debug)]
pub struct PagesCheck {
    run: String,
    windows: TimeWindows,
    newest: BTreeMap<i32, i64>,
    /// Views by page and hop.
    views: BTreeMap<i64, HashMap<String, u64>>,
    /// By the window's end: views and error of each page that was told, the newest.
    published: BTreeMap<i64, BTreeMap<String, (u64, u64)>>,
}

impl PagesCheck {
    /// Nothing seen yet.
    pub fn new(run: &str, windows: TimeWindows) -> Self {
        let (newest, views, published) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { run: run.to_owned(), windows, newest, views, published }
    }

    /// An event that is in the log for the first time, in the order of offsets.
    pub fn event(&mut self, partition: i32, activity: &Activity<'_>) {
        let newest = self.newest.entry(partition).or_insert(i64::MIN);
        *newest = activity.timestamp.max(*newest);
        let hop_ms = self.windows.advance_ms;
        let hop = activity.timestamp.div_euclid(hop_ms);
        if activity.action_type == Action::View && (hop + 1) * hop_ms + self.windows.grace_ms > *newest {
            *self.views.entry(hop).or_default().entry(page_name(&activity.page).to_owned()).or_default() += 1;
        }
    }

    /// Published views of a page.
    pub fn published(&mut self, stats: PageStats) {
        if stats.run == self.run {
            self.published.entry(stats.window_end).or_default().insert(stats.page, (stats.views, stats.error));
        }
    }

    /// `top_pages_equal_batch`: each window that was over tells the pages viewed most in it, exactly, or within the bound that it tells.
    pub fn verdict(&self) -> Check {
        let id = "top_pages_equal_batch";
        let (Some(first), Some(last)) = (self.views.keys().next(), self.views.keys().next_back()) else {
            return pending(id, "no page was viewed yet");
        };
        let (hop_ms, hops) = (self.windows.advance_ms, self.windows.size_ms / self.windows.advance_ms);
        let (mut windows, mut error_max, mut wrong) = (0, 0, Vec::new());
        // Where nothing is viewed for as long as a window, there is none.
        let mut end = first + 1;
        while end <= last + 1 {
            let mut views = HashMap::<&str, u64>::new();
            for (page, count) in self.views.range(end - hops..end).flat_map(|(_, pages)| pages) {
                *views.entry(page).or_default() += count;
            }
            if views.is_empty() {
                end = self.views.range(end..).next().map_or(last + 2, |(hop, _)| hop + 1);
                continue;
            }
            windows += 1;
            match self.differs(end * hop_ms, &views) {
                Ok(error) => error_max = error.max(error_max),
                Err(why) => wrong.push(why),
            }
            end += 1;
        }
        let published = self.published.len();
        let mut evidence = match error_max {
            0 => format!("{windows} windows, counted exactly"),
            most => format!("{windows} windows, views at most {most} too high, as they say"),
        };
        if let Some(first) = wrong.first() {
            evidence += &format!("; {} wrong, first: {first}", wrong.len());
        }
        if published != windows {
            evidence += &format!("; {published} told");
        }
        check(id, wrong.is_empty() && published == windows, evidence)
    }

    /// How far a window that was told may be off, or what is wrong with it.
    fn differs(&self, end: i64, views: &HashMap<&str, u64>) -> Result<u64, String> {
        let Some(told) = self.published.get(&end) else { return Err(format!("the one to {end} was not told")) };
        let ranked = |pages: &mut Vec<(&str, u64)>| {
            pages.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            pages.truncate(TOP_PAGES);
        };
        let mut expected: Vec<_> = views.iter().map(|(page, views)| (*page, *views)).collect();
        let mut found: Vec<_> = told.iter().map(|(page, (views, _))| (page.as_str(), *views)).collect();
        ranked(&mut expected);
        ranked(&mut found);
        let error = told.values().map(|(_, error)| *error).max().unwrap_or(0);
        if error == 0 {
            let first = expected.iter().zip(&found).find(|(a, b)| a != b);
            let example =
                first.map_or_else(|| format!("{} of {} pages", found.len(), expected.len()), |(a, b)| format!("{b:?}, not {a:?}"));
            return if expected == found { Ok(0) } else { Err(format!("the one to {end}: {example}")) };
        }
        let least = found.last().map_or(0, |(_, views)| *views);
        for (page, (most, error)) in told {
            let truth = views.get(page.as_str()).copied().unwrap_or(0);
            if !(most.saturating_sub(*error)..=*most).contains(&truth) {
                return Err(format!("the one to {end}: {page} has {truth} views, not {most} less {error} at most"));
            }
        }
        match expected.iter().find(|(page, views)| *views > least && !told.contains_key(*page)) {
            Some((page, views)) => Err(format!("the one to {end}: {page} with {views} views is missing")),
            None => Ok(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_model::CheckVerdict::{self, Fail, Pass, Pending};

    use super::*;

    /// What is told of a page in a window: its end, views and error.
    type Told<'a> = (&'a str, i64, u64, u64);

    fn verdict(told: &[Told<'_>]) -> CheckVerdict {
        let mut pages = PagesCheck::new("r", TimeWindows::hopping(20, 10, 5));
        for (page, at) in [("/a", 1), ("/b", 2), ("/a", 3), ("/b", 12), ("/b", 14), ("/c", 16), ("/late", 1), ("/a", 95)] {
            let text = format!(r#"{{"user_id":"u","timestamp":{at},"action_type":"view","page":"{page}"}}"#);
            pages.event(0, &Activity::parse(Some(text.as_bytes())).expect("an event"));
        }
        for (page, window_end, views, error) in told {
            let (page, window_start) = ((*page).to_owned(), window_end - 20);
            pages.published(PageStats { run: "r".into(), page, window_start, window_end: *window_end, views: *views, error: *error });
        }
        pages.verdict().verdict
    }

    #[test]
    fn windows_are_those_of_the_views() {
        const RIGHT: [Told<'_>; 9] = [
            ("/a", 10, 2, 0),
            ("/b", 10, 1, 0),
            ("/b", 20, 3, 0),
            ("/a", 20, 2, 0),
            ("/c", 20, 1, 0),
            ("/b", 30, 2, 0),
            ("/c", 30, 1, 0),
            ("/a", 100, 1, 0),
            ("/a", 100, 1, 0),
        ];
        assert_eq!(verdict(&RIGHT), Pass);
        let changed = |at: usize, told: Told<'static>| {
            let mut all = RIGHT;
            all[at] = told;
            verdict(&all)
        };
        for (why, at, told) in [
            ("one hop alone counts", 2, ("/b", 20, 2, 0)),
            ("a page is missing", 4, ("/b", 20, 3, 0)),
            ("a late view counts", 4, ("/late", 20, 1, 0)),
            ("a window too many", 8, ("/a", 110, 1, 0)),
            ("too high for its bound", 2, ("/b", 20, 5, 1)),
            ("too low", 2, ("/b", 20, 2, 1)),
        ] {
            assert_eq!(changed(at, told), Fail, "{why}");
        }
        assert_eq!(changed(2, ("/b", 20, 5, 2)), Pass, "within its bound");
        assert_eq!(verdict(&RIGHT[..7]), Fail, "a window is missing");
        assert_eq!(PagesCheck::new("r", TimeWindows::hopping(20, 10, 5)).verdict().verdict, Pending);
    }
}
