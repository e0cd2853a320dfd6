//! Tasks that join read their topics as one story: what is older comes first, however the topics are fetched. Global tables are whole.

use weir_backend::stream::{
    Record, Topology,
    app::{AppConfig, Guarantee},
};

use crate::support::{Cluster, eventually, start, wait_for_tasks};

const PRICES: &str = "prices";
const ORDERS: &str = "orders";
const PRICED: &str = "priced";
const DEAD_LETTERS: &str = "pricing.dlq";
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
        let prices = (0..KEYS).map(|at| (text(at), price.clone(), START_MS + at as i64));
        match guarantee {
            Guarantee::AtLeastOnce => cluster.produce(PRICES, prices),
            // What follows the last price is no record, and never comes.
            Guarantee::ExactlyOnce => cluster.produce_in_transaction(PRICES, prices),
        }
        cluster.produce(ORDERS, (0..KEYS).map(|at| (text(at), text(at), START_MS + (KEYS + at) as i64)));
        let config = AppConfig::new(cluster.connection.clone(), topology(), guarantee);
        let app = start(config);
        eventually("all orders are read", || cluster.committed("pricing", ORDERS) >= KEYS as i64);
        app.close();
        assert_eq!(cluster.read(PRICED).len(), KEYS, "{guarantee:?}: orders that found their price");
    }
}

/// Every task meets a row that can't be read, at its making and when it comes; one tells it.
#[test]
fn a_row_of_a_global_table_that_cannot_be_read_is_told_once() {
    let topology = Topology::new("pricing", |builder| {
        let prices = builder.global_table::<String, String>(PRICES, "prices");
        let price = |order: &Record<String, String>, price: Option<&String>| format!("{} {}", order.value, price.map_or("", |it| it));
        builder.stream::<String, String>(ORDERS).join_global(&prices, |order| order.value.clone(), price).to(PRICED);
    });
    let (topology, row) = (topology.unwrap(), |key: &str, value: &str| (key.to_owned(), value.to_owned(), START_MS));
    let cluster = Cluster::start(&[(PRICES, 2), (ORDERS, 3), (PRICED, 1), (DEAD_LETTERS, 1)]);
    cluster.produce(PRICES, [row("tea", "\"1\""), row("milk", "{"), row("rum", "\"9\"")]);
    let config = AppConfig::new(cluster.connection.clone(), topology, Guarantee::ExactlyOnce);
    let app = start(config);
    wait_for_tasks(&app);
    eventually("the row is told", || cluster.read(DEAD_LETTERS) == [("milk".to_owned(), "{".to_owned())]);
    // A new life makes the tasks anew, and fills them.
    app.kill(0);
    eventually("the thread is replaced", || app.snapshot().threads[0].counts.replaced > 0);
    wait_for_tasks(&app);
    cluster.produce(PRICES, [row("gin", "[")]);
    eventually("the next is told", || cluster.read(DEAD_LETTERS).len() >= 2);
    cluster.produce(ORDERS, ["tea", "rum", "gin"].map(|what| row(what, &format!("\"{what}\""))));
    eventually("all orders are priced", || cluster.read(PRICED).len() == 3);
    let malformed = || app.snapshot().tasks().map(|task| task.dropped.malformed).sum::<u64>();
    eventually("one task counts them", || malformed() == 2);
    app.close();
    let mut priced: Vec<_> = cluster.read(PRICED).into_iter().map(|(_, priced)| priced).collect();
    priced.sort();
    assert_eq!(priced, ["\"gin \"", "\"rum 9\"", "\"tea 1\""]);
    assert_eq!(cluster.read(DEAD_LETTERS), [row("milk", "{"), row("gin", "[")].map(|(key, value, _)| (key, value)));
}
