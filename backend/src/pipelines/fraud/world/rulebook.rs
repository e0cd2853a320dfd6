//! The rules a run starts with, where nobody has written any.

use std::time::Duration;

use super::send;
use crate::{
    client::{Admin, Connection, OffsetSpec},
    pipelines::{
        fraud::{rules::defaults, settings::RULES},
        shape::{Emit, RunParams},
    },
};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Whether the topic of rules was ever written to. Then it stays as people left it, whatever they changed or removed.
pub(super) fn is_kept(run: &RunParams) -> bool {
    run.connection.as_ref().and_then(end_offset).is_some_and(|end| end > 0)
}

/// Writes the defaults.
pub(super) fn write_defaults(now_ms: i64, out: &mut Emit) {
    for rule in defaults() {
        send(out, RULES, &rule.rule_id, &rule, now_ms);
    }
}

fn end_offset(connection: &Connection) -> Option<i64> {
    let admin = Admin::new(connection, ANSWER_MAX).ok()?;
    let ends = admin.list_offsets(&[(RULES.to_owned(), 0)], OffsetSpec::Latest).ok()?;
    ends.into_iter().next()?.offset.ok()?
}
