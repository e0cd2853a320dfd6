//! What survives the program: theme, text size, window, layout, clusters used lately. Never a secret.
//!
//! One TOML file in the user's configuration folder. It is read once, before the window opens, and written by a thread of its own: the UI
//! thread touches no disk.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
};

use serde::{Deserialize, Serialize};
use weir_model::{Cluster, ClusterProperty, Problem, Secret, TimestampMs};

use crate::panels::ThemeChoice;

/// Clusters kept in the menu; the oldest makes room.
pub const RECENT_CLUSTERS_MAX: usize = 10;
/// Text sizes, relative to the design's own.
pub const TEXT_SCALE: std::ops::RangeInclusive<f32> = 0.8..=1.6;
/// Window edges in points that are believed; anything else is a broken file or a screen that is gone.
const WINDOW_EDGE: std::ops::RangeInclusive<f32> = 200.0..=16_384.0;
/// Changed settings that wait for the disk.
const SAVES_MAX: usize = 4;

/// Properties whose values are no secret and are worth keeping. All others keep their name only and are asked for again.
const PROPERTIES_KEPT: &[&str] = &[
    "client.id",
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
];

/// Everything that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark, light, or as the desktop has it.
    pub theme: ThemeChoice,
    /// Relative to the design's own size, within [`TEXT_SCALE`].
    pub text_scale: f32,
    /// Panels side by side; `None` is the first panel alone.
    pub layout: Option<Layout>,
    /// The window as it was.
    pub window: WindowSettings,
    /// Remote clusters used lately, newest first.
    pub recent_clusters: Vec<RecentCluster>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            text_scale: 1.0,
            layout: None,
            window: WindowSettings::default(),
            recent_clusters: Vec::new(),
        }
    }
}

/// The window's size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowSettings {
    /// Width and height in points.
    pub size: [f32; 2],
    /// Whether it fills the desktop.
    pub is_maximized: bool,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self { size: [1280.0, 800.0], is_maximized: false }
    }
}

/// Panels side by side, as plain data: egui_tiles' own numbers mean nothing to the next start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One panel, by its id.
    Panel(String),
    /// Panels behind one another.
    Tabs {
        /// In order.
        children: Vec<Layout>,
        /// Which is in front.
        active: usize,
    },
    /// Panels next to one another.
    Row {
        /// From left to right, with the share of the width each takes.
        children: Vec<(f32, Layout)>,
    },
    /// Panels above one another.
    Column {
        /// From top to bottom, with the share of the height each takes.
        children: Vec<(f32, Layout)>,
    },
}

/// A remote cluster that was used, without what is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentCluster {
    /// `HOST:PORT[,HOST:PORT …]`.
    pub bootstrap: String,
    /// librdkafka properties that are no secret.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// The names of those that have to be entered again.
    #[serde(default)]
    pub secrets: Vec<String>,
}

impl RecentCluster {
    /// What may be kept of a cluster; `None` for the local one.
    pub fn of(cluster: &Cluster) -> Option<Self> {
        let Cluster::Remote { bootstrap, properties } = cluster else { return None };
        let (kept, secret): (Vec<&ClusterProperty>, Vec<_>) =
            properties.iter().partition(|property| PROPERTIES_KEPT.contains(&&*property.name));
        Some(Self {
            bootstrap: bootstrap.to_string(),
            properties: kept.iter().map(|property| (property.name.to_string(), property.value.reveal().to_owned())).collect(),
            secrets: secret.iter().map(|property| property.name.to_string()).collect(),
        })
    }

    /// The cluster, when nothing secret is missing.
    pub fn cluster(&self) -> Option<Cluster> {
        let property =
            |(name, value): (&String, &String)| ClusterProperty { name: name.as_str().into(), value: Secret::new(value.as_str()) };
        self.secrets.is_empty().then(|| Cluster::Remote {
            bootstrap: self.bootstrap.as_str().into(),
            properties: self.properties.iter().map(property).collect(),
        })
    }
}

impl Settings {
    /// Puts a cluster on top of those used lately.
    pub fn remember_cluster(&mut self, cluster: &Cluster) {
        if let Some(recent) = RecentCluster::of(cluster) {
            self.recent_clusters.retain(|old| old.bootstrap != recent.bootstrap);
            self.recent_clusters.insert(0, recent);
            self.recent_clusters.truncate(RECENT_CLUSTERS_MAX);
        }
    }

