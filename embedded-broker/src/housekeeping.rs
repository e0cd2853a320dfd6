//! What is done on the side: sealing closed segments, deleting what retention no longer covers, compaction.

use std::io;
use std::sync::Arc;

use crate::log::Partition;
use crate::node::Node;

/// What there may be to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Seal,
    Retention,
    Compaction,
}

/// Runs until the broker stops. Sleeps while there is nothing to do.
pub(crate) async fn run(node: Arc<Node>) {
    let limits = node.config.limits.clone();
    let mut retention = node.clock().sleep(limits.retention_check_interval);
    let mut compaction = node.clock().sleep(limits.compaction_check_interval);
    loop {
        let due = tokio::select! {
            () = node.environment.housekeeping.notified() => Due::Seal,
            () = &mut retention => Due::Retention,
            () = &mut compaction => Due::Compaction,
        };
        let pass = node.blocking(move |node| {
            for_each_partition(node, "a closed segment could not be sealed", Partition::seal_closed);
            match due {
                Due::Seal => {}
                Due::Retention => for_each_partition(node, "old segments could not be deleted", Partition::retain),
                Due::Compaction => for_each_partition(node, "a log could not be compacted", Partition::clean),
            }
        });
        if pass.await.is_err() {
            return;
        }
        // What `flush.ms` wants on the disk.
        node.environment.committed().await;
        match due {
            Due::Seal => {}
            Due::Retention => retention = node.clock().sleep(limits.retention_check_interval),
            Due::Compaction => compaction = node.clock().sleep(limits.compaction_check_interval),
        }
    }
}

fn for_each_partition(node: &Arc<Node>, failed: &str, work: impl Fn(&Partition) -> io::Result<()>) {
    for topic in node.topics.all() {
        for partition in topic.partitions() {
            if let Err(error) = work(&partition) {
                tracing::error!(?partition, %error, "{failed}");
            }
        }
    }
}
