//! Brokers as processes: started by a launcher script, watched through /proc, killed.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use weir_tests::usage::{self, now_ms};

use crate::raw;

const START_DEADLINE: Duration = Duration::from_secs(120);
const RETRY: Duration = Duration::from_millis(1);

/// A broker that can be started: `launcher prepare FOLDER PORT`, then `launcher run FOLDER PORT`, which becomes the broker.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// Where process ids go, for whoever has to clean up after us.
    pub(crate) pids: PathBuf,
}

/// A broker that runs. Killed when dropped.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) bootstrap: String,
    child: Child,
}

impl Launcher {
    /// Makes a folder ready, once, where the broker wants that.
    pub(crate) fn prepare(&self, folder: &Path) -> Result<Prepared, Box<dyn Error>> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        fs::create_dir_all(folder)?;
        let done = Command::new(&self.program).arg("prepare").arg(folder).arg(port.to_string()).stdout(Stdio::null()).status()?;
        if !done.success() {
            return Err(format!("{} could not prepare its folder", self.name).into());
        }
        Ok(Prepared { launcher: self.clone(), folder: folder.to_owned(), port })
    }
}

/// A launcher with its folder and port.
pub(crate) struct Prepared {
    launcher: Launcher,
    folder: PathBuf,
    port: u16,
}

impl Prepared {
    /// Starts it and produces to it. Returns how long it took from the start to the first acknowledgement.
    pub(crate) fn start(&self) -> Result<(Running, Duration), Box<dyn Error>> {
        let Launcher { name, program, pids } = &self.launcher;
        let log = fs::File::create(self.folder.with_extension("log"))?;
        let started = Instant::now();
        let child = Command::new(program)
            .arg("run")
            .arg(&self.folder)
            .arg(self.port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        fs::OpenOptions::new().create(true).append(true).open(pids)?.write_all(format!("{}\n", child.id()).as_bytes())?;
        let bootstrap = format!("127.0.0.1:{}", self.port);
        let mut running = Running { name: name.clone(), bootstrap, child };
        running.produce_first(started)?;
        Ok((running, started.elapsed()))
    }
}

impl Running {
    fn produce_first(&mut self, started: Instant) -> Result<(), Box<dyn Error>> {
        let batch = raw::batch(now_ms(), [b"first".as_slice()]);
        let topic = "first";
        loop {
            let attempt = TcpStream::connect(&self.bootstrap).and_then(|_| {
                let mut connection = raw::Connection::open(&self.bootstrap)?;
                connection.ask_for_topic(topic)?;
                connection.send(&raw::produce(topic, 0, &batch))?;
                connection.produced(topic)
            });
            let Err(error) = attempt else { return Ok(()) };
            if let Some(ended) = self.child.try_wait()? {
                return Err(format!("{} ended while it started: {ended}", self.name).into());
            }
            if started.elapsed() > START_DEADLINE {
                return Err(format!("{} was not up within {START_DEADLINE:?}: {error}", self.name).into());
            }
            std::thread::sleep(RETRY);
        }
    }

    /// CPU time used so far, all threads, user and system.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        usage::cpu_seconds(&self.child.id().to_string())
    }

    /// A figure of /proc/PID/status in MB: `VmRSS`, `VmHWM`.
    pub(crate) fn memory_mb(&self, field: &str) -> f64 {
        usage::memory_mb(&self.child.id().to_string(), field)
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // One that is gone already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
