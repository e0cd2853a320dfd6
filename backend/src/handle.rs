//! The backend as the window and the command line see it: requests in, updates out, both bounded.
//!
//! One thread takes requests; what takes time has a thread of its own: the poller reads the cluster again and again, each message query and
//! each pipeline runs on its own, and changes to the cluster are made one after the other. A panic in any of them becomes a notice.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use weir_model::{Cluster, ConnectionState, NoticeLevel, PipelineId, Problem, QueryId, Request, Update};

use crate::{
    browse::{self, Cancel},
    client::Connection,
    connect::webhook::{Webhook, WebhookUrl},
    export,
    local::LocalBroker,
    operations::{self, Operation},
    pipelines::{self, RunningPipeline},
    poller::Poller,
    updates::{self, Updates, UpdatesReader},
};

/// Requests that wait; one more is answered with "busy".
const REQUESTS_MAX: usize = 256;
/// Changes that wait for the one before them.
const OPERATIONS_MAX: usize = 64;
/// How long pipelines may take to end when the program does, and how often that is looked at.
const ENDING_MAX: Duration = Duration::from_secs(5);
const ENDING_CHECK: Duration = Duration::from_millis(20);
/// How often ended pipelines are noticed.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(500);

/// How the backend is set up.
#[derive(Debug, Clone, Default)]
pub struct HandleConfig {
    /// The embedded broker's data folder; `None` for the user's own.
    pub data_dir: Option<PathBuf>,
    /// Where alerts go too.
    pub alert_webhook: Option<WebhookUrl>,
}

/// A running backend. Dropping it ends pipelines and the embedded broker cleanly, and waits for them.
pub struct Handle {
    requests: Option<SyncSender<Request>>,
    reader: UpdatesReader,
    thread: Option<JoinHandle<()>>,
    /// Goes after the thread, whose last alerts it still sends.
    _webhook: Option<Webhook>,
}

impl Handle {
    /// Starts the backend; it does nothing until [`Request::Connect`]. `wake` is called from a backend thread whenever updates wait
    /// and none did before.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(config: HandleConfig, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, Problem> {
        let (updates, reader) = updates::channel(wake);
        let tell = updates.clone();
        let webhook = config.alert_webhook.clone().map(|url| Webhook::start(url, move |problem| tell.problem(problem))).transpose()?;
        if let Some(webhook) = &webhook {
            updates.send_alerts_to(webhook.queue());
        }
        let (requests, inbox) = sync_channel(REQUESTS_MAX);
        let thread = spawn("weir-backend", &updates, {
            let updates = updates.clone();
            move || Backend::new(config, updates).run(&inbox)
        })?;
        Ok(Self { requests: Some(requests), reader, thread: Some(thread), _webhook: webhook })
    }

    /// Asks for something; never waits.
    ///
    /// # Errors
    /// When too much waits already, or the backend has ended.
    pub fn request(&self, request: Request) -> Result<(), Problem> {
        let ended = || {
            Problem::new("The backend has ended", "one of its threads failed", "Restart the program; the notice before this one says more")
        };
        let Some(requests) = &self.requests else { return Err(ended()) };
        match requests.try_send(request) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(Problem::new("Busy", format!("{REQUESTS_MAX} requests wait already"), "Try again in a moment"))
            }
            Err(TrySendError::Disconnected(_)) => Err(ended()),
        }
    }

    /// Takes at most `max` updates; never waits for the backend's work.
    pub fn drain(&self, max: usize) -> Vec<Update> {
        self.reader.drain(max)
    }

    /// Waits for an update, at most for `timeout`.
    pub fn recv(&self, timeout: Duration) -> Option<Update> {
        self.reader.recv(timeout)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was told as a notice already.
            let _ = thread.join();
        }
    }
}

/// Starts a named thread whose panic is shown to the user.
///
/// # Errors
/// When the system refuses a thread.
pub(crate) fn spawn(name: &str, updates: &Updates, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Problem> {
    let (updates, thread_name) = (updates.clone(), name.to_owned());
    let guarded = move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            updates.notice(
                NoticeLevel::Error,
                format!("An internal error ended {thread_name}"),
                format!("{}. The rest goes on; please report it", text.unwrap_or("no message")),
            );
        }
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .map_err(|error| Problem::new(format!("{name} could not be started"), error.to_string(), "Free some memory and try again"))
}

/// What the request thread owns.
struct Backend {
    config: HandleConfig,
    updates: Updates,
    local: Option<LocalBroker>,
    session: Option<Session>,
}

/// What belongs to one cluster.
struct Session {
    connection: Connection,
    poller: Poller,
    query: Option<(QueryId, Cancel)>,
    pipelines: BTreeMap<PipelineId, RunningPipeline>,
    operations: SyncSender<Operation>,
}

impl Backend {
    fn new(config: HandleConfig, updates: Updates) -> Self {
        Self { config, updates, local: None, session: None }
    }

