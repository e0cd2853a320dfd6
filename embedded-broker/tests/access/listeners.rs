//! What a configuration must say before the broker listens, and what each listener tells its clients.

use kafka_protocol::messages::{DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use weir_broker::SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl, Ssl};
use weir_broker::{Broker, BrokerConfig, Listener, ListenerError, Mechanism, StartError};

use crate::client::{ADMIN, ADMIN_PASSWORD, Client, Workshop, address};

fn refused(config: BrokerConfig) -> (ListenerError, String) {
    match Broker::start(config) {
        Err(StartError::Listener(error)) => {
            let text = error.to_string();
            (error, text)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn beyond_loopback_only_sasl_over_tls_is_allowed() {
    let workshop = Workshop::new();
    for protocol in [Plaintext, Ssl, SaslPlaintext] {
        let mut config = workshop.config(&[Plaintext]);
        config.listeners.push(Listener { name: "outside".into(), ..Listener::new(protocol, "0.0.0.0:0".parse().unwrap()) });
        let (error, text) = refused(config);
        assert!(matches!(error, ListenerError::Open { .. }) && text.contains("SASL_SSL"), "{text}");
    }
    let mut config = workshop.config(&[]);
    config.listeners = vec![Listener::new(SaslSsl, "0.0.0.0:0".parse().unwrap())];
    let (error, text) = refused(config.clone());
    assert!(matches!(error, ListenerError::NotAdvertised { .. }), "{text}");
    config.listeners[0].advertised = Some(("broker.example.org".into(), 0));
    Broker::start(config).unwrap();
}

#[test]
fn what_a_listener_lacks_is_told() {
    let workshop = Workshop::new();
    let with = |change: fn(&mut BrokerConfig)| {
        let mut config = workshop.config(&[SaslSsl]);
        change(&mut config);
        refused(config)
    };
    assert!(matches!(with(|config| config.security.tls = None).0, ListenerError::NoCertificate { .. }));
    assert!(matches!(with(|config| config.security.bootstrap_admin = None).0, ListenerError::NoUser));
    assert!(matches!(with(|config| config.security.mechanisms.clear()).0, ListenerError::NoMechanism { .. }));
    let plain_in_the_clear = with(|config| {
        config.listeners[0].protocol = SaslPlaintext;
        config.security.mechanisms = vec![Mechanism::Plain];
    });
    assert!(matches!(plain_in_the_clear.0, ListenerError::NoMechanism { .. }));
    assert!(matches!(with(|config| config.listeners.push(config.listeners[0].clone())).0, ListenerError::NamedTwice { .. }));
    let (error, text) = with(|config| {
        let tls = config.security.tls.as_mut().unwrap();
        tls.private_key = tls.certificate_chain.clone();
    });
    assert!(matches!(error, ListenerError::Tls(_)) && text.contains("private key"), "{text}");
    let mut other = workshop.config(&[Ssl]);
    workshop.sign("other");
    other.security.tls.as_mut().unwrap().private_key = workshop.path("other.key");
    assert!(matches!(refused(other).0, ListenerError::Tls(_)), "a key of another certificate");
}

#[test]
fn each_listener_advertises_itself() {
    let workshop = Workshop::new();
    let mut config = workshop.config(&[Plaintext, SaslSsl]);
    config.security.super_users = vec!["User:ANONYMOUS".into()];
    config.listeners[1].advertised = Some(("localhost".into(), 0));
    let broker = Broker::start(config).unwrap();
    let mut inside = Client::plain(&broker, Plaintext);
    let mut outside = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
    assert_eq!(outside.log_in("SCRAM-SHA-256", ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    let expected = [("127.0.0.1", address(&broker, Plaintext).port()), ("localhost", address(&broker, SaslSsl).port())];
    for (client, (host, port)) in [&mut inside, &mut outside].into_iter().zip(expected) {
        let broker = client.call(9, &MetadataRequest::default()).brokers[0].clone();
        assert_eq!((broker.host.as_str(), broker.port), (host, i32::from(port)));
        let broker = client.call(0, &DescribeClusterRequest::default()).brokers[0].clone();
        assert_eq!((broker.host.as_str(), broker.port), (host, i32::from(port)));
        let found = client.call(3, &FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g")));
        assert_eq!((found.host.as_str(), found.port), (host, i32::from(port)));
    }
}
