//! What the one-shot commands read from a cluster.

use std::{io, sync::Arc, time::Duration};

use weir_backend::HandleConfig;
use weir_model::{Cluster, ClusterSnapshot, GroupsSnapshot, MessageQuery, Problem, Receipt, Record, Request, Update};

use super::{Failure, Globals, note, session::Session};

/// How soon a signal is noticed while no record comes.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// Connects to the cluster that was named, or to the local broker.
pub(crate) fn connect(globals: &Globals) -> Result<Session, Failure> {
    let cluster = Cluster::Remote { bootstrap: globals.running_bootstrap().into(), properties: globals.properties.clone() };
    Session::connect(cluster, HandleConfig::default())
}

/// Brokers and topics.
pub(crate) fn read_cluster(globals: &Globals) -> Result<Arc<ClusterSnapshot>, Failure> {
    let mut session = connect(globals)?;
    let read = session.wait_for("The topics could not be read", |store| match store.cluster.problem() {
        Some(problem) => Some(Err(problem.clone())),
        None => store.cluster.value().cloned().map(Ok),
    })?;
    Ok(read?)
}

/// Groups and their lag.
pub(crate) fn read_groups(globals: &Globals) -> Result<Arc<GroupsSnapshot>, Failure> {
    let mut session = connect(globals)?;
    let read = session.wait_for("The consumer groups could not be read", |store| match store.groups.problem() {
        Some(problem) => Some(Err(problem.clone())),
        None => store.groups.value().cloned().map(Ok),
    })?;
    Ok(read?)
}

/// The records a query finds, one by one, until it stops, the user stops it or `write` fails.
pub(crate) fn read_messages(
    globals: &Globals,
    query: MessageQuery,
    mut write: impl FnMut(Option<&Record>) -> io::Result<()>,
) -> Result<Arc<Receipt>, Failure> {
    let mut session = connect(globals)?;
    let id = query.id;
    session.request(Request::OpenMessages(query))?;
    let mut is_stopping = false;
    loop {
        if session.end.is_set() && !is_stopping {
            is_stopping = true;
            session.request(Request::StopMessages(id))?;
        }
        match session.next(SIGNAL_CHECK) {
            Some(Update::Messages { id: of, rows, receipt }) if of == id => {
                for row in &rows {
                    write(Some(&row.record))?;
                }
                // Whoever follows wants to see records when they come, not when a buffer is full.
                write(None)?;
                if receipt.stopped.is_some() {
                    return Ok(receipt);
                }
            }
            Some(update) => session.store.apply(update),
            None => {}
        }
    }
}

/// Tells what could not be read.
pub(crate) fn warn_partial(problems: &[Problem]) {
    for problem in problems {
        note(format_args!("partial answer: {problem}"));
    }
}

/// Tells what could not be read; an answer in parts is a failure to scripts.
pub(crate) fn report_partial(problems: &[Problem]) -> Result<(), Failure> {
    warn_partial(problems);
    if problems.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}
