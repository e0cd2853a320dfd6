//! What a connection has said about who it is: TLS certificate, SASL login, and until when that holds.
//!
//! ```text
//! Start ──SaslHandshake──► Chosen ──SaslAuthenticate (or raw tokens)──► … ──► LoggedIn ──SaslHandshake──► Chosen (KIP-368) …
//!                             └────────── wrong ──► Failed: the answer is sent, the connection ends
//! ```

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::listeners::BoundListener;
use super::principal::Principal;
use super::scram::{ClientFirst, ScramError, ScramHash, ScramServer};
use super::settings::Mechanism;
use super::users::{Users, random};
use crate::sync::lock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bytes of the server's nonce.
const NONCE_BYTES: usize = 24;
const MAX_PLAIN_FIELD_BYTES: usize = 1_024;

/// One connection's identity.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) listener: Arc<BoundListener>,
    pub(crate) client_host: IpAddr,
    state: Mutex<State>,
    /// There is a wait to be taken: looked at after every request, and nearly never there.
    is_muted: AtomicBool,
}

#[derive(Debug)]
struct State {
    principal: Principal,
    step: Step,
    /// Whom and by what mechanism the connection logged in first: a second login must be the same (KIP-368).
    first_login: Option<(Principal, Mechanism)>,
    /// When the login must be repeated.
    expires_ms: Option<i64>,
    /// SASL tokens come without Kafka's headers (handshake version 0).
    raw_tokens: bool,
    /// How long the client must wait, for it has used more than its quotas allow.
    muted: Duration,
}

#[derive(Debug)]
enum Step {
    Start,
    Chosen(Mechanism),
    Scram(Mechanism, Box<ScramServer>),
    LoggedIn,
    Failed,
}

/// What a token leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// For the client.
    pub(crate) token: Vec<u8>,
    /// The client is who he says.
    pub(crate) is_done: bool,
}

impl Session {
    /// A connection that has just come; with the name in its certificate, if it showed one.
    pub(crate) fn new(listener: Arc<BoundListener>, client_host: IpAddr, certificate_name: Option<&str>) -> Self {
        let step = if listener.protocol.has_sasl() { Step::Start } else { Step::LoggedIn };
        let principal = certificate_name.map_or_else(Principal::anonymous, Principal::user);
        let state = State { principal, step, first_login: None, expires_ms: None, raw_tokens: false, muted: Duration::ZERO };
        Self { listener, client_host, state: Mutex::new(state), is_muted: AtomicBool::new(false) }
    }

    /// Clients log in here. Where they don't, none of the questions below costs a lock.
    fn wants_login(&self) -> bool {
        self.listener.protocol.has_sasl()
    }

    /// Who the connection acts for.
    pub(crate) fn principal(&self) -> Principal {
        lock(&self.state).principal.clone()
    }

    /// Whether the client has said all that this listener wants to know.
    pub(crate) fn is_authenticated(&self) -> bool {
        if !self.wants_login() {
            return true;
        }
        let state = lock(&self.state);
        state.first_login.is_some() || matches!(state.step, Step::LoggedIn)
    }

