//! From listeners as configured to listeners as bound: what is refused, and why, before a socket is opened.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::settings::{Listener, Mechanism, SecurityConfig, SecurityProtocol};
use super::tls::{Tls, TlsError};

/// A listener that listens.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) name: String,
    pub(crate) protocol: SecurityProtocol,
    pub(crate) address: SocketAddr,
    /// What clients that came here are told to connect to.
    pub(crate) advertised: (String, u16),
    /// How clients may log in here.
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) tls: Option<Tls>,
}

impl BoundListener {
    /// Clients say who they are: by a login, or by a certificate.
    pub(crate) fn authenticates(&self) -> bool {
        self.protocol.has_sasl() || self.tls.as_ref().is_some_and(|tls| tls.verifies_clients)
    }
}

/// Holds the configuration against the rules. Reads the TLS files once for all listeners.
pub(crate) fn check(listeners: &[Listener], security: &SecurityConfig) -> Result<Option<Tls>, ListenerError> {
    for (index, listener) in listeners.iter().enumerate() {
        let name = || listener.name.clone();
        if listeners[..index].iter().any(|other| other.name == listener.name) {
            return Err(ListenerError::NamedTwice { name: name() });
        }
        if !listener.bind.ip().is_loopback() && listener.protocol != SecurityProtocol::SaslSsl {
            return Err(ListenerError::Open { name: name(), bind: listener.bind, protocol: listener.protocol });
        }
        if listener.bind.ip().is_unspecified() && listener.advertised.is_none() {
            return Err(ListenerError::NotAdvertised { name: name(), bind: listener.bind });
        }
        if listener.protocol.has_tls() && security.tls.is_none() {
            return Err(ListenerError::NoCertificate { name: name(), protocol: listener.protocol });
        }
        if listener.protocol.has_sasl() && mechanisms(listener.protocol, security).is_empty() {
            return Err(ListenerError::NoMechanism { name: name() });
        }
    }
    let needs_tls = listeners.iter().any(|listener| listener.protocol.has_tls());
    Ok(security.tls.as_ref().filter(|_| needs_tls).map(Tls::load).transpose()?)
}

/// How clients may log in on a listener: with the password itself only where nobody can read it on the way.
fn mechanisms(protocol: SecurityProtocol, security: &SecurityConfig) -> Vec<Mechanism> {
    let offered = security.mechanisms.iter().filter(|mechanism| protocol.has_tls() || **mechanism != Mechanism::Plain);
    if protocol.has_sasl() { offered.copied().collect() } else { Vec::new() }
}

/// Opens the sockets. With `fallback_to_any_port` a port in use is replaced by any free one.
pub(crate) fn bind(
    listeners: &[Listener],
    security: &SecurityConfig,
    tls: Option<&Tls>,
    fallback_to_any_port: bool,
) -> Result<Vec<(TcpListener, BoundListener)>, ListenerError> {
    let bound = listeners.iter().map(|listener| {
        let socket = bind_one(listener.bind, fallback_to_any_port)?;
        let address = socket.local_addr().map_err(|source| ListenerError::Listen { listen: listener.bind, source })?;
        let (host, port) = listener.advertised.clone().unwrap_or_else(|| (address.ip().to_string(), 0));
        let bound = BoundListener {
            name: listener.name.clone(),
            protocol: listener.protocol,
            address,
            advertised: (host, if port == 0 { address.port() } else { port }),
            mechanisms: mechanisms(listener.protocol, security),
            tls: tls.filter(|_| listener.protocol.has_tls()).cloned(),
        };
        Ok((socket, bound))
    });
    bound.collect()
}

fn bind_one(listen: SocketAddr, fallback_to_any_port: bool) -> Result<TcpListener, ListenerError> {
    let socket = match TcpListener::bind(listen) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && fallback_to_any_port => TcpListener::bind((listen.ip(), 0)),
        socket => socket,
    };
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ListenerError::PortInUse { listen },
        _ => ListenerError::Listen { listen, source },
    };
    let socket = socket.map_err(failed)?;
    socket.set_nonblocking(true).map_err(|source| ListenerError::Listen { listen, source })?;
    Ok(socket)
}

/// Why there is no listening as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// Someone else listens there.
    #[error("port {} on {} is in use, by another broker perhaps; stop it or choose another port", listen.port(), listen.ip())]
    PortInUse {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {listen}: {source}; choose an address of this machine and a port you may use")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// More than this machine could reach it.
    #[error(
        "refusing to listen on {bind} as {protocol} ({name}): everyone who reaches it could read and delete everything, or read along; \
        use SASL_SSL with a certificate and a user, or listen on 127.0.0.1"
    )]
    Open {
        /// The listener.
        name: String,
        /// The address asked for.
        bind: SocketAddr,
        /// The protocol asked for.
        protocol: SecurityProtocol,
    },
    /// Clients can't be sent to "all addresses".
    #[error(
        "listener {name} listens on all addresses ({bind}), to which no client can connect; say by which host they reach this machine (advertised)"
    )]
    NotAdvertised {
        /// The listener.
        name: String,
        /// The address asked for.
        bind: SocketAddr,
    },
    /// TLS needs an identity.
    #[error("listener {name} is {protocol}, but there is no certificate; give a certificate chain and its private key as PEM files")]
    NoCertificate {
        /// The listener.
        name: String,
        /// The protocol asked for.
        protocol: SecurityProtocol,
    },
    /// Nobody could log in.
    #[error("listener {name} offers no way to log in; enable SCRAM-SHA-256 or SCRAM-SHA-512 (PLAIN is offered over TLS only)")]
    NoMechanism {
        /// The listener.
        name: String,
    },
    /// Nobody could log in.
    #[error("listeners want a login, but there is no user yet; give a first user (name and password)")]
    NoUser,
    /// Which one is meant?
    #[error("two listeners are called {name}; give each a name of its own")]
    NamedTwice {
        /// The name.
        name: String,
    },
    /// The certificate, key or authorities.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