    /// Where the file is; `None` where the system names no folder for it.
    pub fn default_path() -> Option<PathBuf> {
        directories::ProjectDirs::from("", "", "weir").map(|dirs| dirs.config_dir().join("settings.toml"))
    }

    /// Reads the file. One that can't be understood is kept aside under another name, and the defaults are used.
    pub fn load(path: Option<PathBuf>) -> Loaded {
        let defaults = |path, problem| Loaded { settings: Self::default(), path, problem };
        let Some(file) = &path else { return defaults(None, None) };
        match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => defaults(path, None),
            // Bytes that are no text are a broken file; anything else may be mended by the user, so the file stays untouched.
            Err(error) if error.kind() != io::ErrorKind::InvalidData => defaults(None, Some(unreadable(file, &error))),
            Err(error) => set_aside(file, &error.to_string()),
            Ok(text) => match toml::from_str::<Self>(&text) {
                Ok(settings) => Loaded { settings: settings.within_bounds(), path, problem: None },
                Err(error) => set_aside(file, error.message()),
            },
        }
    }

    fn within_bounds(mut self) -> Self {
        let is_sane = self.window.size.iter().all(|edge| WINDOW_EDGE.contains(edge));
        self.window.size = if is_sane { self.window.size } else { WindowSettings::default().size };
        self.text_scale = if self.text_scale.is_finite() { self.text_scale.clamp(*TEXT_SCALE.start(), *TEXT_SCALE.end()) } else { 1.0 };
        self.recent_clusters.truncate(RECENT_CLUSTERS_MAX);
        self
    }

    /// Writes the file whole or not at all.
    fn store(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let text = toml::to_string_pretty(self).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// What [`Settings::load`] found.
#[derive(Debug)]
pub struct Loaded {
    /// As read, or the defaults.
    pub settings: Settings,
    /// Where changes may be written; `None` when the file there must not be touched.
    pub path: Option<PathBuf>,
    /// What the user should know.
    pub problem: Option<Problem>,
}

fn set_aside(file: &Path, why: &str) -> Loaded {
    let mut aside = file.as_os_str().to_owned();
    aside.push(format!(".corrupt-{}", TimestampMs::now()));
    let (path, kept) = match fs::rename(file, &aside) {
        Ok(()) => (Some(file.to_owned()), format!("The old file is kept as {}", Path::new(&aside).display())),
        Err(error) => (None, format!("Mend or remove {}; it can't be moved aside ({error}), so changes are not kept", file.display())),
    };
    let problem = Problem::new("The settings could not be understood; defaults are used", why.trim_end(), kept);
    Loaded { settings: Settings::default(), path, problem: Some(problem) }
}

fn unreadable(file: &Path, error: &io::Error) -> Problem {
    Problem::new(
        "The settings could not be read; defaults are used",
        error.to_string(),
        format!("Make {} readable; until then changes are not kept", file.display()),
    )
}

/// Writes changed settings on a thread of its own. Dropping it waits for the last write.
pub struct Saver {
    kept: Settings,
    queue: Option<SyncSender<Settings>>,
    problems: Receiver<Problem>,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    /// Starts it. `wake` is called when there is a problem to tell.
    pub fn start(loaded: &Loaded, wake: impl Fn() + Send + 'static) -> Self {
        let (queue, inbox) = sync_channel::<Settings>(SAVES_MAX);
        let (tell, problems) = sync_channel(SAVES_MAX);
        let work = |path: PathBuf| {
            move || {
                while let Ok(mut settings) = inbox.recv() {
                    while let Ok(newer) = inbox.try_recv() {
                        settings = newer;
                    }
                    if let Err(error) = settings.store(&path)
                        && tell.try_send(unwritten(&path, &error)).is_ok()
                    {
                        wake();
                    }
                }
            }
        };
        // Without a path or a thread, changes live as long as the program.
        let thread =
            loaded.path.clone().and_then(|path| std::thread::Builder::new().name("weir-settings".to_owned()).spawn(work(path)).ok());
        Self { kept: loaded.settings.clone(), queue: thread.is_some().then_some(queue), problems, thread }
    }

    /// Has the settings written if they changed. Never waits: when the disk is slow, the next call tries again.
    pub fn keep(&mut self, settings: &Settings) {
        if let Some(queue) = &self.queue
            && *settings != self.kept
        {
            match queue.try_send(settings.clone()) {
                Ok(()) => self.kept = settings.clone(),
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => self.queue = None,
            }
        }
    }

    /// Has the settings written if they changed, waiting for a place in the queue: for the end of the program.
    pub fn keep_last(&mut self, settings: &Settings) {
        if let Some(queue) = &self.queue
            && *settings != self.kept
            && queue.send(settings.clone()).is_ok()
        {
            self.kept = settings.clone();
        }
    }

    /// Why the last write failed, told once.
    pub fn problem(&self) -> Option<Problem> {
        self.problems.try_recv().ok()
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        "The settings were not kept",
        format!("{}: {error}", path.display()),
        "Free some space or make the folder writable; the next change tries again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper").join("settings.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        (folder, path)
    }

    fn changed() -> Settings {
        let remote = |properties: &[(&str, &str)]| Cluster::Remote {
            bootstrap: "kafka.example:9093".into(),
            properties: properties
                .iter()
                .map(|(name, value)| ClusterProperty { name: (*name).into(), value: Secret::new(*value) })
                .collect(),
        };
        let mut settings = Settings { theme: ThemeChoice::Light, text_scale: 1.2, ..Settings::default() };
        settings.window = WindowSettings { size: [1600.0, 900.0], is_maximized: true };
        settings.remember_cluster(&remote(&[("sasl.username", "me"), ("sasl.password", "hunter2")]));
        settings.layout = Some(Layout::Row {
            children: vec![
                (0.5, Layout::Tabs { children: vec![Layout::Panel("topics".into()), Layout::Panel("messages".into())], active: 1 }),
                (0.5, Layout::Panel("consumers".into())),
            ],
        });
        settings
    }

    #[test]
    fn changes_survive_and_secrets_do_not() {
        let (_folder, path) = folder();
        let loaded = Settings::load(Some(path.clone()));
        assert!(loaded.problem.is_none());
        let mut saver = Saver::start(&loaded, || {});
        saver.keep(&Settings { theme: ThemeChoice::Dark, ..Settings::default() });
        saver.keep_last(&changed());
        drop(saver);
        assert!(!fs::read_to_string(&path).unwrap().contains("hunter2"));
        let again = Settings::load(Some(path));
        assert!(again.problem.is_none(), "{:?}", again.problem);
        assert_eq!(again.settings, changed());
        let recent = &again.settings.recent_clusters[0];
        assert_eq!(recent.secrets, ["sasl.password"]);
        assert!(recent.cluster().is_none());
    }

    #[test]
    fn a_corrupt_file_is_kept_aside_and_the_user_told() {
        for broken in [&b"theme = "[..], b"theme = \"purple\"", b"\xff\xfe\x00", b"text_scale = \"big\""] {
            let (_folder, path) = folder();
            fs::write(&path, broken).unwrap();
            let loaded = Settings::load(Some(path.clone()));
            assert_eq!(loaded.settings, Settings::default());
            assert!(loaded.problem.unwrap().what_to_do.contains(".corrupt-"));
            assert!(!path.exists());
            let aside = fs::read_dir(path.parent().unwrap()).unwrap().next().unwrap().unwrap();
            assert_eq!(fs::read(aside.path()).unwrap(), broken);
        }
    }

    #[test]
    fn a_file_that_can_not_be_read_is_not_overwritten() {
        let (_folder, path) = folder();
        fs::create_dir(&path).unwrap(); // reading a folder fails, whoever runs the test
        let loaded = Settings::load(Some(path));
        assert!(loaded.problem.is_some() && loaded.path.is_none());
    }

    #[test]
    fn what_no_screen_can_show_is_put_right() {
        let (_folder, path) = folder();
        fs::write(&path, "text_scale = inf\nunknown = 1\n[window]\nsize = [1.0, nan]\n").unwrap();
        assert_eq!(Settings::load(Some(path)).settings, Settings::default());
    }

    #[test]
    fn a_full_or_missing_folder_is_told() {
        let (folder, _) = folder();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let loaded = Loaded { settings: Settings::default(), path: Some(blocked.join("settings.toml")), problem: None };
        let (told, tells) = sync_channel(1);
        let mut saver = Saver::start(&loaded, move || {
            // A full channel tells the same.
            let _ = told.try_send(());
        });
        saver.keep(&changed());
        tells.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert!(saver.problem().unwrap().why.contains("settings.toml"));
    }
}
