//! What an embedding program may choose about who gets in: listeners, certificates, mechanisms, first user, super users.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::secret::Secret;

/// One place to listen, as in Kafka's `listeners` and `advertised.listeners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What logs and configs call it; each name once.
    pub name: String,
    /// Where to listen. Port 0 takes any free one.
    pub bind: SocketAddr,
    /// Host and port clients are told to connect to; port 0 is the one listened on. `None`: the address listened
    /// on, which must be one then.
    pub advertised: Option<(String, u16)>,
    /// What a client must do before it is served. Beyond loopback only [`SecurityProtocol::SaslSsl`] is allowed.
    pub protocol: SecurityProtocol,
}

impl Listener {
    /// A listener named after its protocol.
    pub fn new(protocol: SecurityProtocol, bind: SocketAddr) -> Self {
        Self { name: protocol.to_string(), bind, advertised: None, protocol }
    }
}

/// Kafka's `security.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// Encrypted; authenticated by certificate if a client CA is given.
    Ssl,
    /// Authenticated, not encrypted: SCRAM only.
    SaslPlaintext,
    /// Encrypted and authenticated.
    SaslSsl,
}

impl SecurityProtocol {
    /// Bytes are encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Clients log in.
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

const PROTOCOLS: &[(SecurityProtocol, &str)] = &[
    (SecurityProtocol::Plaintext, "PLAINTEXT"),
    (SecurityProtocol::Ssl, "SSL"),
    (SecurityProtocol::SaslPlaintext, "SASL_PLAINTEXT"),
    (SecurityProtocol::SaslSsl, "SASL_SSL"),
];

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PROTOCOLS.iter().find(|(protocol, _)| protocol == self).map_or("", |(_, name)| name);
        formatter.write_str(name)
    }
}

impl FromStr for SecurityProtocol {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = PROTOCOLS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        found
            .map(|(protocol, _)| *protocol)
            .ok_or_else(|| UnknownName { name: name.to_owned(), known: "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL" })
    }
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// The password itself (RFC 4616); offered over TLS only.
    Plain,
    /// A proof of the password (RFC 5802, RFC 7677).
    ScramSha256,
    /// The same with the longer hash.
    ScramSha512,
}

const MECHANISMS: &[(Mechanism, &str)] =
    &[(Mechanism::Plain, "PLAIN"), (Mechanism::ScramSha256, "SCRAM-SHA-256"), (Mechanism::ScramSha512, "SCRAM-SHA-512")];

impl Mechanism {
    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        MECHANISMS.iter().find(|(mechanism, _)| *mechanism == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for Mechanism {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = MECHANISMS.iter().find(|(_, known)| *known == name);
        found
            .map(|(mechanism, _)| *mechanism)
            .ok_or_else(|| UnknownName { name: name.to_owned(), known: "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512" })
    }
}

/// A name that is none of those we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not known here; it is one of {known}")]
pub struct UnknownName {
    name: String,
    known: &'static str,
}

/// Who gets in, and what he may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityConfig {
    /// The broker's certificate; needed by listeners with TLS.
    pub tls: Option<TlsFiles>,
    /// `sasl.enabled.mechanisms`. PLAIN is offered over TLS only, whatever stands here.
    pub mechanisms: Vec<Mechanism>,
    /// The first user: exists with this password after every start, and is a super user.
    pub bootstrap_admin: Option<Credential>,
    /// `super.users`: principals to whom no ACL applies, as `User:name`.
    pub super_users: Vec<String>,
    /// `connections.max.reauth.ms`: how long a login lasts before the client must log in again (KIP-368). `None`: as long as the connection.
    pub max_session: Option<Duration>,
    /// `connection.failed.authentication.delay.ms`: an answer to a wrong password comes this much later, against guessing.
    pub failed_login_delay: Duration,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            tls: None,
            mechanisms: vec![Mechanism::ScramSha256, Mechanism::ScramSha512, Mechanism::Plain],
            bootstrap_admin: None,
            super_users: Vec::new(),
            max_session: None,
            failed_login_delay: Duration::from_millis(100),
        }
    }
}

/// PEM files of the broker's TLS identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The broker's certificate, then those that lead to its authority.
    pub certificate_chain: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub private_key: PathBuf,
    /// Authorities of client certificates. When given, every client must show a certificate of theirs.
    pub client_authorities: Option<PathBuf>,
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The name, without `User:`.
    pub user: String,
    /// The password.
    pub password: Secret,
}
