//! ACL bindings over the wire: made, found, removed, kept; what is hidden, and what one is told one may do.

use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use weir_broker::Broker;
use weir_broker::SecurityProtocol::{Plaintext, SaslPlaintext};

use crate::client::{ADMIN, ADMIN_PASSWORD, Client, Workshop, salted_password};

pub(crate) const READ: i8 = 3;
pub(crate) const WRITE: i8 = 4;
pub(crate) const CREATE: i8 = 5;
pub(crate) const DELETE: i8 = 6;
pub(crate) const ALTER: i8 = 7;
pub(crate) const DESCRIBE: i8 = 8;
pub(crate) const DESCRIBE_CONFIGS: i8 = 10;
pub(crate) const ALTER_CONFIGS: i8 = 11;
const ALL: i8 = 2;
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;
const EVE: &str = "eve";
const EVES_PASSWORD: &str = "eve's";

/// A permission for Eve.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    resource: i8,
    name: &'static str,
    operation: i8,
}

pub(crate) fn topic(operation: i8, name: &'static str) -> Grant {
    Grant { resource: TOPIC, name, operation }
}

pub(crate) fn group(operation: i8, name: &'static str) -> Grant {
    Grant { resource: GROUP, ..topic(operation, name) }
}

pub(crate) fn cluster(operation: i8) -> Grant {
    Grant { resource: 4, ..topic(operation, "kafka-cluster") }
}

pub(crate) fn transactional_id(operation: i8, name: &'static str) -> Grant {
    Grant { resource: 5, ..topic(operation, name) }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn creation(resource: i8, name: &str, operation: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(resource)
        .with_resource_name(text(name))
        .with_resource_pattern_type(LITERAL)
        .with_principal(text("User:eve"))
        .with_host(text("*"))
        .with_operation(operation)
        .with_permission_type(ALLOW)
}

pub(crate) fn grant(admin: &mut Client, grant: &Grant) {
    assert_eq!(codes(admin, vec![creation(grant.resource, grant.name, grant.operation)]), [0]);
}

fn codes(admin: &mut Client, creations: Vec<AclCreation>) -> Vec<i16> {
    let response = admin.call(3, &CreateAclsRequest::default().with_creations(creations));
    response.results.iter().map(|result| result.error_code).collect()
}

fn everything() -> DeleteAclsFilter {
    let filter = DeleteAclsFilter::default().with_resource_type_filter(ANY).with_pattern_type_filter(ANY).with_operation(ANY);
    filter.with_permission_type(ANY).with_resource_name_filter(None).with_principal_filter(None).with_host_filter(None)
}

/// The names of what was removed.
fn remove(admin: &mut Client, filter: DeleteAclsFilter) -> Vec<String> {
    let response = admin.call(3, &DeleteAclsRequest::default().with_filters(vec![filter]));
    assert_eq!(response.filter_results[0].error_code, 0);
    response.filter_results[0].matching_acls.iter().map(|acl| acl.resource_name.to_string()).collect()
}

pub(crate) fn revoke_all(admin: &mut Client) {
    remove(admin, everything());
}

pub(crate) fn admin(broker: &Broker) -> Client {
    let mut admin = Client::plain(broker, SaslPlaintext);
    assert_eq!(admin.log_in("SCRAM-SHA-256", ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    admin
}

/// A user without any permission.
pub(crate) fn eve(broker: &Broker, admin: &mut Client) -> Client {
    let upsertion = ScramCredentialUpsertion::default()
        .with_name(text(EVE))
        .with_mechanism(1)
        .with_iterations(4_096)
        .with_salt(b"salt".to_vec().into())
        .with_salted_password(salted_password(false, EVES_PASSWORD, b"salt", 4_096).into());
    let response = admin.call(0, &AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]));
    assert_eq!(response.results[0].error_code, 0);
    let mut eve = Client::plain(broker, SaslPlaintext);
    assert_eq!(eve.log_in("SCRAM-SHA-256", EVE, EVES_PASSWORD).unwrap().error_code, 0);
    eve
}

pub(crate) fn named(topics: &[&str]) -> MetadataRequest {
    let named = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(TopicName(text(topic)))));
    MetadataRequest::default().with_topics(Some(named.collect())).with_allow_auto_topic_creation(true)
}

/// Names and error codes.
fn topics_of(response: &MetadataResponse) -> Vec<(String, i16)> {
    let mut topics: Vec<_> =
        response.topics.iter().map(|topic| (topic.name.as_ref().unwrap().as_str().to_owned(), topic.error_code)).collect();
    topics.sort();
    topics
}

