//! Figures of a run for Prometheus: an HTTP address that answers with what is known right now.
//!
//! A run's own counters, latencies and verdicts, and what its stream applications tell of themselves, under the names in `metrics.rs`.

mod metrics;

use std::{
    io::Cursor,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

use prometheus_client::{encoding::text, registry::Registry};
use tiny_http::{Header, Request, Response, Server, StatusCode};
use weir_model::{PipelineStatus, Problem, StreamsView};

use metrics::Metrics;

/// The only path there is.
const PATH: &str = "/metrics";
/// OpenMetrics, which Prometheus reads since 2.5.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers scrapes until it is dropped.
pub struct Exporter {
    server: Arc<Server>,
    shown: Metrics,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Listens.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn listen(address: SocketAddr) -> Result<Self, Problem> {
        let failed = |why: String| {
            Problem::new(
                format!("Metrics can't be served on {address}"),
                why,
                "Choose another port with --metrics; 0 takes a free one and tells which",
            )
        };
        let server = Arc::new(Server::http(address).map_err(|error| failed(error.to_string()))?);
        let shown = Metrics::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(shown.clone()));
        let serving = Arc::clone(&server);
        let serve = move || serving.incoming_requests().for_each(|request| answer(request, &registry));
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(|error| failed(error.to_string()))?;
        Ok(Self { server, shown, thread: Some(thread) })
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.server.server_addr())
    }

    /// What the next scrape sees.
    pub fn show(&self, status: Arc<PipelineStatus>, streams: Option<Arc<StreamsView>>) {
        self.shown.set(status, streams);
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.server.unblock();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that served metrics had panicked");
        }
    }
}

fn answer(request: Request, registry: &Registry) {
    let answered = if request.url() == PATH {
        let mut figures = String::new();
        match text::encode(&mut figures, registry) {
            Ok(()) => request.respond(with_type(Response::from_string(figures))),
            Err(error) => request.respond(Response::from_string(error.to_string()).with_status_code(StatusCode(500))),
        }
    } else {
        request.respond(Response::from_string(format!("The figures are at {PATH}\n")).with_status_code(StatusCode(404)))
    };
    if let Err(error) = answered {
        tracing::debug!("a scrape went away before its answer: {error}");
    }
}

fn with_type(response: Response<Cursor<Vec<u8>>>) -> Response<Cursor<Vec<u8>>> {
    match Header::from_bytes("Content-Type", CONTENT_TYPE) {
        Ok(header) => response.with_header(header),
        Err(()) => response,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };

    use weir_model::{Check, CheckVerdict, Latency, Phase, PipelineParams};

    use super::*;

    fn get(exporter: &Exporter, path: &str) -> String {
        let mut stream = TcpStream::connect(exporter.server.server_addr().to_ip().unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn check(id: &str, verdict: CheckVerdict) -> Check {
        Check { id: id.into(), verdict, evidence: "".into() }
    }

    #[test]
    fn a_scrape_gets_the_figures_of_now() {
        let exporter = Exporter::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(get(&exporter, "/metrics").ends_with("# EOF\n"), "nothing is known yet, and that is no error");
        let status = |generated| PipelineStatus {
            produced_per_s: 10.0,
            processed_per_s: 9.5,
            counts: [("generated".to_owned(), generated)].into(),
            latency: Latency { p50: 2.0, p99: 8.0 },
            checks: vec![check("rings_found", CheckVerdict::Fail), check("no_loss", CheckVerdict::Pending)],
            ..PipelineStatus::unmeasured("fraud".into(), Phase::Running, PipelineParams::default())
        };
        for generated in [7, 8] {
            exporter.show(Arc::new(status(generated)), None);
            let answer = get(&exporter, "/metrics");
            for line in [
                format!("weir_run_events_total{{pipeline=\"fraud\",kind=\"generated\"}} {generated}\n"),
                "weir_run_latency_seconds{pipeline=\"fraud\",quantile=\"0.99\"} 0.008\n".to_owned(),
                "weir_run_check{pipeline=\"fraud\",check=\"rings_found\"} 0.0\n".to_owned(),
            ] {
                assert!(answer.contains(&line), "{line} in {answer}");
            }
            assert!(!answer.contains("no_loss"), "what is not known yet has no value: {answer}");
        }
        assert!(get(&exporter, "/").starts_with("HTTP/1.0 404"));
    }

    #[test]
    fn an_address_in_use_is_told() {
        let first = Exporter::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let problem = Exporter::listen(first.server.server_addr().to_ip().unwrap()).err().expect("it is in use");
        assert!(problem.what.contains("can't be served") && problem.what_to_do.contains("--metrics"), "{problem:?}");
    }
}
