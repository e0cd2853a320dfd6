//! Tasks that join read their topics as one story: what is older comes first, however the topics are fetched.

use std::time::Duration;

use weir_backend::stream::{
    Topology,
    app::{AppConfig, Guarantee},
};

use crate::support::{Cluster, eventually, start};

const PRICES: &str = "prices";
const ORDERS: &str = "orders";
const PRICED: &str = "priced";
/// Late enough for retention to leave it alone.
const START_MS: i64 = 1_790_000_000_000;
/// More than a task's queue takes, so that partitions are paused and resumed on the way.
const KEYS: usize = 4_000;

fn topology() -> Topology {
    Topology::new("pricing", |builder| {
        let prices = builder.table::<String, String>(PRICES, "prices");
        builder.stream::<String, String>(ORDERS).join_table(&prices, |order, price| format!("{} {price}", order.value)).to(PRICED);
    })
    .unwrap()
}

/// A task that takes over is behind in all its topics (KIP-695): orders that were fetched first wait for the older prices.
#[test]
fn a_backlog_is_joined_in_the_order_of_its_times() {
    let text = |at: usize| serde_json::to_string(&format!("{at}")).unwrap();
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let cluster = Cluster::start(&[(PRICES, 1), (ORDERS, 1), (PRICED, 1)]);
        // Large rows, so that they don't all come with the first fetch.
        let price = serde_json::to_string(&"9".repeat(2_000)).unwrap();
        cluster.produce(PRICES, (0..KEYS).map(|at| (text(at), price.clone(), START_MS + at as i64)));
        cluster.produce(ORDERS, (0..KEYS).map(|at| (text(at), text(at), START_MS + (KEYS + at) as i64)));
        let config = AppConfig::new(cluster.connection.clone(), topology(), guarantee);
        let app = start(AppConfig { task_idle: Duration::ZERO, ..config });
        eventually("all orders are read", || cluster.committed("pricing", ORDERS) >= KEYS as i64);
        app.close();
        assert_eq!(cluster.read(PRICED).len(), KEYS, "{guarantee:?}: orders that found their price");
    }
}
