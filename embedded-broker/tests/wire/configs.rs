//! Configs over the wire: where a value comes from, and who may change what.

use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource as OldResource, AlterableConfig as OldConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use weir_broker::Broker;

use crate::client::{Client, batch, config};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn words(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// One config: its value, its source, and its synonyms as "name=value@source".
fn describe(client: &mut Client, kind: i8, resource: &str, key: &str) -> (String, i8, Vec<String>) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(words(resource))
        .with_configuration_keys(Some(vec![words(key)]));
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true).with_include_documentation(true);
    let response = client.call(4, &request);
    let [config] = response.results[0].configs.as_slice() else { return (String::new(), 0, Vec::new()) };
    assert!(config.documentation.as_ref().is_some_and(|doc| !doc.is_empty()), "{key} is documented");
    assert!(config.config_type > 0, "{key} has a type");
    let synonyms = config.synonyms.iter();
    let synonyms = synonyms.map(|synonym| format!("{}={}@{}", synonym.name.as_str(), synonym.value.as_deref().unwrap(), synonym.source));
    (config.value.as_ref().unwrap().to_string(), config.config_source, synonyms.collect())
}

fn alter(client: &mut Client, kind: i8, resource: &str, changes: &[(i8, &str, &str)], validate_only: bool) -> i16 {
    let configs = changes.iter().map(|(operation, key, value)| {
        AlterableConfig::default().with_name(words(key)).with_config_operation(*operation).with_value(Some(words(value)))
    });
    let resource =
        AlterConfigsResource::default().with_resource_type(kind).with_resource_name(words(resource)).with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(validate_only);
    client.call(1, &request).responses[0].error_code
}

#[test]
fn a_value_comes_from_the_topic_then_the_broker_then_all_brokers() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    let default = "log.retention.ms=604800000@5".to_owned();
    assert_eq!(describe(client, TOPIC, "t", "retention.ms"), ("604800000".into(), 5, vec![default.clone()]));
    assert_eq!(alter(client, BROKER, "", &[(SET, "log.retention.ms", "3000")], false), 0);
    assert_eq!(describe(client, BROKER, "", "log.retention.ms").0, "3000");
    assert_eq!(alter(client, BROKER, "0", &[(SET, "log.retention.ms", "2000")], false), 0);
    assert_eq!(alter(client, TOPIC, "t", &[(SET, "retention.ms", "1000")], false), 0);
    let all = ["retention.ms=1000@1", "log.retention.ms=2000@2", "log.retention.ms=3000@3"].map(str::to_owned);
    let all: Vec<String> = all.into_iter().chain([default]).collect();
    assert_eq!(describe(client, TOPIC, "t", "retention.ms"), ("1000".into(), 1, all.clone()));
    broker.shutdown();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    assert_eq!(describe(client, TOPIC, "t", "retention.ms"), ("1000".into(), 1, all.clone()), "after a restart");
    assert_eq!(alter(client, TOPIC, "t", &[(DELETE, "retention.ms", "")], false), 0);
    assert_eq!(describe(client, TOPIC, "t", "retention.ms"), ("2000".into(), 2, all[1..].to_vec()));
    assert_eq!(describe(client, BROKER, "0", "log.retention.ms"), ("2000".into(), 2, all[1..].to_vec()));
    assert_eq!(alter(client, BROKER, "0", &[(SET, "message.max.bytes", "200")], false), 0);
    assert_eq!(client.produce("t", batch(&[&"x".repeat(300)])).error_code, 10, "the broker's default holds at once");
}

/// What it shows, the resource, the changes, the error code.
type Case = (&'static str, i8, &'static str, &'static [(i8, &'static str, &'static str)], i16);

#[test]
fn changes_are_checked_as_kafka_checks_them() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    client.topic("t");
    let cases: [Case; 9] = [
        ("a list grows", TOPIC, "t", &[(APPEND, "cleanup.policy", "compact")], 0),
        ("and shrinks", TOPIC, "t", &[(SUBTRACT, "cleanup.policy", "delete")], 0),
        ("a number is no list", TOPIC, "t", &[(APPEND, "retention.ms", "5")], 40),
        ("no such config", TOPIC, "t", &[(SET, "no.such", "5")], 40),
        ("one bad value spoils all", TOPIC, "t", &[(SET, "retention.ms", "7"), (SET, "segment.bytes", "x")], 40),
        ("twice", TOPIC, "t", &[(SET, "retention.ms", "7"), (SET, "retention.ms", "8")], 40),
        ("a contradiction", TOPIC, "t", &[(SET, "min.compaction.lag.ms", "9"), (SET, "max.compaction.lag.ms", "8")], 40),
        ("what the broker was started with", BROKER, "0", &[(SET, "listeners", "PLAINTEXT://:1")], 40),
        ("another broker", BROKER, "7", &[(SET, "log.retention.ms", "5")], 42),
    ];
    for (what, kind, resource, changes, error_code) in cases {
        assert_eq!(alter(client, kind, resource, changes, false), error_code, "{what}");
    }
    assert_eq!(describe(client, TOPIC, "t", "cleanup.policy").0, "compact");
    assert_eq!(describe(client, TOPIC, "t", "retention.ms").1, 5, "nothing of a refused change is kept");
    assert_eq!(alter(client, TOPIC, "t", &[(SET, "retention.ms", "7")], true), 0);
    assert_eq!(describe(client, TOPIC, "t", "retention.ms").1, 5, "validate_only changes nothing");
    assert_eq!(client.produce("t", batch(&["no key"])).error_code, 87, "a compacted topic wants keys");
    // The old request replaces everything.
    let change = OldConfig::default().with_name(words("retention.ms")).with_value(Some(words("9")));
    let resource = OldResource::default().with_resource_type(TOPIC).with_resource_name(words("t")).with_configs(vec![change]);
    assert_eq!(client.call(2, &AlterConfigsRequest::default().with_resources(vec![resource])).responses[0].error_code, 0);
    assert_eq!(describe(client, TOPIC, "t", "cleanup.policy"), ("delete".into(), 5, vec!["log.cleanup.policy=delete@5".into()]));
    assert_eq!(client.produce("t", batch(&["no key"])).error_code, 0);
}
