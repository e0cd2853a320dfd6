//! What a run stands on: the cluster that was named, or an embedded broker of its own that goes when the run ends.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tempfile::TempDir;
use weir_backend::LocalBroker;
use weir_model::{Cluster, Problem};

use super::{Failure, Globals, session::Session};

/// A session, with the broker below it if it has one of its own.
pub(crate) struct Stage {
    /// The conversation with the backend.
    pub(crate) session: Session,
    broker: Option<LocalBroker>,
    _data: Option<TempDir>,
}

impl Stage {
    /// Connects to the cluster that was named; without one, starts a broker on a free port, in the folder that was named or a temporary one.
    pub(crate) fn set(globals: &Globals) -> Result<Self, Failure> {
        let cluster = globals.cluster();
        if let Cluster::Remote { .. } = cluster {
            return Ok(Self { session: Session::connect(cluster, None)?, broker: None, _data: None });
        }
        let temporary = match &globals.data_dir {
            Some(_) => None,
            None => Some(TempDir::with_prefix("weir-run-").map_err(|error| no_temporary_folder(&error))?),
        };
        let data_dir = globals.data_dir.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
        let broker = LocalBroker::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), data_dir)?;
        let own = Cluster::Remote { bootstrap: broker.bootstrap().into(), properties: Vec::new() };
        Ok(Self { session: Session::connect(own, None)?, broker: Some(broker), _data: temporary })
    }

    /// What the window stands on: the cluster that was named, or the embedded broker with the user's data.
    pub(crate) fn window(globals: &Globals) -> Result<Self, Failure> {
        Ok(Self { session: Session::connect(globals.cluster(), globals.data_dir.clone())?, broker: None, _data: None })
    }

    /// Lets go of the cluster, then ends the broker, then removes its folder: in this order nobody misses anything.
    pub(crate) fn strike(self) -> Result<(), Failure> {
        drop(self.session);
        if let Some(broker) = self.broker {
            broker.stop()?;
        }
        Ok(())
    }
}

fn no_temporary_folder(error: &io::Error) -> Problem {
    Problem::new(
        "The run has no place for its data",
        format!("a temporary folder could not be made in {}: {error}", std::env::temp_dir().display()),
        "Free some space there, set TMPDIR, or name a folder with --data-dir",
    )
}
