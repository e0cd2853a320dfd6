//! Alerts for somebody else's program: an HTTP POST for each bundle of them.
//!
//! The body is JSON: `text`, which chat programs with incoming webhooks (Slack, Mattermost, Rocket.Chat) show as it is, and `alerts` in the
//! schema of the topic, for programs. What can't be delivered is tried again with growing pauses, then told once and passed over: alerts stay in
//! their topic, and a receiver that is away must hold up nothing.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::json;
use ureq::{Agent, http::Uri, tls};
use weir_model::{Alert, AlertSeverity, Problem};

/// Alerts that wait; more are passed over.
const WAITING_MAX: usize = 200;
/// Alerts in one request.
const BUNDLE_MAX: usize = 20;
/// How long a request may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Pauses before a bundle is tried again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

/// Where to. It often holds a token, so only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl FromStr for WebhookUrl {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let uri = text.trim().parse::<Uri>().ok();
        uri.filter(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"))).map(Self).ok_or_else(|| {
            Problem::new("Alerts can't be sent on", "the webhook's address is no http or https URL", "Give it as https://host/path")
        })
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme_str().unwrap_or_default(), self.0.host().unwrap_or_default())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Sends alerts until it is dropped; what waits then is tried once more.
pub(crate) struct Webhook {
    waiting: SyncSender<Waiting>,
    /// Dropped to end pauses.
    at_work: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An alert, or that none follows.
type Waiting = Option<Alert>;

/// Hands alerts over. It may outlive the [`Webhook`], and then does nothing.
#[derive(Clone)]
pub(crate) struct WebhookQueue(SyncSender<Waiting>);

impl WebhookQueue {
    /// Takes alerts in; never waits. What finds no room is passed over.
    pub(crate) fn offer(&self, alerts: &[Alert]) {
        for alert in alerts {
            if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.0.try_send(Some(alert.clone())) {
                tracing::debug!("an alert was not sent on: too many wait");
                return;
            }
        }
    }
}

impl Webhook {
    /// Starts to send. `failed` hears when the receiver begins to be out of reach.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(url: WebhookUrl, failed: impl Fn(&Problem) + Send + 'static) -> Result<Self, Problem> {
        Self::pausing(url, PAUSES, failed)
    }

    fn pausing<const N: usize>(
        url: WebhookUrl,
        pauses: [Duration; N],
        failed: impl Fn(&Problem) + Send + 'static,
    ) -> Result<Self, Problem> {
        let (waiting, alerts) = sync_channel(WAITING_MAX);
        let (at_work, is_ending) = sync_channel(0);
        let work = move || Sender { agent: agent(), url, is_ending, is_lost: false }.work(&alerts, &pauses, failed);
        let thread = thread::Builder::new()
            .name("weir-webhook".to_owned())
            .spawn(work)
            .map_err(|error| Problem::new("Alerts can't be sent on", error.to_string(), "Free some memory and try again"))?;
        Ok(Self { waiting, at_work: Some(at_work), thread: Some(thread) })
    }

