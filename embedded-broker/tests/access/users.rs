//! Users with a password, managed over the wire (KIP-554), and what of it is on disk.

use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use weir_broker::Broker;
use weir_broker::SecurityProtocol::SaslPlaintext;

use crate::client::{ADMIN, ADMIN_PASSWORD, Client, Workshop, salted_password};

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn upsertion(user: &str, mechanism: i8, iterations: i32, password: &str) -> ScramCredentialUpsertion {
    let salted = salted_password(mechanism == SHA_512, password, b"some salt", iterations.max(1) as u32);
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
        .with_iterations(iterations)
        .with_salt(b"some salt".to_vec().into())
        .with_salted_password(salted.into())
}

fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism)
}

fn admin(broker: &Broker) -> Client {
    let mut admin = Client::plain(broker, SaslPlaintext);
    assert_eq!(admin.log_in("SCRAM-SHA-512", ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    admin
}

/// The error of each user, by name.
fn alter(client: &mut Client, deletions: Vec<ScramCredentialDeletion>, upsertions: Vec<ScramCredentialUpsertion>) -> Vec<(String, i16)> {
    let request = AlterUserScramCredentialsRequest::default().with_deletions(deletions).with_upsertions(upsertions);
    client.call(0, &request).results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
}

/// A user, the error, mechanisms and iterations.
type Described = (String, i16, Vec<(i8, i32)>);

fn describe(client: &mut Client, users: Option<&[&str]>) -> Vec<Described> {
    let users = users.map(|users| users.iter().map(|user| UserName::default().with_name(text(user))).collect());
    let response = client.call(0, &DescribeUserScramCredentialsRequest::default().with_users(users));
    assert_eq!(response.error_code, 0);
    let described = response.results.iter().map(|result| {
        let infos = result.credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect();
        (result.user.to_string(), result.error_code, infos)
    });
    described.collect()
}

fn can_log_in(broker: &Broker, mechanism: &str, user: &str, password: &str) -> bool {
    Client::plain(broker, SaslPlaintext).log_in(mechanism, user, password).unwrap().error_code == 0
}

#[test]
fn users_come_log_in_and_go() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut client = admin(&broker);
    let both = vec![upsertion("alice, =", SHA_256, 4_096, "one"), upsertion("alice, =", SHA_512, 8_192, "two")];
    assert_eq!(alter(&mut client, vec![], both), [("alice, =".to_owned(), 0)]);
    assert!(can_log_in(&broker, "SCRAM-SHA-256", "alice, =", "one"));
    assert!(can_log_in(&broker, "SCRAM-SHA-512", "alice, =", "two"));
    assert!(!can_log_in(&broker, "SCRAM-SHA-512", "alice, =", "one"));
    let alice = ("alice, =".to_owned(), 0, vec![(SHA_256, 4_096), (SHA_512, 8_192)]);
    assert_eq!(describe(&mut client, Some(&["alice, ="])), std::slice::from_ref(&alice));
    assert_eq!(describe(&mut client, None), [(ADMIN.to_owned(), 0, vec![(SHA_256, 4_096), (SHA_512, 4_096)]), alice]);
    let absent = describe(&mut client, Some(&["bob", "eve", "eve"]));
    assert_eq!(absent, [("bob".to_owned(), ResourceNotFound.code(), vec![]), ("eve".to_owned(), DuplicateResource.code(), vec![])]);

    assert_eq!(alter(&mut client, vec![deletion("alice, =", SHA_512)], vec![]), [("alice, =".to_owned(), 0)]);
    assert!(!can_log_in(&broker, "SCRAM-SHA-512", "alice, =", "two"));
    drop(client);
    broker.shutdown();
    let broker = workshop.start(&[SaslPlaintext]);
    assert!(can_log_in(&broker, "SCRAM-SHA-256", "alice, =", "one"), "users outlive the broker");
}

#[test]
fn what_is_no_credential_is_refused_and_changes_nothing() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut client = admin(&broker);
    let short = upsertion("eve", SHA_256, 4_096, "x").with_salted_password(vec![0; 16].into());
    let unsalted = upsertion("eve", SHA_256, 4_096, "x").with_salt(vec![].into());
    let cases = [
        (vec![], vec![upsertion("eve", SHA_256, 4_095, "x")], UnacceptableCredential),
        (vec![], vec![upsertion("eve", SHA_256, 16_385, "x")], UnacceptableCredential),
        (vec![], vec![upsertion("eve", SHA_256, -1, "x")], UnacceptableCredential),
        (vec![], vec![upsertion("", SHA_256, 4_096, "x")], UnacceptableCredential),
        (vec![], vec![short], UnacceptableCredential),
        (vec![], vec![unsalted], UnacceptableCredential),
        (vec![], vec![upsertion("eve", 3, 4_096, "x")], UnsupportedSaslMechanism),
        (vec![deletion("eve", 0)], vec![], UnsupportedSaslMechanism),
        (vec![deletion("eve", SHA_256)], vec![], ResourceNotFound),
        (vec![], vec![upsertion("eve", SHA_256, 4_096, "x"), upsertion("eve", SHA_256, 4_096, "y")], DuplicateResource),
        (vec![], vec![upsertion("eve", SHA_256, 4_096, "x"), upsertion("eve", SHA_512, 1, "y")], UnacceptableCredential),
    ];
    for (deletions, upsertions, expected) in cases {
        let shown = format!("{deletions:?} {:?}", upsertions.iter().map(|asked| asked.iterations).collect::<Vec<_>>());
        let answered = alter(&mut client, deletions, upsertions);
        assert_eq!(answered.iter().map(|answer| answer.1).collect::<Vec<_>>(), [expected.code()], "{shown}");
    }
    assert_eq!(describe(&mut client, None).len(), 1, "only the admin");
}

#[test]
fn no_password_is_on_disk() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let salted = salted_password(false, "open sesame", b"some salt", 4_096);
    alter(&mut admin(&broker), vec![], vec![upsertion("alice", SHA_256, 4_096, "open sesame")]);
    broker.shutdown();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::fs::metadata(workshop.path("data").join("security")).unwrap();
        assert_eq!(folder.permissions().mode() & 0o077, 0, "nobody else may look into it");
    }
    let stored = std::fs::read(workshop.path("data").join("security").join("users")).unwrap();
    let stored = String::from_utf8(stored).unwrap();
    use base64::Engine as _;
    let encoded = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    for secret in
        ["open sesame".to_owned(), encoded(b"open sesame"), encoded(&salted), ADMIN_PASSWORD.to_owned(), encoded(ADMIN_PASSWORD.as_bytes())]
    {
        assert!(!stored.contains(&secret), "{stored}");
    }
}

#[test]
fn users_have_a_limit() {
    let workshop = Workshop::new();
    let mut config = workshop.config(&[SaslPlaintext]);
    config.limits.max_users = 2;
    let broker = Broker::start(config).unwrap();
    let mut client = admin(&broker);
    assert_eq!(alter(&mut client, vec![], vec![upsertion("a", SHA_256, 4_096, "x")]), [("a".to_owned(), 0)]);
    assert_eq!(alter(&mut client, vec![], vec![upsertion("b", SHA_256, 4_096, "x")]), [("b".to_owned(), PolicyViolation.code())]);
    assert_eq!(alter(&mut client, vec![], vec![upsertion("a", SHA_256, 4_096, "y")]), [("a".to_owned(), 0)]);
}