    /// Whether anything but a login may be asked now.
    pub(crate) fn admits(&self, now_ms: i64) -> Result<(), NotAdmitted> {
        if !self.wants_login() {
            return Ok(());
        }
        let state = lock(&self.state);
        match state.step {
            Step::LoggedIn if state.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) => Err(NotAdmitted::Expired),
            Step::LoggedIn => Ok(()),
            _ => Err(NotAdmitted::NotLoggedIn),
        }
    }

    /// The login failed: once the client knows, the connection ends.
    pub(crate) fn has_failed(&self) -> bool {
        self.wants_login() && matches!(lock(&self.state).step, Step::Failed)
    }

    /// The next bytes are a SASL token without Kafka's header.
    pub(crate) fn takes_raw_tokens(&self) -> bool {
        if !self.wants_login() {
            return false;
        }
        let state = lock(&self.state);
        state.raw_tokens && matches!(state.step, Step::Chosen(_) | Step::Scram(..))
    }

    /// After the answer under way nothing is read for this long (KIP-219).
    pub(crate) fn mute(&self, duration: Duration) {
        let mut state = lock(&self.state);
        state.muted = state.muted.max(duration);
        self.is_muted.store(true, Release);
    }

    /// How long nothing must be read now; asked once.
    pub(crate) fn take_muted(&self) -> Duration {
        if !self.is_muted.swap(false, AcqRel) {
            return Duration::ZERO;
        }
        std::mem::take(&mut lock(&self.state).muted)
    }

    /// SaslHandshake: the client chooses how to log in.
    pub(crate) fn choose(&self, name: &str, raw_tokens: bool) -> Result<(), ChooseError> {
        let mut state = lock(&self.state);
        let is_allowed = self.wants_login() && matches!(state.step, Step::Start | Step::LoggedIn);
        if !is_allowed {
            return Err(ChooseError::IllegalState);
        }
        let offered = self.listener.mechanisms.iter().find(|mechanism| mechanism.name() == name);
        let mechanism = offered.filter(|offered| state.first_login.as_ref().is_none_or(|(_, first)| first == *offered));
        let Some(mechanism) = mechanism else {
            state.step = Step::Failed;
            return Err(ChooseError::Unsupported);
        };
        state.step = Step::Chosen(*mechanism);
        state.raw_tokens = raw_tokens;
        Ok(())
    }

    /// A SASL token. May take milliseconds of CPU: call it where that holds up nobody.
    pub(crate) fn authenticate(&self, users: &Users, token: &[u8], expires_ms: Option<i64>) -> Result<Progress, LoginError> {
        let step = std::mem::replace(&mut lock(&self.state).step, Step::Failed);
        let (mechanism, user, token) = match step {
            Step::Chosen(Mechanism::Plain) => (Mechanism::Plain, plain(users, token)?, Vec::new()),
            Step::Chosen(mechanism) => {
                let (server, token) = scram_start(users, mechanism, token)?;
                lock(&self.state).step = Step::Scram(mechanism, Box::new(server));
                return Ok(Progress { token, is_done: false });
            }
            Step::Scram(mechanism, server) => {
                let (user, token) = server.finish(token)?;
                (mechanism, user, token)
            }
            step @ (Step::Start | Step::LoggedIn) => {
                lock(&self.state).step = step;
                return Err(LoginError::IllegalState);
            }
            Step::Failed => return Err(LoginError::IllegalState),
        };
        self.log_in(mechanism, &user, expires_ms)?;
        Ok(Progress { token, is_done: true })
    }

    fn log_in(&self, mechanism: Mechanism, user: &str, expires_ms: Option<i64>) -> Result<(), LoginError> {
        let principal = Principal::user(user);
        let mut state = lock(&self.state);
        if state.first_login.as_ref().is_some_and(|(first, _)| *first != principal) {
            return Err(LoginError::OtherUser);
        }
        state.first_login.get_or_insert_with(|| (principal.clone(), mechanism));
        state.principal = principal;
        state.expires_ms = expires_ms;
        state.step = Step::LoggedIn;
        Ok(())
    }
}

/// RFC 4616: `[authzid] NUL user NUL password`.
fn plain(users: &Users, token: &[u8]) -> Result<String, LoginError> {
    let text = std::str::from_utf8(token).map_err(|_| LoginError::MalformedPlain)?;
    let fields: Vec<&str> = text.split('\0').collect();
    let [acts_for, user, password] = fields[..] else { return Err(LoginError::MalformedPlain) };
    if user.is_empty() || password.is_empty() || user.len().max(password.len()) > MAX_PLAIN_FIELD_BYTES {
        return Err(LoginError::MalformedPlain);
    }
    if !acts_for.is_empty() && acts_for != user {
        return Err(LoginError::Scram(ScramError::OtherIdentity));
    }
    if users.verifies(user, password) { Ok(user.to_owned()) } else { Err(LoginError::Scram(ScramError::Proof)) }
}

fn scram_start(users: &Users, mechanism: Mechanism, token: &[u8]) -> Result<(ScramServer, Vec<u8>), LoginError> {
    let first = ClientFirst::parse(token)?;
    let hash = if mechanism == Mechanism::ScramSha512 { ScramHash::Sha512 } else { ScramHash::Sha256 };
    let credential = users.credential(&first.user, hash);
    let nonce = STANDARD_NO_PAD.encode(random::<NONCE_BYTES>()?);
    Ok(ScramServer::start(first, credential, &nonce))
}

/// Why a request is not served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    /// First things first.
    #[error("the client must log in first: this listener wants SASL (set security.protocol and sasl.mechanism)")]
    NotLoggedIn,
    /// KIP-368.
    #[error("the login has expired (connections.max.reauth.ms) and the client did not repeat it")]
    Expired,
}

/// Why a mechanism could not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChooseError {
    /// Not now, or not on this listener.
    IllegalState,
    /// Not offered, or not the one of the first login.
    Unsupported,
}

/// Why a login failed; for the log. The client learns only that it did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// No mechanism was chosen, or the login is over.
    #[error("a SASL token came without a handshake before it")]
    IllegalState,
    /// Not what RFC 4616 says.
    #[error("the PLAIN token is malformed")]
    MalformedPlain,
    /// What SCRAM says, and a wrong password of PLAIN alike.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// KIP-368: the same user, or nobody.
    #[error("a connection can't change its user")]
    OtherUser,
    /// Fault of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
}
