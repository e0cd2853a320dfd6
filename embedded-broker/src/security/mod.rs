//! Who gets in, and what he may do: listeners, TLS, logins, users, ACLs, quotas.
//!
//! In reading order: `settings` (what may be chosen), `listeners` (what is refused), `tls`, `session` (a connection's login), `scram`,
//! `users` (who may log in), `acl` (who may do what; which API needs what stands in
//! `crate::api::access`), `quota` (how much).

mod acl;
mod dn;
mod listeners;
mod principal;
mod quota;
mod scram;
mod secret;
mod session;
mod settings;
mod tls;
mod users;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::disk::Disk;
use principal::Principal;

pub(crate) use acl::{Acls, Binding, CLUSTER, Filter, Operation, PatternType, Permission, ResourceType};
pub(crate) use dn::distinguished_name;
pub use listeners::ListenerError;
pub(crate) use listeners::{BoundListener, bind, check};
pub(crate) use quota::{Entity, EntityType, Named, QuotaKey, Quotas, Used};
pub(crate) use scram::{ClientFirst, MAX_ITERATIONS, MIN_ITERATIONS, ScramCredential, ScramHash};
pub use secret::Secret;
pub(crate) use session::{ChooseError, LoginError, NotAdmitted, Progress, Session};
pub use settings::{Credential, Listener, Mechanism, SecurityConfig, SecurityProtocol, TlsFiles, UnknownName};
pub(crate) use tls::Tls;
pub use tls::TlsError;
pub(crate) use users::{Change, Credentials, Users};

const FOLDER: &str = "security";
/// Deriving keys from passwords takes milliseconds of CPU, on purpose: strangers must not take it all.
const MAX_CONCURRENT_LOGINS: usize = 2;
/// The longest name and the longest salt a user may have.
pub(crate) const MAX_USER_NAME_BYTES: usize = 1_024;
pub(crate) const MAX_SALT_BYTES: usize = 1_024;

/// What the broker remembers about access.
#[derive(Debug)]
pub(crate) struct Security {
    pub(crate) config: SecurityConfig,
    pub(crate) users: Users,
    /// `None`: nobody must say who he is, so everyone may do everything.
    pub(crate) acls: Option<Acls>,
    pub(crate) quotas: Quotas,
    /// Logins under way that cost CPU.
    pub(crate) logins: Arc<Semaphore>,
}

impl Security {
    /// Opens what is on disk. `authenticates`: some listener wants to know who its clients are.
    pub(crate) fn open(data_dir: &Path, disk: &Arc<dyn Disk>, config: SecurityConfig, authenticates: bool) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        disk.create_private_folder(&folder)?;
        let admin = config.bootstrap_admin.as_ref();
        let users = Users::open(&folder, Arc::clone(disk), admin)?;
        let mut super_users: BTreeSet<String> = config.super_users.iter().cloned().collect();
        super_users.extend(admin.map(|admin| Principal::user(&admin.user).to_string()));
        let acls = authenticates.then(|| Acls::open(&folder, Arc::clone(disk), super_users)).transpose()?;
        let quotas = Quotas::open(&folder, Arc::clone(disk))?;
        Ok(Self { config, users, acls, quotas, logins: Arc::new(Semaphore::new(MAX_CONCURRENT_LOGINS)) })
    }

    /// Who stands above the ACLs, where there are any.
    pub(crate) fn super_users(&self) -> Vec<&str> {
        self.acls.iter().flat_map(Acls::super_users).collect()
    }

    /// How long a login lasts; `None`: as long as the connection.
    pub(crate) fn session_lifetime_ms(&self) -> Option<i64> {
        self.config.max_session.map(|session| i64::try_from(session.as_millis()).unwrap_or(i64::MAX))
    }
}
