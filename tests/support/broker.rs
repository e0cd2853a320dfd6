//! Brokers to test against: in this process, or in a child that can be killed.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use weir_broker::{Broker, BrokerConfig};

/// Set in the environment of a child to make it a broker with its data there.
const CHILD_DATA_DIR: &str = "WEIR_TEST_CHILD_DATA_DIR";
/// Set in the environment of a child to make it listen on that port; without it any free one is taken.
const CHILD_PORT: &str = "WEIR_TEST_CHILD_PORT";
/// What a child prints once it listens.
const READY: &str = "listening on ";

/// A broker in this process, on a free port, with its data in a folder of the caller's.
///
/// # Panics
/// When it can't start.
pub fn start(data_dir: &Path) -> Broker {
    start_on(0, data_dir)
}

fn start_on(port: u16, data_dir: &Path) -> Broker {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    #[expect(clippy::expect_used, reason = "a test without its broker has failed")]
    Broker::start(BrokerConfig { listen, ..BrokerConfig::new(data_dir) }).expect("the broker starts")
}

/// A broker in a child process, so that it can be killed like a program that crashes.
///
/// The child is the test binary itself, which must have a test that calls [`run_as_child_if_asked`].
#[derive(Debug)]
pub struct ChildBroker {
    child: Child,
    bootstrap: String,
    test_name: String,
    data_dir: PathBuf,
}

impl ChildBroker {
    /// Starts the child through the test of that name and waits until it listens.
    ///
    /// # Panics
    /// When the child does not come up.
    pub fn start(test_name: &str, data_dir: &Path) -> Self {
        Self::start_on(0, test_name, data_dir)
    }

    /// Kills it and starts it again where it was: clients find it under the same address.
    ///
    /// # Panics
    /// When the child does not come up.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.bootstrap.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        *self = Self::start_on(port, &self.test_name, &self.data_dir);
    }

    #[expect(clippy::expect_used, clippy::panic, reason = "a test without its broker has failed")]
    fn start_on(port: u16, test_name: &str, data_dir: &Path) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program has a path"))
            .args([test_name, "--exact", "--nocapture"])
            .env(CHILD_DATA_DIR, data_dir)
            .env(CHILD_PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = BufReader::new(child.stdout.take().expect("the child's output is piped")).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, bootstrap)) = line.split_once(READY) {
                let (test_name, data_dir) = (test_name.to_owned(), data_dir.to_owned());
                return Self { child, bootstrap: bootstrap.to_owned(), test_name, data_dir };
            }
        }
        panic!("the child ended before it listened: {:?}", child.wait());
    }

    /// Its `HOST:PORT`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// SIGKILL: no destructor runs, no buffer is flushed.
    pub fn kill(&mut self) {
        // A child that is gone already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ChildBroker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes this process a broker until its parent is gone, if a parent asked for that; else does nothing. Tells whether it was one.
#[expect(clippy::print_stdout, reason = "the parent reads the ready line")]
pub fn run_as_child_if_asked() -> bool {
    let Some(data_dir) = env::var_os(CHILD_DATA_DIR) else { return false };
    let port = env::var(CHILD_PORT).ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let broker = start_on(port, Path::new(&data_dir));
    println!("{READY}{}", broker.address());
    // The parent holds the other end of stdin: it ends with the parent, whatever ends the parent.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    true
}

/// The cluster a test works on: the real Kafka named by `WEIR_TEST_BOOTSTRAP`, else an embedded broker of its own.
#[derive(Debug)]
pub struct TestCluster {
    bootstrap: String,
    _embedded: Option<(Broker, tempfile::TempDir)>,
}

impl TestCluster {
    /// Starts it, or takes the one that is named.
    ///
    /// # Panics
    /// When it can't start.
    #[expect(clippy::expect_used, reason = "a test without its cluster has failed")]
    pub fn start() -> Self {
        if let Ok(bootstrap) = env::var("WEIR_TEST_BOOTSTRAP") {
            return Self { bootstrap, _embedded: None };
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let broker = start(folder.path());
        Self { bootstrap: broker.address().to_string(), _embedded: Some((broker, folder)) }
    }

    /// Its `HOST:PORT`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A topic name that no other test uses, also on a shared cluster.
    pub fn topic(&self, name: &str) -> String {
        format!("{name}-{}", std::process::id())
    }
}
