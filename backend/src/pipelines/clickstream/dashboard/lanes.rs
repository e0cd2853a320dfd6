//! Swim-lanes of one user, whom the viewer chooses: each session, and how late events made two of them one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_model::{Chooser, Lane, LaneSpan, Severity, Span, TimestampMs, Widget, WidgetBody};

use super::widgets::widget;
use crate::pipelines::clickstream::{
    records::{Merge, OpenSession, Session},
    settings::SESSIONS,
};

/// The widget.
pub(super) const ID: &str = "lanes";
/// Users remembered; those who were seen longest ago are forgotten.
const USERS_MAX: usize = 20_000;
/// Sessions and merges remembered of each.
const SESSIONS_MAX: usize = 20;
const MERGES_MAX: usize = 3;
/// Users to choose from.
const OPTIONS_MAX: usize = 20;
/// The newest users among whom the one with the longest session is shown, before anybody had two.
const LOOKED_AT_MAX: usize = 500;
/// How long the mark of a late event is drawn.
const LATE_SHOWN_MS: i64 = 60_000;

/// What is known of the users' sessions.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    chosen: Option<String>,
    users: HashMap<String, User>,
    /// By when they were seen last.
    by_end: BTreeSet<(i64, String)>,
    /// Those with several sessions, or with some that merged.
    worth_a_look: BTreeSet<(i64, String)>,
    newest_merged: Option<(i64, String)>,
}

#[derive(Debug, Default)]
struct User {
    last_end: i64,
    /// By start: end, and events so far.
    open: BTreeMap<i64, (i64, u64)>,
    /// By start: end, and the page of the last event.
    sessions: BTreeMap<i64, (i64, String)>,
    /// By the late event's time.
    merges: BTreeMap<i64, Merge>,
}

impl Lanes {
    /// A final session.
    pub(super) fn session(&mut self, session: &Session) {
        let Session { user_id, start, end, exit_page, .. } = session;
        self.update(user_id.as_str(), *end, |user| {
            user.sessions.insert(*start, (*end, exit_page.clone()));
            while user.sessions.len() > SESSIONS_MAX {
                user.sessions.pop_first();
            }
        });
    }

    /// A session as far as it has come.
    pub(super) fn open(&mut self, session: &OpenSession) {
        let OpenSession { user_id, start, end, events, .. } = session;
        self.update(user_id.as_str(), *end, |user| {
            user.open.insert(*start, (*end, *events));
            while user.open.len() > SESSIONS_MAX {
                user.open.pop_first();
            }
        });
    }

    /// What began then is open no more: it has ended, or has become part of another session.
    pub(super) fn withdraw(&mut self, key: &[u8]) {
        let key = std::str::from_utf8(key).ok().and_then(|key| key.rsplit_once('@'));
        let Some((user_id, Ok(start))) = key.map(|(user_id, start)| (user_id, start.parse())) else { return };
        if let Some(user) = self.users.get_mut(user_id) {
            user.open.remove(&start);
        }
    }

    /// Sessions became one.
    pub(super) fn merge(&mut self, merge: Merge) {
        let (at, user_id) = (merge.late_at, merge.user_id.to_string());
        self.newest_merged = self.newest_merged.take().max(Some((at, user_id.clone())));
        self.update(&user_id, merge.whole.1, |user| {
            user.merges.insert(at, merge);
            while user.merges.len() > MERGES_MAX {
                user.merges.pop_first();
            }
        });
    }

    /// Whose sessions are to be shown; nobody's in particular by an empty name.
    pub(super) fn choose(&mut self, user_id: &str) {
        self.chosen = Some(user_id.trim().to_owned()).filter(|user| !user.is_empty());
    }

    /// The widget, with stream time as its cursor.
    pub(super) fn widget(&self, cursor: Option<TimestampMs>) -> Widget {
        let newest = |users: &BTreeSet<(i64, String)>| users.last().map(|(_, user)| user.clone());
        let merged = || self.newest_merged.as_ref().map(|(_, user)| user.clone()).filter(|user| self.users.contains_key(user));
        let longest = || {
            let recent = self.by_end.iter().rev().take(LOOKED_AT_MAX).filter_map(|(_, user)| Some((user, self.users.get(user)?)));
            recent.max_by_key(|(_, user)| user.length_ms()).map(|(name, _)| name.clone())
        };
        let shown = self.chosen.clone().or_else(merged).or_else(|| newest(&self.worth_a_look)).or_else(longest);
        let lanes = shown.as_ref().and_then(|user| self.users.get(user)).map(User::lanes).unwrap_or_default();
        let chooser = Chooser {
            what: "user".into(),
            value: shown.unwrap_or_default().into(),
            is_chosen: self.chosen.is_some(),
            options: self.worth_a_look.iter().rev().take(OPTIONS_MAX).map(|(_, user)| user.as_str().into()).collect(),
        };
        let body = WidgetBody::Chosen { chooser, body: Box::new(WidgetBody::Lanes { lanes, cursor }) };
        let help = "The sessions of one user: those still open as far as they have come, those closed, and those that a late event made one: what was known \
                    before it came, and after. Without a choice, whose sessions merged last";
        widget(ID, "A user's sessions, as late events come", help, Span::Half, SESSIONS, body)
    }

    fn update(&mut self, user_id: &str, end: i64, change: impl FnOnce(&mut User)) {
        let user = self.users.entry(user_id.to_owned()).or_default();
        let before = (user.last_end, user_id.to_owned());
        user.last_end = user.last_end.max(end);
        change(user);
        let (now, is_worth_a_look) = ((user.last_end, user_id.to_owned()), user.sessions.len() > 1 || !user.merges.is_empty());
        for (users, is_in) in [(&mut self.by_end, true), (&mut self.worth_a_look, is_worth_a_look)] {
            users.remove(&before);
            if is_in {
                users.insert(now.clone());
            }
        }
        while self.users.len() > USERS_MAX
            && let Some(oldest) = self.by_end.pop_first()
        {
            self.users.remove(&oldest.1);
            self.worth_a_look.remove(&oldest);
        }
    }
}