    /// For those who tell alerts.
    pub(crate) fn queue(&self) -> WebhookQueue {
        WebhookQueue(self.waiting.clone())
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        drop(self.at_work.take());
        // Behind what waits. It fails when the thread is gone.
        let _ = self.waiting.send(None);
        if let Some(thread) = self.thread.take() {
            // A panic was told by the hook already.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Sender {
    agent: Agent,
    url: WebhookUrl,
    is_ending: Receiver<()>,
    /// The last bundle did not arrive.
    is_lost: bool,
}

impl Sender {
    fn work(mut self, waiting: &Receiver<Waiting>, pauses: &[Duration], failed: impl Fn(&Problem)) {
        let mut is_last = false;
        while !is_last {
            let Ok(Some(first)) = waiting.recv() else { return };
            let mut bundle = vec![first];
            while bundle.len() < BUNDLE_MAX
                && let Ok(next) = waiting.try_recv()
            {
                match next {
                    Some(alert) => bundle.push(alert),
                    None => {
                        is_last = true;
                        break;
                    }
                }
            }
            match self.deliver(&body(&bundle), pauses) {
                Ok(()) => self.is_lost = false,
                Err(why) => {
                    if !std::mem::replace(&mut self.is_lost, true) {
                        failed(&Problem::new(
                            format!("Alerts do not reach {}", self.url),
                            why,
                            "Check the webhook's address and its receiver; the alerts are in their topic and on the screen",
                        ));
                    }
                    // Who wants to end does not wait for a receiver that is away.
                    is_last |= self.ends_within(Duration::ZERO);
                }
            }
        }
    }

    /// Sends one bundle; where the receiver was lost already, or all is about to end, once.
    fn deliver(&self, body: &str, pauses: &[Duration]) -> Result<(), String> {
        let mut pauses = pauses.iter().filter(|_| !self.is_lost);
        loop {
            let error = match self.post(body) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if is_passing(&error) && !self.ends_within(*pause) => {}
                _ => return Err(reason(&error)),
            }
        }
    }

    fn post(&self, body: &str) -> Result<(), ureq::Error> {
        self.agent.post(&self.url.0).content_type("application/json").send(body).map(drop)
    }

    /// Whether the owner goes within so long.
    fn ends_within(&self, pause: Duration) -> bool {
        matches!(self.is_ending.recv_timeout(pause), Err(RecvTimeoutError::Disconnected))
    }
}

fn agent() -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = tls::TlsConfig::builder().root_certs(tls::RootCerts::PlatformVerifier).unversioned_rustls_crypto_provider(provider).build();
    Agent::config_builder().timeout_global(Some(ANSWER_MAX)).max_redirects(0).tls_config(tls).build().into()
}

/// Whether the same request may succeed later.
fn is_passing(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::StatusCode(code) => *code == 408 || *code == 429 || *code >= 500,
        ureq::Error::Timeout(_) | ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => true,
        _ => false,
    }
}

/// What went wrong, without the address.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(code) => format!("it answered with status {code}"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", ANSWER_MAX.as_secs()),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::Tls(why) => (*why).to_owned(),
        ureq::Error::Rustls(error) => error.to_string(),
        _ => "the connection failed".to_owned(),
    }
}

fn body(alerts: &[Alert]) -> String {
    let text: Vec<String> = alerts.iter().map(line).collect();
    let alerts: Vec<_> = alerts
        .iter()
        .map(|alert| {
            json!({
                "alert_id": &*alert.alert_id, "pipeline": alert.pipeline.as_str(), "rule": &*alert.rule, "severity": severity(alert.severity),
                "subject_key": &*alert.subject, "value": alert.value, "threshold": alert.threshold,
                "evidence": alert.evidence.iter().map(|why| &**why).collect::<Vec<_>>(), "ts": alert.at.0,
            })
        })
        .collect();
    json!({ "text": text.join("\n"), "alerts": alerts }).to_string()
}

/// An alert in one line.
fn line(alert: &Alert) -> String {
    let why = alert.evidence.first().map(|why| format!(": {why}")).unwrap_or_default();
    format!("[{}] {}: {} about {}{why}", severity(alert.severity), alert.pipeline, alert.rule.replace('_', " "), alert.subject)
}