#[test]
fn without_a_login_there_are_no_acls() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[Plaintext]);
    let mut client = Client::plain(&broker, Plaintext);
    let filter = DescribeAclsRequest::default().with_resource_type_filter(ANY).with_pattern_type_filter(ANY);
    assert_eq!(client.call(3, &filter.with_operation(ANY).with_permission_type(ANY)).error_code, SecurityDisabled.code());
    assert_eq!(codes(&mut client, vec![creation(TOPIC, "t", READ)]), [SecurityDisabled.code()]);
    let response = client.call(3, &DeleteAclsRequest::default().with_filters(vec![everything()]));
    assert_eq!(response.filter_results[0].error_code, SecurityDisabled.code());
}

/// KIP-430: who may do everything is told so, if he asks.
#[test]
fn without_a_login_everyone_may_do_everything() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[Plaintext]);
    let mut client = Client::plain(&broker, Plaintext);
    client.call(9, &named(&["t"]));
    let partition = offset_commit_request::OffsetCommitRequestPartition::default();
    let topic = offset_commit_request::OffsetCommitRequestTopic::default().with_name(TopicName(text("t"))).with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]);
    client.call(8, &commit.with_generation_id_or_member_epoch(-1));
    let mut told = |is_asked| {
        let groups = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]).with_include_authorized_operations(is_asked);
        client.call(5, &groups).groups[0].authorized_operations
    };
    let everything = [READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS].iter().map(|operation| 1 << operation).sum();
    assert_eq!((told(true), told(false)), (everything, i32::MIN));
}

#[test]
fn bindings_are_made_found_removed_and_kept() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut client = admin(&broker);
    let prefixed = creation(TOPIC, "log-", READ).with_resource_pattern_type(PREFIXED);
    let denial = creation(TOPIC, "log-secret", ALL).with_permission_type(DENY);
    assert_eq!(codes(&mut client, vec![prefixed.clone(), denial.clone(), creation(GROUP, "*", READ), prefixed]), [0, 0, 0, 0]);
    let find = |client: &mut Client, name: &str, pattern| {
        let filter = DescribeAclsRequest::default().with_resource_type_filter(TOPIC).with_resource_name_filter(Some(text(name)));
        let filter = filter.with_pattern_type_filter(pattern).with_operation(ANY).with_permission_type(ANY);
        let response = client.call(3, &filter.with_principal_filter(None).with_host_filter(None));
        assert_eq!(response.error_code, 0);
        response.resources.iter().map(|resource| resource.resource_name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(find(&mut client, "log-secret", 2), ["log-secret", "log-"], "MATCH finds all that decides");
    assert_eq!(find(&mut client, "log-", PREFIXED), ["log-"]);
    assert_eq!(find(&mut client, "log-", LITERAL), [""; 0]);
    drop(client);
    broker.shutdown();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut client = admin(&broker);
    assert_eq!(remove(&mut client, everything().with_resource_type_filter(TOPIC)), ["log-secret", "log-"], "bindings outlive the broker");
    assert_eq!(remove(&mut client, everything()), ["*"]);
}

#[test]
fn what_is_no_binding_is_refused_alone() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut client = admin(&broker);
    let good = || creation(TOPIC, "t", READ);
    let bad = [
        good().with_resource_type(0),
        good().with_resource_type(1),
        good().with_resource_type(99),
        good().with_resource_pattern_type(2),
        good().with_operation(1),
        good().with_permission_type(1),
        good().with_resource_name(text("")),
        good().with_principal(text("eve")),
        good().with_principal(text("User:")),
        good().with_host(text("")),
        creation(4, "some-cluster", ALTER),
    ];
    for creation in bad {
        assert_eq!(codes(&mut client, vec![creation.clone(), good()]), [InvalidRequest.code(), 0], "{creation:?}");
    }
    let strange = DeleteAclsRequest::default().with_filters(vec![everything().with_operation(77), everything()]);
    let response = client.call(3, &strange);
    let outcome: Vec<_> = response.filter_results.iter().map(|result| (result.error_code, result.matching_acls.len())).collect();
    assert_eq!(outcome, [(InvalidRequest.code(), 0), (0, 1)]);
}

