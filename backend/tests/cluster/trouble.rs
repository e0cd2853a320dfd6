//! What goes wrong is told in words that help, soon, and without secrets.

use std::{
    env,
    net::TcpListener,
    time::{Duration, Instant},
};

use weir_model::{
    Cluster, ClusterProperty, ConnectionState, GroupId, NewTopic, NoticeLevel, Problem, Request, Secret, Start, StopReason, Store,
    TopicName,
};

use crate::support::{TestBackend, TestCluster, unique};

fn failure(store: &Store) -> Option<&Problem> {
    match &store.connection {
        ConnectionState::Failed { problem, .. } => Some(problem),
        _ => None,
    }
}

fn remote(bootstrap: &str, properties: &[(&str, &str)]) -> Cluster {
    let property = |(name, value): &(&str, &str)| ClusterProperty { name: (*name).into(), value: Secret::new(*value) };
    Cluster::Remote { bootstrap: bootstrap.into(), properties: properties.iter().map(property).collect() }
}

#[test]
fn a_refused_connection_is_told_at_once_and_another_cluster_can_be_chosen() {
    // A port that was free a moment ago refuses.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut backend = TestBackend::start();
    let asked = Instant::now();
    backend.ask(Request::Connect(remote(&address, &[])));
    backend.wait("failure", |store| failure(store).is_some());
    let problem = failure(&backend.store).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(problem.what.contains(&address) && problem.why.contains("refused"), "{problem}");
    backend.wait("stale marks", |store| store.cluster.problem().is_some() && store.groups.problem().is_some());

    let cluster = TestCluster::start();
    backend.ask(Request::Connect(cluster.as_remote()));
    backend.wait("connection", |store| store.connection.bootstrap() == Some(&cluster.bootstrap));
    backend.wait("topics", |store| store.cluster.value().is_some());
    assert!(backend.store.cluster.problem().is_none());
}

#[test]
fn a_name_without_an_address_is_told() {
    let mut backend = TestBackend::start();
    backend.ask(Request::Connect(remote("no-such-host.invalid:9092", &[])));
    backend.wait("failure", |store| failure(store).is_some());
    let problem = failure(&backend.store).unwrap();
    assert!(problem.why.contains("no-such-host.invalid"), "{problem}");
}

#[test]
fn a_property_that_is_not_valid_is_named_and_its_value_is_not() {
    let check = |properties: &[(&str, &str)], names: &str| {
        let mut backend = TestBackend::start();
        backend.ask(Request::Connect(remote("127.0.0.1:1", properties)));
        backend.wait("failure", |store| failure(store).is_some());
        let problem = failure(&backend.store).unwrap();
        assert!(problem.to_string().contains(names), "{problem}");
        assert!(!format!("{problem:?} {:?}", backend.store.connection).contains("hunter2"), "{problem:?}");
    };
    check(&[("sasl.pasword", "hunter2")], "sasl.pasword");
    check(&[("security.protocol", "hunter2")], "security.protocol");
    check(&[("socket.timeout.ms", "hunter2")], "socket.timeout.ms");
}

#[test]
fn an_unknown_topic_is_told_and_not_created_by_the_question() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = TopicName::from(unique("nowhere"));
    let query = backend.query(&topic, Start::Beginning, 10);
    let (_, receipt) = backend.read(&query);
    let Some(StopReason::Failed(problem)) = receipt.stopped else { panic!("{receipt:?}") };
    assert!(problem.what.contains(topic.as_str()), "{problem}");
    let notice = backend.wait_for_notice(Request::DeleteTopic(topic.clone()));
    assert_eq!(notice.level, NoticeLevel::Error, "{notice:?}");
    backend.ask(Request::LoadTopicConfigs(topic.clone()));
    backend.wait("its configuration", |store| store.topic_configs.get(&topic).is_some_and(|it| it.problem().is_some()));
    let marker = backend.create_topic(&unique("marker"), 1);
    backend.wait("a later reading", |store| store.cluster.value().is_some_and(|cluster| cluster.topic(&marker).is_some()));
    assert_eq!(backend.store.cluster.value().unwrap().topic(&topic), None, "asking for a topic created it");
}

#[test]
fn changes_that_are_refused_say_why() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("twice"), 1);
    let new = |name: &TopicName, partitions: i32| {
        Request::CreateTopic(NewTopic { name: name.clone(), partitions, replication_factor: 1, configs: Vec::new() })
    };
    let mut check = |request: Request, says: &str| {
        let notice = backend.wait_for_notice(request);
        assert_eq!(notice.level, NoticeLevel::Error, "{notice:?}");
        assert!(format!("{} {}", notice.title, notice.detail).contains(says), "{says} is not in {notice:?}");
    };
    check(new(&topic, 1), "already exists");
    check(new(&TopicName::from("not a name!"), 1), "letters, digits");
    check(new(&TopicName::from(unique("none")), 0), "artitions");
    check(Request::DeleteGroup(GroupId::from(unique("nobody"))), "nobody");
    check(Request::StopPipeline("clickstream".into()), "does not run");
}

#[test]
fn without_a_cluster_requests_are_answered_with_what_is_missing() {
    let mut backend = TestBackend::start();
    let notice = backend.wait_for_notice(Request::Refresh);
    assert_eq!((notice.level, &*notice.title), (NoticeLevel::Error, "Not connected"));
}

/// Needs a cluster with a SASL_SSL port, which `tests/real-kafka/run` starts; says so when there is none.
#[test]
fn tls_and_sasl_work_and_their_failures_are_told() {
    let (Ok(bootstrap), Ok(authority)) = (env::var("WEIR_TEST_SASL_BOOTSTRAP"), env::var("WEIR_TEST_CA")) else {
        println!("did not run: WEIR_TEST_SASL_BOOTSTRAP and WEIR_TEST_CA name no cluster");
        return;
    };
    let properties = |password: &'static str| {
        [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", authority.as_str()),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.username", "weir"),
            ("sasl.password", password),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let cluster = |properties: &[(String, String)]| {
        let properties: Vec<(&str, &str)> = properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        remote(&bootstrap, &properties)
    };
    let mut backend = TestBackend::start();
    backend.ask(Request::Connect(cluster(&properties("weir-secret"))));
    backend.wait("connection", |store| store.connection.bootstrap().is_some());
    backend.wait("topics", |store| store.cluster.value().is_some());
    let topic = backend.create_topic(&unique("secured"), 1);
    backend.wait("topic", |store| store.cluster.value().and_then(|cluster| cluster.topic(&topic)?.records()).is_some());
    let seen = backend.store.cluster.value().unwrap().topic(&topic).unwrap().clone();
    assert_eq!((seen.records(), seen.bytes()), (Some(0), None), "sizes are unknown rather than wrong");

    let check = |properties: &[(String, String)], why: &str, what_to_do: &str| {
        let mut backend = TestBackend::start();
        backend.ask(Request::Connect(cluster(properties)));
        backend.wait("failure", |store| failure(store).is_some());
        let problem = failure(&backend.store).unwrap();
        assert!(problem.why.contains(why) && problem.what_to_do.contains(what_to_do), "{problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    };
    check(&properties("hunter2"), "uthentication", "sasl.password");
    let mut untrusted = properties("weir-secret").to_vec();
    untrusted.retain(|(name, _)| name != "ssl.ca.location");
    check(&untrusted, "certificate", "ssl.ca.location");
}
