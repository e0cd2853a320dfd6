//! What a run stands on: the cluster that was named, or an embedded broker of its own that goes when the run ends.

use std::net::{Ipv4Addr, SocketAddr};

use tempfile::TempDir;
use weir_backend::{HandleConfig, LocalBroker};
use weir_model::Cluster;

use super::{Failure, Globals, demo, session::Session};

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
        let backend = HandleConfig { data_dir: None, ..globals.backend()? };
        if let Cluster::Remote { .. } = cluster {
            return Ok(Self { session: Session::connect(cluster, backend)?, broker: None, _data: None });
        }
        let temporary = match &globals.data_dir {
            Some(_) => None,
            None => Some(demo::temporary_folder("weir-run-")?),
        };
        let data_dir = globals.data_dir.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
        let broker = LocalBroker::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), data_dir)?;
        let own = Cluster::Remote { bootstrap: broker.bootstrap().into(), properties: Vec::new() };
        Ok(Self { session: Session::connect(own, backend)?, broker: Some(broker), _data: temporary })
    }

    /// What the window stands on: the cluster that was named, or the embedded broker with the user's data.
    pub(crate) fn window(globals: &Globals) -> Result<Self, Failure> {
        Ok(Self { session: Session::connect(globals.cluster(), globals.backend()?)?, broker: None, _data: None })
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
