//! From a frame to the API that answers it: header, version window, guard, decode, handle, encode.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};

use super::access::{Caller, Change, Gate, Gated as _};
use super::throttle::Account;
use super::{APIS, Api, Refusal, RequestContext, k17_sasl_handshake, k18_api_versions, k36_sasl_authenticate};
use crate::codec::guard::Guard;
use crate::codec::{self, CodecError, FrameError, HeaderVersion as _, RequestHead};
use crate::node::Node;
use crate::security::{NotAdmitted, Session};

/// What a client may ask before it has logged in, where a login is wanted: what is served, and the login.
const BEFORE_LOGIN: &[i16] =
    &[k18_api_versions::ApiVersions::KEY, k17_sasl_handshake::SaslHandshake::KEY, k36_sasl_authenticate::SaslAuthenticate::KEY];

/// An API with its types erased.
pub(crate) struct Entry {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) versions: RangeInclusive<i16>,
    header_version: fn(i16) -> i16,
    handle: fn(Arc<Node>, Arc<RequestContext>, i32, Bytes) -> Answering,
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Entry {
    pub(crate) const fn of<A: Api>() -> Self {
        Self {
            key: A::KEY,
            name: A::NAME,
            versions: A::VERSIONS,
            header_version: A::Request::header_version,
            handle: |node, context, correlation_id, body| Box::pin(handle::<A>(node, context, correlation_id, body)),
        }
    }
}

/// Decodes, handles, encodes.
async fn handle<A: Api>(node: Arc<Node>, context: Arc<RequestContext>, correlation_id: i32, body: Bytes) -> Answer {
    let version = context.version;
    let failed = |error: CodecError| error.of(A::NAME, version);
    let mut account = Account::open::<A>(&node, &context, body.len());
    let mut request = codec::decode::<A::Request>(body, version).map_err(failed)?;
    let gate = Caller::restricted(&node, &context).map_or(Gate::Open, |caller| request.gate(&caller));
    let told_by_quota = account.as_mut().and_then(|account| request.meter(account));
    let handling = A::handle(node, Arc::clone(&context), request);
    let mut answer = match gate {
        Gate::Open => on_account(handling, account.as_mut()).await,
        Gate::Then(told_by_access) => on_account(handling, account.as_mut()).await.map(|response| told(response, told_by_access)),
        Gate::Answer(response) => Ok(response),
        Gate::Close(reason) => Err(Refusal::Close(reason)),
    };
    if let Some(told_by_quota) = told_by_quota {
        answer = answer.map(|response| told(response, told_by_quota));
    }
    if let Some(account) = account {
        account.settle::<A>(answer.as_mut().ok());
    }
    match answer {
        Ok(response) => {
            let frame = codec::encode_response(correlation_id, &response, version).map_err(failed)?;
            Ok(Some(Answered { frame, _context: Some(context) }))
        }
        Err(Refusal::NoResponse) => Ok(None),
        Err(Refusal::Close(reason)) => Err(Dropped::Refused(reason)),
    }
}

fn told<R>(mut response: R, change: Change<R>) -> R {
    change(&mut response);
    response
}

/// Counts the time on a worker thread, where someone pays for it.
async fn on_account<T>(work: impl Future<Output = T>, account: Option<&mut Account>) -> T {
    let Some(account) = account else { return work.await };
    let mut work = pin!(work);
    let mut cpu = Duration::ZERO;
    let done = poll_fn(|task| {
        let start = Instant::now();
        let polled = work.as_mut().poll(task);
        cpu += start.elapsed();
        polled
    });
    let done = done.await;
    account.count_cpu(cpu);
    done
}

/// What goes back to the client: a frame, or nothing when it asked for nothing.
pub(crate) type Answer = Result<Option<Answered>, Dropped>;

/// A response on its way.
pub(crate) struct Answered {
    pub(crate) frame: BytesMut,
    /// Holds the memory the response was given until it is sent.
    _context: Option<Arc<RequestContext>>,
}

/// Answers one frame. A panic on the way ends the connection, not the broker.
pub(crate) async fn dispatch(node: &Arc<Node>, session: &Arc<Session>, mut frame: Bytes) -> Answer {
    let head = RequestHead::read(&mut frame)?;
    let Some((index, entry)) = APIS.iter().enumerate().find(|(_, entry)| entry.key == head.key) else {
        return Err(Dropped::UnknownApi { key: head.key, version: head.version });
    };
    node.stats.count_request(index);
    if !BEFORE_LOGIN.contains(&head.key) {
        session.admits(node.clock().now_ms()).map_err(|reason| Dropped::NotAdmitted { name: entry.name, reason })?;
    }
    if !entry.versions.contains(&head.version) {
        // KIP-511: a client that asks for too much learns what there is, in the format every client reads.
        if entry.key == k18_api_versions::ApiVersions::KEY {
            let frame = k18_api_versions::unsupported_version(head.correlation_id)?;
            return Ok(Some(Answered { frame, _context: None }));
        }
        return Err(Dropped::UnknownVersion { name: entry.name, version: head.version });
    }
    let refused = |error| CodecError::Guard(error).of(entry.name, head.version);
    let mut guard = Guard::new(&frame, node.config.limits.max_request_elements);
    let client_id = guard.header((entry.header_version)(head.version)).map_err(refused)?;
    let header_bytes = guard.position();
    guard.body(entry.key, head.version).map_err(refused)?;
    frame.advance(header_bytes);
    let context =
        Arc::new(RequestContext { client_id, session: Arc::clone(session), version: head.version, response_room: OnceLock::new() });
    without_panic(entry.name, (entry.handle)(Arc::clone(node), context, head.correlation_id, frame)).await
}

async fn without_panic(name: &'static str, mut answering: Answering) -> Answer {
    poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(task))) {
        Ok(poll) => poll,
        Err(panic) => std::task::Poll::Ready(Err(Dropped::Panicked { name, reason: panic_text(panic.as_ref()) })),
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
}

/// Why a connection ends over a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dropped {
    /// The bytes are not a request.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No such API here.
    #[error("the client asked for API key {key} (version {version}), which this broker does not serve")]
    UnknownApi {
        /// The key asked for.
        key: i16,
        /// The version asked for.
        version: i16,
    },
    /// Not in this version.
    #[error("the client asked for {name} in version {version}, which this broker does not serve")]
    UnknownVersion {
        /// The API.
        name: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Not before the login, or not after it has expired.
    #[error("the client asked for {name}: {reason}")]
    NotAdmitted {
        /// The API.
        name: &'static str,
        /// Why not.
        reason: NotAdmitted,
    },
    /// The body is not what its API says.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The API itself wants it so.
    #[error("{0}")]
    Refused(String),
    /// A fault of ours.
    #[error("{name} failed inside the broker: {reason}; please report this")]
    Panicked {
        /// The API.
        name: &'static str,
        /// The panic's message.
        reason: String,
    },
}
