//! What is done on the side: sealing closed segments, deleting what retention no longer covers.

use std::io;
use std::sync::Arc;

use crate::log::Partition;
use crate::node::Node;

/// Runs until the broker stops. Sleeps while there is nothing to do.
pub(crate) async fn run(node: Arc<Node>) {
    let interval = node.config.limits.retention_check_interval;
    loop {
        let retention_due = tokio::select! {
            () = node.environment.housekeeping.notified() => false,
            () = node.clock().sleep(interval) => true,
        };
        let pass = node.blocking(move |node| {
            for_each_partition(node, "a closed segment could not be sealed", Partition::seal_closed);
            if retention_due {
                for_each_partition(node, "old segments could not be deleted", Partition::retain);
            }
        });
        if pass.await.is_err() {
            return;
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
