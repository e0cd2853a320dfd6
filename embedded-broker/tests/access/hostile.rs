//! Strangers at the door: garbage, silence and too much, before anyone has logged in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use weir_broker::Broker;
use weir_broker::SecurityProtocol::{SaslPlaintext, SaslSsl};

use crate::client::{ADMIN, ADMIN_PASSWORD, Client, DEADLINE, Workshop, address};

fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        // A reset is an end as well.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn what_is_not_tls_on_the_tls_port_is_shown_out() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslSsl]);
    let mut witness = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
    assert_eq!(witness.log_in("PLAIN", ADMIN, ADMIN_PASSWORD).unwrap().error_code, 0);
    let kafka = crate::client::frame(3, 1, &ApiVersionsRequest::default());
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for garbage in [&kafka[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4_096], &[0; 4_096], &[&hello[..], &[0x41; 600]].concat()] {
        let mut stream = TcpStream::connect(address(&broker, SaslSsl)).unwrap();
        // The broker may have closed before all is written; that is what we want.
        let _ = stream.write_all(garbage);
        assert!(is_closed(&mut stream), "{:?}", &garbage[..8]);
        assert_eq!(witness.call(3, &ApiVersionsRequest::default()).error_code, 0);
    }
}

#[test]
fn who_does_not_finish_his_login_is_not_waited_for() {
    let workshop = Workshop::new();
    let mut config = workshop.config(&[SaslSsl, SaslPlaintext]);
    config.limits.max_authentication = Duration::from_millis(200);
    let broker = Broker::start(config).unwrap();
    let mut silent = TcpStream::connect(address(&broker, SaslSsl)).unwrap();
    let mut half_a_hello = TcpStream::connect(address(&broker, SaslSsl)).unwrap();
    half_a_hello.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let mut no_login = TcpStream::connect(address(&broker, SaslPlaintext)).unwrap();
    let mut half_a_frame = TcpStream::connect(address(&broker, SaslPlaintext)).unwrap();
    half_a_frame.write_all(&[0, 0, 1, 0, 0, 18]).unwrap();
    for stream in [&mut silent, &mut half_a_hello, &mut no_login, &mut half_a_frame] {
        assert!(is_closed(stream));
    }
    let mut chatty = Client::plain(&broker, SaslPlaintext);
    // Asking what is served does not buy time for ever.
    let end = std::time::Instant::now() + DEADLINE;
    while chatty.try_call(3, &ApiVersionsRequest::default()).is_ok() {
        assert!(std::time::Instant::now() < end, "a client that never logs in is served for ever");
    }
}

#[test]
fn strangers_are_not_given_much_memory() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslPlaintext]);
    let handshake = |client: &mut Client, version| {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("SCRAM-SHA-256"));
        assert_eq!(client.call(version, &request).error_code, 0);
    };
    let too_much = vec![0x41; 600 * 1024];
    let mut client = Client::plain(&broker, SaslPlaintext);
    handshake(&mut client, 1);
    assert!(client.try_call(2, &SaslAuthenticateRequest::default().with_auth_bytes(too_much.clone().into())).is_err());
    let mut raw = Client::plain(&broker, SaslPlaintext);
    handshake(&mut raw, 0);
    let _ = raw.write(&[&(too_much.len() as i32).to_be_bytes(), too_much.as_slice()].concat());
    assert!(raw.read_frame().is_err());
    let mut within = Client::plain(&broker, SaslPlaintext);
    handshake(&mut within, 1);
    let large = vec![0x41; 400 * 1024];
    assert_eq!(within.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(large.into())).error_code, 58);
}

#[test]
fn tokens_of_all_kinds_let_nobody_in() {
    let workshop = Workshop::new();
    let broker = workshop.start(&[SaslSsl]);
    let tokens: &[&[u8]] = &[
        b"",
        b"\0",
        b"\0\0",
        b"\0admin\0",
        b"admin\0\0x",
        b"\0admin",
        b"other\0admin\0the admin's password",
        b"\0admin\0the admin's password\0",
        b"\xff\0\xfe\0\xfd",
        b"n,,",
        b"n,,n=admin",
        b"n,,n=admin,r=",
        b"p=x,,n=admin,r=x",
        b"c=biws,r=x,p=x",
        b"n,,n=ad=min,r=x",
        b"n,a=other,n=admin,r=x",
    ];
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        for token in tokens {
            let mut client = Client::tls(&broker, SaslSsl, workshop.client_tls(None));
            let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.to_owned()));
            assert_eq!(client.call(1, &request).error_code, 0);
            let answer = client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(token.to_vec().into()));
            assert_eq!(answer.error_code, 58, "{mechanism} {token:?}");
            assert!(client.read_frame().is_err(), "the connection has ended");
        }
    }
}