impl User {
    /// From the first moment known to the last.
    fn length_ms(&self) -> i64 {
        let first = self.open.keys().chain(self.sessions.keys()).min();
        first.map_or(0, |first| self.last_end - first)
    }

    fn lanes(&self) -> Vec<Lane> {
        let span = |(from, to): (i64, i64), label: &str, severity| LaneSpan {
            from: TimestampMs(from),
            to: TimestampMs(to),
            label: label.into(),
            severity,
        };
        let mut lanes = Vec::new();
        for merge in self.merges.values() {
            let mut before: Vec<_> = merge.parts.iter().map(|part| span(*part, "session", Severity::Info)).collect();
            before.push(span((merge.late_at, merge.late_at + LATE_SHOWN_MS), "late event", Severity::Warning));
            lanes.push(Lane { label: "before it came".into(), spans: before });
            lanes.push(Lane { label: "after".into(), spans: vec![span(merge.whole, "one session", Severity::Ok)] });
        }
        let open = self.open.iter().map(|(start, (end, events))| span((*start, *end), &format!("{events} events"), Severity::Info));
        let open: Vec<_> = open.collect();
        if !open.is_empty() {
            lanes.push(Lane { label: "open".into(), spans: open });
        }
        let closed: Vec<_> = self.sessions.iter().map(|(start, (end, page))| span((*start, *end), page, Severity::Neutral)).collect();
        if !closed.is_empty() {
            lanes.push(Lane { label: "closed".into(), spans: closed });
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipelines::clickstream::records::{ClosedBy, Tier};

    fn session(user: &str, start: i64, end: i64) -> Session {
        Session {
            run: "r".into(),
            partition: 0,
            session_id: format!("{user}@{start}").into(),
            user_id: user.into(),
            start,
            end,
            events: 2,
            pages: 2,
            entry_page: "/".into(),
            exit_page: "/out".into(),
            bounced: false,
            converted: false,
            funnel: 1,
            revenue_minor: 0,
            device: "mobile".into(),
            variant: "A".into(),
            tier: Tier::Guest,
            is_bot: false,
            closed_by: ClosedBy::Gap,
        }
    }

    fn open(user: &str, start: i64, end: i64) -> OpenSession {
        OpenSession { run: "r".into(), partition: 0, user_id: user.into(), start, end, events: 2, pages: 2 }
    }

    fn merge(user: &str, at: i64) -> Merge {
        let (run, user_id) = ("r".to_owned(), user.into());
        Merge {
            run,
            partition: 0,
            user_id,
            late_at: at,
            came_at: at + 9,
            parts: vec![(at - 5, at - 3), (at + 3, at + 5)],
            whole: (at - 5, at + 5),
        }
    }

    /// Who is shown, what the lanes are called, and who else can be.
    fn shown(lanes: &Lanes) -> (String, Vec<String>, Vec<String>) {
        let WidgetBody::Chosen { chooser, body } = lanes.widget(None).body else { panic!("nobody can be chosen") };
        let WidgetBody::Lanes { lanes, .. } = *body else { panic!("no lanes") };
        let texts = |texts: Vec<&std::sync::Arc<str>>| texts.into_iter().map(|text| text.to_string()).collect();
        (chooser.value.to_string(), texts(lanes.iter().map(|lane| &lane.label).collect()), texts(chooser.options.iter().collect()))
    }

    #[test]
    fn the_chosen_users_sessions_are_shown_or_those_that_merged_last() {
        let mut lanes = Lanes::default();
        let check = |lanes: &Lanes, user: &str, labels: &[&str], options: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(shown(lanes), (user.to_owned(), texts(labels), texts(options)));
        };
        check(&lanes, "", &[], &[]);
        lanes.session(&session("once", 10, 20));
        check(&lanes, "once", &["closed"], &[]);
        lanes.session(&session("twice", 1, 2));
        lanes.session(&session("twice", 5, 6));
        lanes.session(&session("twice", 5, 6));
        check(&lanes, "twice", &["closed"], &["twice"]);
        lanes.merge(merge("merged", 100));
        check(&lanes, "merged", &["before it came", "after"], &["merged", "twice"]);
        lanes.choose("once");
        check(&lanes, "once", &["closed"], &["merged", "twice"]);
        lanes.choose("nobody");
        check(&lanes, "nobody", &[], &["merged", "twice"]);
        lanes.choose("");
        check(&lanes, "merged", &["before it came", "after"], &["merged", "twice"]);
        lanes.open(&open("merged", 120, 130));
        lanes.open(&open("merged", 120, 140));
        lanes.withdraw(b"merged@7");
        check(&lanes, "merged", &["before it came", "after", "open"], &["merged", "twice"]);
        lanes.withdraw(b"merged@120");
        check(&lanes, "merged", &["before it came", "after"], &["merged", "twice"]);
    }

    #[test]
    fn users_who_were_seen_long_ago_are_forgotten() {
        let mut lanes = Lanes::default();
        (0..=USERS_MAX).for_each(|n| lanes.session(&session(&n.to_string(), n as i64, n as i64)));
        assert_eq!((lanes.users.len(), lanes.by_end.len()), (USERS_MAX, USERS_MAX));
        assert!(!lanes.users.contains_key("0") && lanes.users.contains_key("1"));
    }
}