    fn run(mut self, inbox: &Receiver<Request>) {
        self.updates.publish(Update::Pipelines(pipelines::metas()));
        loop {
            match inbox.recv_timeout(HOUSEKEEPING_INTERVAL) {
                Ok(request) => {
                    if let Err(problem) = self.answer(request) {
                        self.updates.problem(&problem);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(session) = &mut self.session {
                        session.pipelines.retain(|_, pipeline| !pipeline.is_finished());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end_session();
        if let Some(local) = self.local.take()
            && let Err(problem) = local.stop()
        {
            tracing::warn!("{problem}");
        }
    }

    fn answer(&mut self, request: Request) -> Result<(), Problem> {
        if let Request::Connect(cluster) = request {
            self.connect(cluster);
            return Ok(());
        }
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| Problem::new("Not connected", "no cluster was chosen, or it did not start", "Choose a cluster first"))?;
        match request {
            Request::Connect(_) => Ok(()), // answered above
            Request::Refresh => {
                session.poller.refresh();
                Ok(())
            }
            Request::LoadTopicConfigs(topic) => session.operate(Operation::LoadTopicConfigs(topic)),
            Request::CreateTopic(topic) => session.operate(Operation::CreateTopic(topic)),
            Request::DeleteTopic(topic) => session.operate(Operation::DeleteTopic(topic)),
            Request::DeleteGroup(group) => session.operate(Operation::DeleteGroup(group)),
            Request::Produce(record) => session.operate(Operation::Produce(record)),
            Request::ExportMessages { rows, path } => {
                let updates = self.updates.clone();
                spawn("weir-export", &self.updates, move || match export::export_messages(&rows, &path) {
                    Ok(()) => updates.notice(NoticeLevel::Success, format!("{} records exported", rows.len()), path.display().to_string()),
                    Err(problem) => updates.problem(&problem),
                })
                .map(drop)
            }
            Request::OpenMessages(query) => {
                session.cancel_query();
                let cancel = Cancel::default();
                session.query = Some((query.id, cancel.clone()));
                let (connection, updates) = (session.connection.clone(), self.updates.clone());
                spawn("weir-browse", &self.updates, move || browse::run(&connection, &query, &updates, &cancel)).map(drop)
            }
            Request::StopMessages(id) => {
                if session.query.as_ref().is_some_and(|(running, _)| *running == id) {
                    session.cancel_query();
                }
                Ok(())
            }
            Request::StartPipeline(id, params) => {
                if session.pipelines.get(&id).is_some_and(|pipeline| !pipeline.is_finished()) {
                    return Err(Problem::new(format!("{id} was not started"), "it runs already", "Stop it first"));
                }
                let pipeline = pipelines::start(&id, params, session.connection.clone(), self.updates.clone())?;
                session.pipelines.insert(id, pipeline);
                Ok(())
            }
            Request::PausePipeline(id) => session.pipeline(&id).map(RunningPipeline::pause),
            Request::ResumePipeline(id) => session.pipeline(&id).map(RunningPipeline::resume),
            Request::StopPipeline(id) => session.pipeline(&id).map(RunningPipeline::stop),
            Request::ResetPipeline(id) => {
                if session.pipelines.get(&id).is_some_and(|pipeline| !pipeline.is_finished()) {
                    return Err(Problem::new(format!("{id} was not reset"), "it runs", "Stop it first"));
                }
                let meta = pipelines::meta(&id)?;
                session.operate(Operation::ResetPipeline(meta))
            }
            Request::SetPipelineRate(id, rate_per_s) => session.pipeline(&id).map(|it| it.set_rate(rate_per_s)),
            Request::InjectFault(id, fault) => session.pipeline(&id).map(|it| it.inject(&fault)),
            Request::ActOnPipeline(id, action) => session.pipeline(&id).map(|it| it.act(action)),
            Request::BrowseStore(id, query) => session.pipeline(&id).map(|it| it.browse_store(query)),
        }
    }

    fn connect(&mut self, cluster: Cluster) {
        self.end_session();
        self.updates.publish(Update::Connection(ConnectionState::Connecting(cluster.clone())));
        if let Err(problem) = self.open_session(&cluster) {
            self.updates.publish(Update::Connection(ConnectionState::Failed { cluster, problem }));
        }
    }

    fn open_session(&mut self, cluster: &Cluster) -> Result<(), Problem> {
        let connection = match cluster {
            Cluster::Remote { bootstrap, properties } => Connection::new(bootstrap.clone(), properties.clone()),
            Cluster::Local => {
                let local = match self.local.take() {
                    Some(running) => running,
                    None => LocalBroker::start_anywhere(self.config.data_dir.clone())?,
                };
                Connection::new(self.local.insert(local).bootstrap(), Vec::new())
            }
        };
        let data_dir = matches!(cluster, Cluster::Local)
            .then(|| self.local.as_ref().map(|local| local.data_dir().display().to_string().into()))
            .flatten();
        let poller = Poller::start(cluster.clone(), connection.clone(), data_dir, self.updates.clone())?;
        let (operations, inbox) = sync_channel(OPERATIONS_MAX);
        let (worker_connection, updates, refresh) = (connection.clone(), self.updates.clone(), poller.refresher());
        spawn("weir-operations", &self.updates, move || operations::work(&worker_connection, &inbox, &updates, &refresh))?;
        self.session = Some(Session { connection, poller, query: None, pipelines: BTreeMap::new(), operations });
        Ok(())
    }

    /// Pipelines get to write their last results before the broker goes, unless that takes too long.
    fn end_session(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.cancel_query();
            session.pipelines.values().for_each(RunningPipeline::stop);
            let give_up = Instant::now() + ENDING_MAX;
            while session.pipelines.values().any(|pipeline| !pipeline.is_finished()) && Instant::now() < give_up {
                std::thread::sleep(ENDING_CHECK);
            }
            session.poller.stop();
        }
    }
}

impl Session {
    fn cancel_query(&mut self) {
        if let Some((_, cancel)) = self.query.take() {
            cancel.cancel();
        }
    }

    fn operate(&self, operation: Operation) -> Result<(), Problem> {
        self.operations
            .try_send(operation)
            .map_err(|_| Problem::new("Busy", format!("{OPERATIONS_MAX} changes wait already"), "Wait until some are done"))
    }

    fn pipeline(&self, id: &PipelineId) -> Result<&RunningPipeline, Problem> {
        self.pipelines
            .get(id)
            .ok_or_else(|| Problem::new(format!("{id} does not run"), "it was not started, or it has ended", "Start it first"))
    }
}
