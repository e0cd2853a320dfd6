//! Where pictures are taken: the whole interface over a live backend, without a window.

use std::{
    rc::Rc,
    sync::mpsc::{Receiver, sync_channel},
    time::{Duration, Instant},
};

use egui::{Context, Pos2, RawInput, Rect, vec2};
use tempfile::TempDir;
use weir_backend::{Handle, HandleConfig};
use weir_model::{ConnectionState, GroupId, PipelineId, Problem, Request, ScenarioId, Store, TopicName, Update};
use weir_ui_kit::Theme;

use super::{Failure, Globals, demo, note, signals::EndAsked};
use crate::{
    hosts::{
        Screen as _,
        picture::{self, PictureOptions},
    },
    panels::{self, Command, Route, ThemeChoice},
    shell::{Backend, Weir, settings::Settings},
};

/// Without its data so long after that there is no picture.
const DATA_MAX: Duration = Duration::from_secs(30);
/// How soon a signal is noticed while no news comes.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// What the picture shows.
pub(crate) struct Subject {
    /// The panel, with its detail.
    pub(crate) route: Route,
    /// A topic that has to exist.
    pub(crate) topic: Option<TopicName>,
    /// A group that has to exist.
    pub(crate) group: Option<GroupId>,
    /// How long a pipeline runs for its picture.
    pub(crate) after: Duration,
    /// The scenario it follows.
    pub(crate) scenario: Option<ScenarioId>,
    /// Whether it is shown to a room.
    pub(crate) is_presented: bool,
}

/// A scene ready for its picture.
pub(crate) struct Studio {
    // In the order of ending: interface, backend with its broker, folder.
    weir: Weir<Shared>,
    handle: Rc<Handle>,
    _data: Option<TempDir>,
    news: Receiver<()>,
    end: EndAsked,
    subject: Subject,
    options: PictureOptions,
    /// The pipeline that was started for the picture.
    pipeline: Option<PipelineId>,
}

/// The backend, shared between the interface and the studio.
struct Shared(Rc<Handle>);

impl Backend for Shared {
    fn request(&self, request: Request) -> Result<(), Problem> {
        self.0.request(request)
    }

    fn drain(&self, max: usize) -> Vec<Update> {
        self.0.drain(max)
    }
}

impl Studio {
    /// Connects to the cluster that was named, or starts a broker for the picture.
    pub(crate) fn set(globals: &Globals, subject: Subject, options: PictureOptions) -> Result<Self, Failure> {
        let end = EndAsked::listen()?;
        let is_own = globals.bootstrap.is_none() && globals.data_dir.is_none();
        let data = if is_own { Some(demo::temporary_folder("weir-shot-")?) } else { None };
        let data_dir = globals.data_dir.clone().or_else(|| data.as_ref().map(|folder| folder.path().to_owned()));
        let (tell, news) = sync_channel(1);
        let wake = move || {
            // A full channel tells the same.
            let _ = tell.try_send(());
        };
        let handle = Rc::new(Handle::start(HandleConfig { data_dir, ..HandleConfig::default() }, wake)?);
        let theme = if options.theme == Theme::Light { ThemeChoice::Light } else { ThemeChoice::Dark };
        let mut weir = Weir::without_disk(Shared(Rc::clone(&handle)), Settings { theme, ..Settings::default() });
        weir.push(Command::Connect(globals.cluster()));
        let shown = match &subject.route {
            Route::Dashboard(id) => id.clone(),
            _ => PipelineId::from(demo::PIPELINE),
        };
        let pipeline = Some(shown).filter(|_| is_own);
        Ok(Self { weir, handle, _data: data, news, end, subject, options, pipeline })
    }

    /// Waits for the data and takes the picture.
    pub(crate) fn take(mut self) -> Result<Vec<u8>, Failure> {
        let ctx = picture::context(&self.options);
        self.wait(&ctx, "The cluster does not answer", |store, _| {
            let is_read = store.cluster.value().is_some() && store.groups.value().is_some();
            matches!(store.connection, ConnectionState::Connected { .. }) && is_read
        })?;
        if let Some(id) = &self.pipeline {
            let (id, after) = (id.clone(), self.subject.after);
            note(format_args!("running {id} for {} s so that the picture is alive", after.as_secs()));
            demo::start(&id, self.subject.scenario.as_ref(), |request| self.handle.request(request))?;
            self.wait(&ctx, "The pipeline did not come up", |store, since| {
                since >= after && store.runs.get(&id).is_some_and(|view| view.dashboard.is_some())
            })?;
        }
        self.check_subject()?;
        self.weir.push(Command::Navigate(self.subject.route.clone()));
        if self.subject.is_presented {
            self.weir.push(Command::TogglePresentation);
        }
        // The panel asks for what it shows once it is drawn; that it has asked is known a moment later.
        let is_reading = matches!(self.subject.route, Route::Messages(_) | Route::Query(_));
        self.wait(&ctx, "The records could not be read", |store, since| {
            since >= Duration::from_secs(1) && (!is_reading || store.messages.receipt.is_some())
        })?;
        // A context of its own: the picture's renderer has to see every texture from the first on.
        let png = picture::render(&mut self.weir, &picture::context(&self.options), &self.options);
        Ok(png.map_err(|error| Problem::new("The picture could not be drawn", error.to_string(), "Try a smaller --size"))?)
    }

    /// Draws frames, as a window would when news comes, until `is_ready` says so; it is given the time since the call.
    fn wait(&mut self, ctx: &Context, what: &str, is_ready: impl Fn(&Store, Duration) -> bool) -> Result<(), Failure> {
        let start = Instant::now();
        while !is_ready(self.weir.store(), start.elapsed()) {
            if let ConnectionState::Failed { problem, .. } = &self.weir.store().connection {
                return Err(problem.clone().into());
            }
            if self.end.is_set() {
                return Err(Failure::Reported);
            }
            if start.elapsed() > self.subject.after + DATA_MAX {
                let why = format!("its data did not come within {} s", (self.subject.after + DATA_MAX).as_secs());
                return Err(Problem::new(what, why, "Try again; -v shows what the backend says").into());
            }
            self.frame(ctx);
            // No news is no error: the loop looks at signals and the clock.
            let _ = self.news.recv_timeout(SIGNAL_CHECK);
        }
        Ok(())
    }

    fn frame(&mut self, ctx: &Context) {
        let [width, height] = self.options.size.map(|side| side as f32);
        let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, vec2(width, height)));
        let weir = &mut self.weir;
        let mut output = ctx.run_ui(RawInput { screen_rect, ..RawInput::default() }, |ui| {
            weir.logic(ui.ctx());
            weir.ui(ui);
        });
        // Nothing of this frame is drawn; egui wants that said.
        output.textures_delta.clear();
    }

    /// A picture of something that is not there would be a picture of nothing.
    fn check_subject(&self) -> Result<(), Problem> {
        let store = self.weir.store();
        if let (Some(topic), Some(cluster)) = (&self.subject.topic, store.cluster.value())
            && cluster.topic(topic).is_none()
        {
            return Err(missing("topic", topic.as_str(), panels::TOPICS));
        }
        if let (Some(group), Some(groups)) = (&self.subject.group, store.groups.value())
            && groups.group(group).is_none()
        {
            return Err(missing("consumer group", group.as_str(), "groups"));
        }
        Ok(())
    }
}

fn missing(kind: &str, name: &str, command: &str) -> Problem {
    Problem::new(
        format!("There is no {kind} {name:?}"),
        "the cluster does not list it",
        format!("Check the name; `weir {command}` lists what there is"),
    )
}
