//! Logging in: by every mechanism, on every listener, again, and not at all.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError::*;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use weir_broker::SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl, Ssl};
use weir_broker::{Broker, ManualClock};

use crate::client::{ADMIN, ADMIN_PASSWORD, Client, Login, Workshop};

const SCRAM: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

fn is_served(client: &mut Client) -> bool {
    client.try_call(9, &MetadataRequest::default()).is_ok()
}

fn handshake(mechanism: &'static str) -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism))
}

#[test]
fn every_mechanism_lets_the_right_password_in() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext, SaslSsl]);
    for mechanism in SCRAM {
        let mut client = Client::plain(&broker, SaslPlaintext);
        assert_eq!(client.log_in(mechanism, ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
        assert!(is_served(&mut client));
    }
    for mechanism in ["PLAIN", SCRAM[0], SCRAM[1]] {
        let mut client = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
        let answer = client.log_in(mechanism, ADMIN, ADMIN_PASSWORD).unwrap();
        assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 0));
        assert!(is_served(&mut client));
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_alike_and_shown_out() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslSsl]);
    for mechanism in ["PLAIN", SCRAM[0], SCRAM[1]] {
        let mut answers = Vec::new();
        for (user, password) in [(ADMIN, "wrong"), ("nobody", ADMIN_PASSWORD)] {
            let mut client = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
            let answer = client.log_in(mechanism, user, password).unwrap();
            assert_eq!(answer.error_code, SaslAuthenticationFailed.code());
            assert!(!is_served(&mut client), "{mechanism}: the connection has ended");
            answers.push(answer.error_message);
        }
        assert_eq!(answers[0], answers[1]);
    }
}

#[test]
fn before_the_login_nothing_else_is_served() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let mut client = Client::plain(&broker, SaslPlaintext);
    assert!(client.call(3, &ApiVersionsRequest::default()).error_code == 0, "clients ask what is served first");
    assert!(!is_served(&mut client));
    let mut chosen = Client::plain(&broker, SaslPlaintext);
    assert_eq!(chosen.call(1, &handshake("SCRAM-SHA-256")).error_code, 0);
    assert!(!is_served(&mut chosen));
    let mut halfway = Client::plain(&broker, SaslPlaintext);
    assert_eq!(halfway.call(1, &handshake("SCRAM-SHA-256")).error_code, 0);
    let first = Login::new("SCRAM-SHA-256", ADMIN, ADMIN_PASSWORD).first();
    assert_eq!(halfway.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(first.into())).error_code, 0);
    assert!(!is_served(&mut halfway));
}

#[test]
fn mechanisms_are_offered_where_they_are_safe() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext, SaslSsl, Plaintext]);
    let mut clear = Client::plain(&broker, SaslPlaintext);
    let refused = clear.call(1, &handshake("PLAIN"));
    assert_eq!(refused.error_code, UnsupportedSaslMechanism.code());
    assert_eq!(refused.mechanisms.iter().map(|name| name.as_str()).collect::<Vec<_>>(), SCRAM);
    assert!(!is_served(&mut clear));
    let refused = Client::tls(&broker, SaslSsl, workshop.client_tls(None)).call(1, &handshake("GSSAPI"));
    assert_eq!((refused.error_code, refused.mechanisms.len()), (UnsupportedSaslMechanism.code(), 3));
    let mut without_sasl = Client::plain(&broker, Plaintext);
    assert_eq!(without_sasl.call(1, &handshake("PLAIN")).error_code, IllegalSaslState.code());
    assert_eq!(without_sasl.call(2, &SaslAuthenticateRequest::default()).error_code, IllegalSaslState.code());
    assert!(is_served(&mut without_sasl));
}

/// Clients before Kafka 1.0: tokens without a header.
#[test]
fn raw_tokens_follow_the_old_handshake() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let exchange = |password: &str| {
        let mut client = Client::plain(&broker, SaslPlaintext);
        assert_eq!(client.call(0, &handshake("SCRAM-SHA-256")).error_code, 0);
        let mut login = Login::new("SCRAM-SHA-256", ADMIN, password);
        let mut token = Some(login.first());
        while let Some(bytes) = token {
            client.write(&[&(bytes.len() as i32).to_be_bytes(), bytes.as_slice()].concat()).unwrap();
            token = match client.read_frame() {
                Ok(answer) => login.next(&answer),
                Err(_) => return false,
            };
        }
        is_served(&mut client)
    };
    assert!(exchange(ADMIN_PASSWORD));
    assert!(!exchange("wrong"));
}

/// KIP-368.
#[test]
fn a_login_that_ends_must_be_repeated_by_the_same_user() {
    let workshop = Workshop::new();
    let clock = Arc::new(ManualClock::new(1_000_000));
    let mut config = workshop.config(&[SaslPlaintext]);
    config.clock = clock.clone();
    config.security.max_session = Some(Duration::from_secs(60));
    let broker = Broker::start(config).unwrap();
    let logged_in = || {
        let mut client = Client::plain(&broker, SaslPlaintext);
        assert_eq!(client.log_in(SCRAM[0], ADMIN, ADMIN_PASSWORD).unwrap().session_lifetime_ms, 60_000);
        client
    };
    let (mut faithful, mut forgetful, mut changing, mut wavering) = (logged_in(), logged_in(), logged_in(), logged_in());
    clock.advance(Duration::from_secs(59));
    assert!(is_served(&mut faithful) && is_served(&mut forgetful));
    clock.advance(Duration::from_secs(1));
    assert_eq!(faithful.log_in(SCRAM[0], ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    assert!(is_served(&mut faithful));
    assert!(!is_served(&mut forgetful));
    assert_eq!(changing.log_in(SCRAM[0], "nobody", ADMIN_PASSWORD).unwrap().error_code, SaslAuthenticationFailed.code());
    assert!(!is_served(&mut changing));
    assert_eq!(wavering.call(1, &handshake(SCRAM[1])).error_code, UnsupportedSaslMechanism.code());
    assert!(!is_served(&mut wavering));
}

#[test]
fn a_certificate_is_shown_where_it_is_asked_for() {
    let workshop = Workshop::new();
    workshop.sign("alice");
    let mut config = workshop.config(&[Ssl]);
    config.security.tls.as_mut().unwrap().client_authorities = Some(workshop.path("authority.pem"));
    let broker = Broker::start(config).unwrap();
    assert!(is_served(&mut Client::tls(&broker, Ssl, workshop.client_tls(Some("alice")))));
    assert!(!is_served(&mut Client::tls(&broker, Ssl, workshop.client_tls(None))));
    let elsewhere = Workshop::new();
    elsewhere.sign("mallory");
    for file in ["mallory.pem", "mallory.key"] {
        std::fs::copy(elsewhere.path(file), workshop.path(file)).unwrap();
    }
    assert!(!is_served(&mut Client::tls(&broker, Ssl, workshop.client_tls(Some("mallory")))), "signed by another authority");
}