fn severity(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Info => "info",
        AlertSeverity::Warning => "warning",
        AlertSeverity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tiny_http::{Response, Server};
    use weir_model::TimestampMs;

    use super::*;

    const NO_PAUSES: [Duration; 2] = [Duration::ZERO; 2];

    fn alert(id: &str) -> Alert {
        Alert {
            alert_id: id.into(),
            pipeline: "fraud".into(),
            rule: "impossible_travel".into(),
            severity: AlertSeverity::Critical,
            subject: "acct-7".into(),
            value: 1_200.0,
            threshold: 900.0,
            evidence: vec!["Oslo and Rome within a minute".into()],
            at: TimestampMs(5),
        }
    }

    /// A receiver that answers with these codes, then with the last one; the bodies it got.
    fn receiver(codes: &'static [u16]) -> (WebhookUrl, Receiver<Value>) {
        let server = Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/secret-token", server.server_addr());
        let (sender, bodies) = sync_channel(WAITING_MAX);
        let answer = move || {
            for at in 0.. {
                let Ok(mut request) = server.recv() else { return };
                let body = serde_json::from_reader(request.as_reader()).unwrap();
                // Before the answer: whoever has that may look for the body.
                if sender.send(body).is_err() {
                    return;
                }
                let _ = request.respond(Response::empty(codes[at.min(codes.len() - 1)]));
            }
        };
        thread::Builder::new().name("receiver".to_owned()).spawn(answer).unwrap();
        (url.parse().unwrap(), bodies)
    }

    #[test]
    fn alerts_arrive_as_text_and_as_data() {
        let (url, bodies) = receiver(&[200]);
        let webhook = Webhook::start(url, |problem| panic!("{problem}")).unwrap();
        webhook.queue().offer(&[alert("a-1")]);
        let body = bodies.recv().unwrap();
        assert_eq!(body["text"], "[critical] fraud: impossible travel about acct-7: Oslo and Rome within a minute");
        assert_eq!(body["alerts"][0]["alert_id"], "a-1");
        assert_eq!(body["alerts"][0]["subject_key"], "acct-7");
    }

    #[test]
    fn what_fails_for_a_while_is_tried_again_and_what_fails_for_good_is_told_without_the_token() {
        let check = |codes: &'static [u16], requests: usize, expect: Option<&str>| {
            let (url, bodies) = receiver(codes);
            let (failed, problems) = sync_channel(WAITING_MAX);
            let webhook = Webhook::pausing(url, NO_PAUSES, move |problem| failed.send(problem.to_string()).unwrap()).unwrap();
            webhook.queue().offer(&[alert("a-1")]);
            let got: Vec<Value> = bodies.iter().take(requests).collect();
            assert!(got.iter().all(|body| *body == got[0]));
            drop(webhook);
            let told: Vec<String> = problems.iter().collect();
            assert_eq!((bodies.try_iter().count(), told.len()), (0, usize::from(expect.is_some())), "{codes:?}: {told:?}");
            assert!(
                told.iter().all(|problem| problem.contains(expect.unwrap_or_default()) && !problem.contains("secret-token")),
                "{told:?}"
            );
        };
        check(&[503, 429, 204], 3, None);
        check(&[503], 3, Some("status 503"));
        check(&[404], 1, Some("status 404"));
    }

    #[test]
    fn what_waits_at_the_end_is_sent() {
        let (url, bodies) = receiver(&[200]);
        let webhook = Webhook::start(url, |problem| panic!("{problem}")).unwrap();
        let alerts: Vec<Alert> = (0..50).map(|at| alert(&format!("a-{at}"))).collect();
        webhook.queue().offer(&alerts);
        drop(webhook);
        let sent: usize = bodies.try_iter().map(|body| body["alerts"].as_array().unwrap().len()).sum();
        assert_eq!(sent, 50);
    }

    #[test]
    fn only_http_addresses_are_taken_and_tokens_never_shown() {
        let check = |text: &str, expect: Option<&str>| {
            let url = text.parse::<WebhookUrl>().ok();
            assert_eq!(url.map(|url| format!("{url} {url:?}")), expect.map(str::to_owned), "{text}");
        };
        check("https://hooks.example/T0/secret", Some("https://hooks.example/… https://hooks.example/…"));
        check("http://user:secret@127.0.0.1:80/", Some("http://127.0.0.1/… http://127.0.0.1/…"));
        check("ftp://hooks.example/", None);
        check("hooks.example", None);
        check("", None);
    }
}
