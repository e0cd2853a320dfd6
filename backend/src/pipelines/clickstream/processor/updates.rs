//! Sessions while they are open: a table of them, from which those that ended, grew backwards, or became part of another one are withdrawn.

use super::{Saved, Times, Work};
use crate::pipelines::clickstream::{
    records::{OpenSession, Outcome, open_key},
    sabotage::Sabotage,
};

/// What an event changed in the table.
#[derive(Default)]
pub(super) struct Update {
    /// First and last event, events, views.
    open: Option<(Times, u64, u64)>,
    /// Starts of sessions that are none any more.
    withdrawn: Vec<i64>,
}

impl Update {
    /// Looks at the session that an event went to, and at the open ones before. A session that only goes on is told anew once it has for
    /// `every_ms`.
    pub(super) fn look_at(&mut self, session: &mut Saved, before: &[Times], every_ms: i64) {
        let (whole, Some(visit)) = ((session.start_ms, session.end_ms), session.visit.as_mut()) else { return };
        let is_part = |(start, end): &&Times| whole.0 <= *start && *end <= whole.1 && *start != whole.0;
        self.withdrawn = before.iter().filter(is_part).map(|(start, _)| *start).collect();
        let is_due = !self.withdrawn.is_empty() || visit.told_until.is_none_or(|told| whole.1 >= told + every_ms);
        if is_due {
            visit.told_until = Some(whole.1);
            self.open = Some((whole, visit.events, visit.pages));
        }
    }
}

impl Work<'_, '_> {
    /// Tells what an event changed in the table.
    pub(super) fn tell_update(&mut self, user_id: &str, update: Update) {
        if self.visits.sabotage != Some(Sabotage::ForgetAbsorbed) {
            update.withdrawn.into_iter().for_each(|start| self.withdraw_session(user_id, start));
        }
        if let Some(((start, end), events, pages)) = update.open {
            let (key, user_id) = (open_key(user_id, start), user_id.into());
            let (run, partition) = (self.visits.run.to_string(), self.partition);
            self.publish(key, Outcome::Open(Some(OpenSession { run, partition, user_id, start, end, events, pages })));
        }
    }

    /// A session is open no more.
    pub(super) fn withdraw_session(&mut self, user_id: &str, start: i64) {
        self.publish(open_key(user_id, start), Outcome::Open(None));
    }
}
