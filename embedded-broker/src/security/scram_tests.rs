//! The RFCs' own examples, and what must not pass.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const SALT_256: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const FIRST_256: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE_256: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fn pencil(hash: ScramHash, salt: &str) -> ScramCredential {
    ScramCredential::from_password(hash, "pencil", STANDARD.decode(salt).unwrap(), 4_096)
}

fn started() -> ScramServer {
    // Derived once: it takes milliseconds.
    static PENCIL: LazyLock<ScramCredential> = LazyLock::new(|| pencil(ScramHash::Sha256, SALT_256));
    let first = ClientFirst::parse(FIRST_256.as_bytes()).unwrap();
    ScramServer::start(first, PENCIL.clone(), SERVER_NONCE_256).0
}

/// RFC 7677, section 3.
#[test]
fn the_example_of_the_rfc_logs_in() {
    let first = ClientFirst::parse(FIRST_256.as_bytes()).unwrap();
    let (server, reply) = ScramServer::start(first, pencil(ScramHash::Sha256, SALT_256), SERVER_NONCE_256);
    assert_eq!(String::from_utf8(reply).unwrap(), "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let (user, proof) = server.finish(last).unwrap();
    assert_eq!((user.as_str(), proof.as_slice()), ("user", &b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="[..]));
}

#[test]
fn plain_recognises_the_password_by_the_same_keys() {
    for hash in [ScramHash::Sha256, ScramHash::Sha512] {
        let credential = pencil(hash, SALT_256);
        assert!(credential.verifies("pencil"));
        assert!(!credential.verifies("pencil "));
        let salted = hash.salted_password("pencil", &credential.salt, credential.iterations);
        assert!(ScramCredential::from_salted(hash, &salted, credential.salt.clone(), credential.iterations) == credential);
    }
}

#[test]
fn a_wrong_last_message_is_told_apart_and_refused() {
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let cases = [
        (format!("c=biws,r={nonce},p=AAAAZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ScramError::Proof),
        (format!("c=biws,r={nonce},p=AAAA"), ScramError::Proof),
        (format!("c=biws,r={nonce},p="), ScramError::Proof),
        (format!("c=biws,r={nonce},p=?"), ScramError::Malformed),
        (format!("c=biws,r={nonce}x,p={proof}"), ScramError::Nonce),
        (format!("c=biws,r=rOprNGfwEbeRWgbNEkqO,p={proof}"), ScramError::Nonce),
        (format!("c=eSws,r={nonce},p={proof}"), ScramError::ChannelBinding),
        (format!("c=biws,r={nonce}"), ScramError::Malformed),
        (String::new(), ScramError::Malformed),
    ];
    for (message, expected) in cases {
        assert_eq!(started().finish(message.as_bytes()), Err(expected), "{message}");
    }
    assert_eq!(started().finish(b"\xff\xfe,p="), Err(ScramError::Malformed));
}

/// What librdkafka 2.0 sends: its nonce twice, and a proof over just that.
#[test]
fn a_nonce_that_repeats_the_clients_is_taken() {
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqOrOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let server = started();
    let hash = ScramHash::Sha256;
    let client_key = hash.hmac(&hash.salted_password("pencil", &server.credential.salt, 4_096), b"Client Key");
    let signature = hash.hmac(&hash.hash(&client_key), format!("{},{last}", server.messages).as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
    assert!(server.finish(format!("{last},p={}", STANDARD.encode(proof)).as_bytes()).is_ok());
}

#[test]
fn first_messages_are_read_or_refused() {
    let cases: &[(&str, Result<&str, ScramError>)] = &[
        ("n,,n=user,r=abc", Ok("user")),
        ("y,,n=user,r=abc", Ok("user")),
        ("n,,n=a=2Cb=3Dc,r=abc,tokenauth=true", Ok("a,b=c")),
        ("n,a=user,n=user,r=abc", Ok("user")),
        ("n,a=other,n=user,r=abc", Err(ScramError::OtherIdentity)),
        ("p=tls-unique,,n=user,r=abc", Err(ScramError::ChannelBinding)),
        ("n,,n=a=b,r=abc", Err(ScramError::Malformed)),
        ("n,,m=x,n=user,r=abc", Err(ScramError::Malformed)),
        ("n,,n=,r=abc", Err(ScramError::Malformed)),
        ("n,,n=user,r=", Err(ScramError::Malformed)),
        ("n,,n=user", Err(ScramError::Malformed)),
        ("n", Err(ScramError::Malformed)),
        ("", Err(ScramError::Malformed)),
    ];
    for (message, expected) in cases {
        let user = ClientFirst::parse(message.as_bytes()).map(|first| first.user);
        assert_eq!(user.as_deref().map_err(|error| *error), *expected, "{message}");
    }
    assert_eq!(ClientFirst::parse(format!("n,,n=user,r={}", "x".repeat(2_000)).as_bytes()), Err(ScramError::Malformed));
}

#[test]
fn keys_are_not_shown() {
    let shown = format!("{:?}", pencil(ScramHash::Sha512, SALT_256));
    assert_eq!(shown, "ScramCredential(Sha512, 4096 iterations, ..)");
}

proptest! {
    /// Whatever comes, nobody is let in by it, and nothing breaks.
    #[test]
    fn messages_of_all_kinds_are_refused(
        first in prop_oneof![".{0,60}", "[npy]?,(a=[a-c=,]{0,4})?,n=[a=,23CD]{0,6},r=[ -~]{0,8}"],
        last in prop_oneof![".{0,60}", "c=(biws|eSws|[a-z=]{0,4}),r=[a-zA-Z+=,]{0,40}(,p=[a-zA-Z0-9+/=]{0,60})?"],
    ) {
        let _ = ClientFirst::parse(first.as_bytes());
        prop_assert!(started().finish(last.as_bytes()).is_err());
    }

    /// Every name comes back as it was written.
    #[test]
    fn names_are_unescaped(name in "[a-z=,é]{1,8}") {
        let written = name.replace('=', "=3D").replace(',', "=2C");
        prop_assert_eq!(ClientFirst::parse(format!("n,,n={written},r=x").as_bytes()).map(|first| first.user), Ok(name));
    }
}
