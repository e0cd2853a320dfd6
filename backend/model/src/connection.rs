//! Which cluster, and whether it answers.

use std::{fmt, sync::Arc};

use crate::Problem;

/// The cluster to work with. The backend treats both alike: each comes down to a bootstrap address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// The embedded broker.
    Local,
    /// Any Kafka 2.8 or later.
    Remote {
        /// `HOST:PORT[,HOST:PORT …]`.
        bootstrap: Arc<str>,
        /// librdkafka properties, as `-X` gives them.
        properties: Vec<ClusterProperty>,
    },
}

impl Cluster {
    /// A short name for the status bar.
    pub fn label(&self) -> &str {
        match self {
            Self::Local => "Local",
            Self::Remote { bootstrap, .. } => bootstrap,
        }
    }
}

/// One librdkafka property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterProperty {
    /// Such as `security.protocol`.
    pub name: Arc<str>,
    /// Any value may be a password, so all are kept as secrets.
    pub value: Secret,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the client that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether the cluster answers.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectionState {
    /// Nothing was asked yet.
    Idle,
    /// Starting the broker or waiting for the first answer.
    Connecting(Cluster),
    /// It answers.
    Connected {
        /// Which one.
        cluster: Cluster,
        /// The address to give to other clients.
        bootstrap: Arc<str>,
        /// The embedded broker's data folder, in local mode.
        data_dir: Option<Arc<str>>,
    },
    /// It does not answer; the backend keeps trying.
    Failed {
        /// Which one.
        cluster: Cluster,
        /// Why.
        problem: Problem,
    },
}

impl ConnectionState {
    /// The cluster, if one was chosen.
    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Idle => None,
            Self::Connecting(cluster) | Self::Connected { cluster, .. } | Self::Failed { cluster, .. } => Some(cluster),
        }
    }

    /// The address to give to other clients, once connected.
    pub fn bootstrap(&self) -> Option<&str> {
        match self {
            Self::Connected { bootstrap, .. } => Some(bootstrap),
            _ => None,
        }
    }
}
