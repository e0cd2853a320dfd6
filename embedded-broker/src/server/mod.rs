//! The TCP side: accepts connections, reads frames, writes answers in the order they were asked for.

mod connection;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::node::Node;
use crate::security::BoundListener;
use crate::view::EventKind;

/// Pause after a failed accept: out of file descriptors, mostly, and trying again at once would only burn the CPU.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Serves a listener's connections until `stop` turns true, then ends them all.
pub(crate) async fn serve(node: Arc<Node>, listener: Arc<BoundListener>, socket: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => accept(&node, &listener, &mut connections, stream, peer),
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

fn accept(node: &Arc<Node>, listener: &Arc<BoundListener>, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
    let limits = &node.config.limits;
    let Ok(permit) = Arc::clone(&node.connections).try_acquire_owned() else {
        return refuse(node, peer, format!("{} are open, which is the limit (max.connections)", limits.max_connections));
    };
    let Some(open) = node.counters.open(peer, &listener.name, limits.max_connections_per_ip) else {
        let most = limits.max_connections_per_ip;
        return refuse(node, peer, format!("{most} are open from that address, which is the limit (max.connections.per.ip)"));
    };
    let (node, listener) = (Arc::clone(node), Arc::clone(listener));
    let connection_id = open.cell.id;
    connections.spawn(async move {
        match connection::run(&node, &listener, &open.cell, stream, peer).await {
            Ok(()) => tracing::debug!(connection_id, %peer, "connection closed by the client"),
            // Programs end without a goodbye all the time.
            Err(reason) if reason.is_ordinary() => tracing::debug!(connection_id, %peer, %reason, "connection closed by the client"),
            Err(reason) => {
                tracing::warn!(connection_id, %peer, listener = listener.name, %reason, "connection closed");
                let (peer, reason) = (peer.to_string(), reason.to_string());
                node.counters.events.record(EventKind::ConnectionEnded { connection_id, peer, reason });
            }
        }
        drop(open);
        drop(permit);
    });
}

fn refuse(node: &Node, peer: SocketAddr, reason: String) {
    tracing::warn!(%peer, reason, "a connection is refused");
    node.counters.refuse(peer, reason);
}