#[test]
fn acls_have_a_limit() {
    let workshop = Workshop::new();
    let mut config = workshop.config(&[SaslPlaintext]);
    config.limits.max_acls = 1;
    let broker = Broker::start(config).unwrap();
    let mut client = admin(&broker);
    assert_eq!(codes(&mut client, vec![creation(TOPIC, "a", READ)]), [0]);
    assert_eq!(codes(&mut client, vec![creation(TOPIC, "b", READ)]), [PolicyViolation.code()]);
}

#[test]
fn what_may_not_be_known_is_hidden() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let mut eve = eve(&broker, &mut admin);
    let made = admin.call(12, &named(&["hers", "secret"]));
    let all = MetadataRequest::default().with_topics(None);
    assert_eq!(topics_of(&eve.call(12, &all)), []);
    grant(&mut admin, &topic(READ, "hers"));
    assert_eq!(topics_of(&eve.call(12, &all)), [("hers".to_owned(), 0)]);
    assert_eq!(topics_of(&eve.call(0, &MetadataRequest::default().with_topics(Some(vec![])))), [("hers".to_owned(), 0)]);
    let denied = TopicAuthorizationFailed.code();
    let both = [("hers".to_owned(), 0), ("secret".to_owned(), denied)];
    assert_eq!(topics_of(&eve.call(9, &named(&["hers", "secret"]))), both);
    assert_eq!(topics_of(&eve.call(0, &named(&["secret"]))), [("secret".to_owned(), denied)], "not all, though nothing is left to ask");
    let secret = made.topics.iter().find(|topic| topic.name.as_ref().unwrap().as_str() == "secret").unwrap().topic_id;
    for beside in [None, Some("hers")] {
        let by_id = MetadataRequestTopic::default().with_name(beside.map(|name| TopicName(text(name)))).with_topic_id(secret);
        let answer = eve.call(12, &MetadataRequest::default().with_topics(Some(vec![by_id])));
        assert_eq!((answer.topics[0].error_code, answer.topics[0].name.is_none()), (UnknownTopicId.code(), true), "an id tells no name");
    }
    assert_eq!(topics_of(&eve.call(9, &named(&["new"]))), [("new".to_owned(), denied)]);
    assert_eq!(topics_of(&admin.call(12, &all)).len(), 2, "and what she may not make is not made");
    let partitions = eve.call(0, &DescribeTopicPartitionsRequest::default().with_response_partition_limit(100));
    assert_eq!(partitions.topics.iter().map(|topic| topic.name.as_ref().unwrap().as_str()).collect::<Vec<_>>(), ["hers"]);
}

#[test]
fn groups_are_listed_to_those_who_may_describe_them() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let mut eve = eve(&broker, &mut admin);
    admin.call(9, &named(&["t"]));
    for group in ["hers", "secret"] {
        use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
        let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text("t")));
        let topic = topic.with_partitions(vec![OffsetCommitRequestPartition::default()]);
        let commit = OffsetCommitRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![topic]);
        admin.call(8, &commit.with_generation_id_or_member_epoch(-1));
    }
    let listed = |client: &mut Client| client.call(4, &ListGroupsRequest::default()).groups.len();
    assert_eq!((listed(&mut admin), listed(&mut eve)), (2, 0));
    grant(&mut admin, &group(DESCRIBE, "hers"));
    assert_eq!(listed(&mut eve), 1);
    // Of its offsets she sees those of topics she may know: named, the others are refused; asked for all, they are left out.
    let asked = |topics| {
        let group = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(GroupId(text("hers"))).with_topics(topics);
        OffsetFetchRequest::default().with_groups(vec![group])
    };
    let t = offset_fetch_request::OffsetFetchRequestTopics::default().with_name(TopicName(text("t"))).with_partition_indexes(vec![0]);
    let named = eve.call(8, &asked(Some(vec![t])));
    assert_eq!(named.groups[0].topics[0].partitions[0].error_code, TopicAuthorizationFailed.code());
    let old = |client: &mut Client| client.call(7, &OffsetFetchRequest::default().with_group_id(GroupId(text("hers"))).with_topics(None));
    assert_eq!((eve.call(8, &asked(None)).groups[0].topics.len(), old(&mut eve).topics.len()), (0, 0));
    assert_eq!((admin.call(8, &asked(None)).groups[0].topics.len(), old(&mut admin).topics.len()), (1, 1));
    grant(&mut admin, &cluster(DESCRIBE));
    assert_eq!(listed(&mut eve), 2);
}

