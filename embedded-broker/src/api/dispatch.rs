//! From a frame to the API that answers it: header, version window, guard, decode, handle, encode.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};

use super::access::{Caller, Change, Gate, Gated as _};
use super::faulty;
use super::throttle::Account;
use super::{
    APIS, Api, Frame, Refusal, RequestContext, k17_sasl_handshake, k18_api_versions, k36_sasl_authenticate,
    k51_alter_user_scram_credentials,
};
use crate::codec::guard::Guard;
use crate::codec::{self, CodecError, ErrorCodes as _, FrameError, HeaderVersion as _, RequestHead, ResponseError};
use crate::log::Committed;
use crate::node::Node;
use crate::security::{NotAdmitted, Session};
use crate::view::{self, ConnectionCell};

/// What a client may ask before it has logged in, where a login is wanted: what is served, and the login.
const BEFORE_LOGIN: &[i16] =
    &[k18_api_versions::ApiVersions::KEY, k17_sasl_handshake::SaslHandshake::KEY, k36_sasl_authenticate::SaslAuthenticate::KEY];

/// What the coordinators answer, after they have appended: with durability `sync` the disk must have it first. Produce sees to that itself.
const COORDINATED: &[i16] = &[8, 11, 12, 13, 14, 22, 24, 25, 26, 28, 42, 47, 68];

/// What carries secrets: never shown.
const SECRET: &[i16] = &[k36_sasl_authenticate::SaslAuthenticate::KEY, k51_alter_user_scram_credentials::AlterUserScramCredentials::KEY];

/// An API with its types erased.
pub(crate) struct Entry {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) versions: RangeInclusive<i16>,
    header_version: fn(i16) -> i16,
    decode: fn(Bytes, i16) -> Result<(), CodecError>,
    handle: fn(Arc<Node>, Arc<RequestContext>, i32, Bytes) -> Answering,
}

type Answering = Pin<Box<dyn Future<Output = Handled> + Send>>;

/// An answer, with what the view from inside wants to know of it.
struct Handled {
    answer: Answer,
    /// The errors in it.
    error_codes: Vec<i16>,
    /// What was asked, when requests are traced.
    summary: Option<String>,
}

impl Handled {
    fn silent(answer: Answer) -> Self {
        Self { answer, error_codes: Vec::new(), summary: None }
    }
}

impl Entry {
    pub(crate) const fn of<A: Api>() -> Self {
        Self {
            key: A::KEY,
            name: A::NAME,
            versions: A::VERSIONS,
            header_version: A::Request::header_version,
            decode: |body, version| codec::decode::<A::Request>(body, version).map(drop),
            handle: |node, context, correlation_id, body| Box::pin(handle::<A>(node, context, correlation_id, body)),
        }
    }
}

/// Takes a request apart as [`dispatch`] does, and no more: for the fuzzer. `false`: it was refused.
pub(crate) fn decodes(frame: &[u8], max_elements: usize) -> bool {
    let mut frame = Bytes::copy_from_slice(frame);
    let Ok(head) = RequestHead::read(&mut frame) else { return false };
    let Some(entry) = APIS.iter().find(|entry| entry.key == head.key && entry.versions.contains(&head.version)) else { return false };
    let mut guard = Guard::new(&frame, max_elements);
    let Ok(_client_id) = guard.header((entry.header_version)(head.version)) else { return false };
    let body_at = guard.position();
    guard.body(entry.key, head.version).is_ok() && (entry.decode)(frame.slice(body_at..), head.version).is_ok()
}

/// Decodes, handles, encodes.
async fn handle<A: Api>(node: Arc<Node>, context: Arc<RequestContext>, correlation_id: i32, body: Bytes) -> Handled {
    let version = context.version;
    let failed = |error: CodecError| Dropped::from(error.of(A::NAME, version));
    let mut account = Account::open::<A>(&node, &context, body.len());
    let request = match codec::decode::<A::Request>(body, version) {
        Ok(request) => request,
        Err(error) => return Handled::silent(Err(failed(error))),
    };
    let is_traced = node.counters.traces() && !SECRET.contains(&A::KEY);
    let summary = is_traced.then(|| view::summary(&request));
    let mut answer = if node.faults.is_armed() {
        faulty::answer::<A>(&node, &context, request, account.as_mut()).await
    } else {
        allowed::<A>(&node, &context, request, account.as_mut()).await
    };
    if COORDINATED.contains(&A::KEY)
        && answer.is_ok()
        && node.environment.committed().await == Committed::Failed
        && coordinators_failed(&node)
    {
        answer = Err(Refusal::Close("what was asked is done, but could not be synced to the disk".to_owned()));
    }
    if let Some(account) = account {
        account.settle::<A>(answer.as_mut().ok());
    }
    let mut error_codes = Vec::new();
    let answer = match answer {
        Ok(mut response) => {
            response.each_error_code(&mut |_, code| error_codes.extend(Some(*code).filter(|code| *code != 0)));
            let frame = A::frame(&context, correlation_id, &response).map_err(failed);
            frame.map(|frame| Some(Answered { frame, _context: Some(context) }))
        }
        Err(Refusal::NoResponse) => Ok(None),
        Err(Refusal::Close(reason)) => Err(Dropped::Refused(reason)),
    };
    Handled { answer, error_codes, summary }
}

