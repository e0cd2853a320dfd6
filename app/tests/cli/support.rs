//! The real binary as a user runs it: to its end, or as a broker that goes on.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// No wait is longer.
const DEADLINE: Duration = Duration::from_secs(120);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The lines of stdout as JSON; it must have ended well.
    pub(crate) fn json(&self) -> Vec<Value> {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// The command must have failed with that code, nothing on stdout, and all of these words on stderr.
    pub(crate) fn check_failure(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "results only on stdout");
        for word in words {
            assert!(self.stderr.to_lowercase().contains(&word.to_lowercase()), "{word:?} is not in: {}", self.stderr);
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Neither the user's data nor the user's settings may matter.
    command.env("HOME", std::env::temp_dir().join("weir-no-home")).env_remove("XDG_DATA_HOME").env_remove("RUST_LOG");
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    command
}

/// Runs `weir` with these arguments to its end.
pub(crate) fn weir(arguments: &[&str]) -> Ended {
    finish(command(arguments).spawn().unwrap(), arguments)
}

/// Waits for a child's end and collects its output.
fn finish(mut child: Child, arguments: &[&str]) -> Ended {
    let (sender, receiver) = mpsc::sync_channel(2);
    for (at, pipe) in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().enumerate() {
        let sender = sender.clone();
        let read = move || {
            let mut text = Vec::new();
            let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
            let _ = sender.send((at, String::from_utf8_lossy(&text).into_owned()));
        };
        thread::Builder::new().name("output".to_owned()).spawn(read).unwrap();
    }
    let mut texts = [String::new(), String::new()];
    for _ in 0..2 {
        // A pipe ends with the process that writes it.
        let Ok((at, text)) = receiver.recv_timeout(DEADLINE) else {
            let _ = child.kill();
            panic!("weir {arguments:?} did not end within {DEADLINE:?}; so far: {texts:?}");
        };
        texts[at] = text;
    }
    let [stdout, stderr] = texts;
    Ended { code: child.wait().unwrap().code(), stdout, stderr }
}

fn boxed<R: Read + Send + 'static>(pipe: R) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

/// A command at work, to be waited for or killed.
pub(crate) struct Spawned {
    child: Child,
    arguments: Vec<String>,
}

impl Spawned {
    /// Waits for its end.
    pub(crate) fn finish(self) -> Ended {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        finish(self.child, &arguments)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A command that goes on until it is told to end.
pub(crate) struct Running {
    child: Option<Child>,
    /// Its first line on stdout.
    pub(crate) first_line: String,
    rest: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    /// Starts `weir` and waits for its first line.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        command.stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut first_line = String::new();
        rest.read_line(&mut first_line).unwrap();
        Self { child: Some(child), first_line: first_line.trim_end().to_owned(), rest: Some(rest) }
    }

    /// Closes the pipe it writes to, as `| head` does, and waits for its end.
    pub(crate) fn close_pipe(mut self) -> Option<i32> {
        drop(self.rest.take());
        wait(self.child.take().unwrap())
    }

    /// Sends a signal by its name and waits for the end.
    pub(crate) fn signal(mut self, signal: &str) -> Option<i32> {
        let child = self.child.take().unwrap();
        // Nobody can end while a full pipe holds it.
        let mut rest = self.rest.take();
        let drain = move || rest.as_mut().map(|rest| std::io::copy(rest, &mut std::io::sink()));
        thread::Builder::new().name("drain".to_owned()).spawn(drain).unwrap();
        assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
        wait(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait(mut child: Child) -> Option<i32> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let wait = move || {
        let _ = sender.send(child.wait());
    };
    thread::Builder::new().name("wait".to_owned()).spawn(wait).unwrap();
    receiver.recv_timeout(DEADLINE).expect("it ends before the deadline").unwrap().code()
}

/// A broker in a child process.
pub(crate) struct Broker {
    /// The process.
    pub(crate) running: Running,
    /// Its address.
    pub(crate) bootstrap: String,
}

impl Broker {
    /// On a free port, with its data there.
    pub(crate) fn start(data_dir: &Path) -> Self {
        let running = Running::start(&["broker", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()]);
        let bootstrap = running.first_line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{:?}", running.first_line)).to_owned();
        Self { running, bootstrap }
    }

    /// Runs a command against it.
    pub(crate) fn weir(&self, arguments: &[&str]) -> Ended {
        let mut all = arguments.to_vec();
        all.extend(["--bootstrap", &self.bootstrap]);
        weir(&all)
    }

    /// Starts a command against it.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Spawned {
        let mut all = arguments.to_vec();
        all.extend(["--bootstrap", &self.bootstrap]);
        Spawned { child: command(&all).spawn().unwrap(), arguments: all.into_iter().map(str::to_owned).collect() }
    }

    /// Runs the pipeline against it, so that there are topics, records and a group.
    pub(crate) fn fill(&self, seed: &str) -> Vec<Value> {
        self.weir(&["run", "clickstream", "--for", "2s", "--rate", "500", "--seed", seed, "--json"]).json()
    }
}
