//! The TCP side: accepts connections, reads frames, writes answers in the order they were asked for.

mod connection;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::node::Node;

/// Pause after a failed accept: out of file descriptors, mostly, and trying again at once would only burn the CPU.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Serves connections until `stop` turns true, then ends them all.
pub(crate) async fn serve(node: Arc<Node>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => accept(&node, &mut connections, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    connections.shutdown().await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the broker itself is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn accept(node: &Arc<Node>, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
    if connections.len() >= node.config.limits.max_connections {
        tracing::warn!(%peer, limit = node.config.limits.max_connections, "a connection is refused: the limit of open connections is reached");
        return;
    }
    let node = Arc::clone(node);
    let connection_id = node.stats.count_connection();
    connections.spawn(async move {
        match connection::run(&node, stream, peer).await {
            Ok(()) => tracing::debug!(connection_id, %peer, "connection closed by the client"),
            // Programs end without a goodbye all the time.
            Err(reason) if reason.is_ordinary() => tracing::debug!(connection_id, %peer, %reason, "connection closed by the client"),
            Err(reason) => tracing::warn!(connection_id, %peer, %reason, "connection closed"),
        }
        node.stats.connections_open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    });
}