/// What a coordinator has written may be lost.
fn coordinators_failed(node: &Node) -> bool {
    let internal = node.topics.all().into_iter().filter(|topic| topic.is_internal());
    internal.flat_map(|topic| topic.partitions()).any(|log| log.has_failed())
}

/// Lets the API answer what ACLs and quotas allow.
pub(super) async fn allowed<A: Api>(
    node: &Arc<Node>,
    context: &Arc<RequestContext>,
    mut request: A::Request,
    mut account: Option<&mut Account>,
) -> Result<A::Response, Refusal> {
    let gate = Caller::restricted(node, context).map_or(Gate::Open, |caller| request.gate(&caller));
    let told_by_quota = account.as_mut().and_then(|account| request.meter(account));
    let handling = A::handle(Arc::clone(node), Arc::clone(context), request);
    let answer = match gate {
        Gate::Open => on_account(handling, account).await,
        Gate::Then(told_by_access) => on_account(handling, account).await.map(|response| told(response, told_by_access)),
        Gate::Answer(response) => Ok(response),
        Gate::Close(reason) => Err(Refusal::Close(reason)),
    };
    match told_by_quota {
        Some(told_by_quota) => answer.map(|response| told(response, told_by_quota)),
        None => answer,
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
    pub(crate) frame: Frame,
    /// Holds the memory the response was given until it is sent.
    _context: Option<Arc<RequestContext>>,
}

/// Answers one frame. A panic on the way ends the connection, not the broker.
pub(crate) async fn dispatch(node: &Arc<Node>, session: &Arc<Session>, connection: &Arc<ConnectionCell>, mut frame: Bytes) -> Answer {
    let request_bytes = frame.len();
    let head = RequestHead::read(&mut frame)?;
    let Some((index, entry)) = APIS.iter().enumerate().find(|(_, entry)| entry.key == head.key) else {
        return Err(Dropped::UnknownApi { key: head.key, version: head.version });
    };
    let measured = node.counters.begin(connection, index, &head, request_bytes);
    let handled = answer(node, session, connection, entry, &head, frame).await;
    let response_bytes = handled.answer.as_ref().ok().and_then(Option::as_ref).map_or(0, |answered| answered.frame.len());
    measured.end(response_bytes, &handled.error_codes, handled.summary);
    handled.answer
}

async fn answer(
    node: &Arc<Node>,
    session: &Arc<Session>,
    connection: &Arc<ConnectionCell>,
    entry: &Entry,
    head: &RequestHead,
    frame: Bytes,
) -> Handled {
    match admit(node, session, connection, entry, head, frame) {
        Ok((context, body)) => {
            let answering = (entry.handle)(Arc::clone(node), context, head.correlation_id, body);
            without_panic(entry.name, connection, answering).await
        }
        // KIP-511: a client that asks for too much learns what there is, in the format every client reads.
        Err(Dropped::UnknownVersion { .. }) if entry.key == k18_api_versions::ApiVersions::KEY => {
            let frame = k18_api_versions::unsupported_version(head.correlation_id);
            let answer = frame.map(|frame| Some(Answered { frame: frame.into(), _context: None })).map_err(Dropped::from);
            Handled { answer, error_codes: vec![ResponseError::UnsupportedVersion.code()], summary: None }
        }
        Err(dropped) => Handled::silent(Err(dropped)),
    }
}

/// Everything that is looked at before a request is decoded: who asks, in which version, and whether the bytes can be trusted.
fn admit(
    node: &Arc<Node>,
    session: &Arc<Session>,
    connection: &Arc<ConnectionCell>,
    entry: &Entry,
    head: &RequestHead,
    mut frame: Bytes,
) -> Result<(Arc<RequestContext>, Bytes), Dropped> {
    if !BEFORE_LOGIN.contains(&head.key) {
        session.admits(node.clock().now_ms()).map_err(|reason| Dropped::NotAdmitted { name: entry.name, reason })?;
    }
    if !entry.versions.contains(&head.version) {
        return Err(Dropped::UnknownVersion { name: entry.name, version: head.version });
    }
    let refused = |error| CodecError::Guard(error).of(entry.name, head.version);
    let mut guard = Guard::new(&frame, node.config.limits.max_request_elements);
    let client_id = guard.header((entry.header_version)(head.version)).map_err(refused)?;
    let header_bytes = guard.position();
    guard.body(entry.key, head.version).map_err(refused)?;
    frame.advance(header_bytes);
    connection.set_client_id(&client_id);
    let context = RequestContext {
        client_id,
        session: Arc::clone(session),
        connection: Arc::clone(connection),
        version: head.version,
        response_room: OnceLock::new(),
        slices: Mutex::default(),
    };
    Ok((Arc::new(context), frame))
}

async fn without_panic(name: &'static str, connection: &ConnectionCell, mut answering: Answering) -> Handled {
    poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(task))) {
        Ok(Poll::Pending) => {
            connection.park();
            Poll::Pending
        }
        Ok(Poll::Ready(handled)) => Poll::Ready(handled),
        Err(panic) => {
            let reason = panic_text(panic.as_ref());
            Poll::Ready(Handled::silent(Err(Dropped::Panicked { name, reason })))
        }
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