/// KIP-430.
#[test]
fn one_is_told_what_one_may_do() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let mut eve = eve(&broker, &mut admin);
    admin.call(9, &named(&["t"]));
    grant(&mut admin, &topic(WRITE, "t"));
    grant(&mut admin, &group(READ, "g"));
    let asked = named(&["t"]).with_include_topic_authorized_operations(true).with_include_cluster_authorized_operations(true);
    let told = eve.call(9, &asked);
    assert_eq!((told.topics[0].topic_authorized_operations, told.cluster_authorized_operations), (1 << WRITE | 1 << DESCRIBE, 0));
    let groups = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]).with_include_authorized_operations(true);
    assert_eq!(eve.call(5, &groups).groups[0].authorized_operations, 1 << READ | 1 << DESCRIBE);
    grant(&mut admin, &cluster(ALTER));
    assert_eq!(eve.call(9, &asked).cluster_authorized_operations, 1 << ALTER | 1 << DESCRIBE);
    let described = eve.call(0, &DescribeClusterRequest::default().with_include_cluster_authorized_operations(true));
    assert_eq!(described.cluster_authorized_operations, 1 << ALTER | 1 << DESCRIBE);
}

#[test]
fn a_denial_and_a_revocation_count_at_once() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let mut eve = eve(&broker, &mut admin);
    admin.call(9, &named(&["t"]));
    let code = |eve: &mut Client| topics_of(&eve.call(9, &named(&["t"])))[0].1;
    let everyone = creation(TOPIC, "*", READ).with_principal(text("User:*"));
    assert_eq!(codes(&mut admin, vec![everyone]), [0]);
    assert_eq!(code(&mut eve), 0);
    assert_eq!(codes(&mut admin, vec![creation(TOPIC, "t", DESCRIBE).with_permission_type(DENY)]), [0]);
    assert_eq!(code(&mut eve), TopicAuthorizationFailed.code());
    remove(&mut admin, everything().with_permission_type(DENY));
    assert_eq!(code(&mut eve), 0);
    let elsewhere = creation(TOPIC, "t", ALL).with_permission_type(DENY).with_host(text("10.9.8.7"));
    assert_eq!(codes(&mut admin, vec![elsewhere]), [0]);
    assert_eq!(code(&mut eve), 0);
    revoke_all(&mut admin);
    assert_eq!(code(&mut eve), TopicAuthorizationFailed.code());
}

/// With acks 0 there is no answer that could say so.
#[test]
fn a_denied_produce_without_acks_ends_the_connection() {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut admin = admin(&broker);
    let mut eve = eve(&broker, &mut admin);
    let topic = TopicProduceData::default().with_name(TopicName(text("t"))).with_partition_data(vec![PartitionProduceData::default()]);
    let request = ProduceRequest::default().with_acks(0).with_topic_data(vec![topic]);
    eve.write(&crate::client::frame(9, 99, &request)).unwrap();
    assert!(eve.read_frame().is_err());
}

/// Whoever comes without a login is ANONYMOUS, to whom ACLs apply like to everyone.
#[test]
fn who_does_not_log_in_is_anonymous() {
    let workshop = Workshop::new();
    let start = |super_users: &[&str]| {
        let mut config = workshop.config(&[Plaintext, SaslPlaintext]);
        config.security.super_users = super_users.iter().map(|&user| user.to_owned()).collect();
        Broker::start(config).unwrap()
    };
    let broker = start(&[]);
    let code = |broker: &Broker| topics_of(&Client::plain(broker, Plaintext).call(9, &named(&["t"])))[0].1;
    assert_eq!(code(&broker), TopicAuthorizationFailed.code());
    broker.shutdown();
    assert_eq!(code(&start(&["User:ANONYMOUS"])), 0);
}

/// Without SASL the certificate says who comes, by the name in it.
#[test]
fn a_certificates_name_is_a_principal() {
    use weir_broker::SecurityProtocol::Ssl;
    let workshop = Workshop::new();
    workshop.sign("alice");
    workshop.sign("mallory");
    let mut config = workshop.config(&[Ssl]);
    config.security.tls.as_mut().unwrap().client_authorities = Some(workshop.path("authority.pem"));
    config.security.super_users = vec!["User:CN=alice".into()];
    let broker = Broker::start(config).unwrap();
    let code = |name| topics_of(&Client::tls(&broker, Ssl, workshop.client_tls(Some(name))).call(9, &named(&["t"])))[0].1;
    assert_eq!((code("alice"), code("mallory")), (0, TopicAuthorizationFailed.code()));
}
