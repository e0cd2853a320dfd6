//! A record that a topic never takes ends the application with the reason, instead of being tried for ever.

use futures::executor::block_on;
use weir_backend::{
    client::Admin,
    stream::{
        Topology,
        app::{AppConfig, Guarantee},
    },
};

use crate::support::{Cluster, DEADLINE, eventually, start};

const LINES: &str = "lines";
const SHORT: &str = "short";

#[test]
fn a_record_that_is_too_large_ends_the_application_and_says_what_to_do() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let cluster = Cluster::start(&[(LINES, 1)]);
        let admin = Admin::new(&cluster.connection, DEADLINE).unwrap();
        block_on(admin.create_topic(SHORT, 1, 1, &[("max.message.bytes", "500")])).unwrap();
        let topology = Topology::new("shorten", |builder| builder.stream::<String, String>(LINES).to(SHORT)).unwrap();
        let app = start(AppConfig::new(cluster.connection.clone(), topology, guarantee));
        // So mixed that it can't be compressed.
        let mut random = weir_backend::sim::Random::new(7);
        let long: String = (0..2_000).filter_map(|_| char::from_digit(u32::try_from(random.below(36)).unwrap(), 36)).collect();
        cluster.produce(LINES, [("a".to_owned(), "\"short\"".to_owned(), 1), ("a".to_owned(), format!("\"{long}\""), 2)]);
        eventually("the application gives up", || app.failure().is_some());
        let problem = app.failure().unwrap().to_string();
        assert!(problem.contains(SHORT) && problem.contains("max.message.bytes"), "{guarantee:?}: {problem}");
        // Its threads end by themselves.
        app.close();
        assert!(cluster.read(SHORT).iter().all(|(_, value)| value == "\"short\""), "{guarantee:?}");
    }
}
