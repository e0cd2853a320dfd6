//! The users of this broker: names with SCRAM keys, in a file of the data folder. No password is ever there.
//!
//! The file is replaced as a whole; what is in memory changes after it, so what a client was told outlives a crash. One line a credential:
//! `<name> <mechanism> <iterations> <salt> <stored key> <server key>`, all but the numbers in base64.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::scram::{MIN_ITERATIONS, ScramCredential, ScramHash};
use super::settings::{Credential, Mechanism};
use crate::disk::{Disk, read_checked, write_checked};
use crate::sync::{lock, read, write};

const FILE: &str = "users";
const FORMAT: &str = "weir users 1";
const SALT_BYTES: usize = 24;
/// The hashes a user with a password gets keys for.
const HASHES: [ScramHash; 2] = [ScramHash::Sha256, ScramHash::Sha512];

/// Each user's keys, by name.
pub(crate) type Credentials = BTreeMap<String, BTreeMap<ScramHash, ScramCredential>>;

/// A change of one credential: set, or removed.
pub(crate) type Change = (String, ScramHash, Option<ScramCredential>);

/// All users.
#[derive(Debug)]
pub(crate) struct Users {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    credentials: RwLock<Arc<Credentials>>,
    changing: Mutex<()>,
    /// Makes up the salt of users that are not there, so that asking does not tell who is.
    decoy: [u8; SALT_BYTES],
}

impl Users {
    /// Reads the users in `folder`, and makes sure of the first one.
    pub(crate) fn open(folder: &Path, disk: Arc<dyn Disk>, admin: Option<&Credential>) -> io::Result<Self> {
        let path = folder.join(FILE);
        let credentials =
            read_checked(disk.as_ref(), &path, "restore it, or remove it to begin with no users", decode)?.unwrap_or_default();
        let users = Self { disk, path, credentials: RwLock::new(Arc::new(credentials)), changing: Mutex::default(), decoy: random()? };
        if let Some(admin) = admin {
            users.ensure(admin)?;
        }
        Ok(users)
    }

    /// Gives the first user the password the configuration says: who lost it starts the broker with another.
    fn ensure(&self, admin: &Credential) -> io::Result<()> {
        let is_there = self.all().get(&admin.user).is_some_and(|keys| {
            HASHES.iter().all(|hash| keys.get(hash).is_some_and(|credential| credential.verifies(admin.password.expose())))
        });
        if is_there {
            return Ok(());
        }
        let mut changes = Vec::new();
        for hash in HASHES {
            let salt = random::<SALT_BYTES>()?.to_vec();
            let credential = ScramCredential::from_password(hash, admin.password.expose(), salt, MIN_ITERATIONS);
            changes.push((admin.user.clone(), hash, Some(credential)));
        }
        self.change(changes)
    }

    /// All credentials as they are now.
    pub(crate) fn all(&self) -> Arc<Credentials> {
        Arc::clone(&read(&self.credentials))
    }

    /// Applies all changes, or none.
    pub(crate) fn change(&self, changes: Vec<Change>) -> io::Result<()> {
        let _one_at_a_time = lock(&self.changing);
        let mut credentials = Credentials::clone(&self.all());
        for (user, hash, credential) in changes {
            let keys = credentials.entry(user.clone()).or_default();
            match credential {
                Some(credential) => _ = keys.insert(hash, credential),
                None => _ = keys.remove(&hash),
            }
            if keys.is_empty() {
                credentials.remove(&user);
            }
        }
        write_checked(self.disk.as_ref(), &self.path, &encode(&credentials))?;
        *write(&self.credentials) = Arc::new(credentials);
        Ok(())
    }

    /// The keys of a user; for one who is not there, keys that look alike each time and that no password fits.
    pub(crate) fn credential(&self, user: &str, hash: ScramHash) -> ScramCredential {
        if let Some(credential) = self.all().get(user).and_then(|keys| keys.get(&hash)) {
            return credential.clone();
        }
        let made_up = |what: &str| {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA512, &self.decoy);
            ring::hmac::sign(&key, format!("{what} {user}").as_bytes()).as_ref().to_vec()
        };
        let cut = |mut bytes: Vec<u8>, length: usize| {
            bytes.truncate(length);
            bytes
        };
        ScramCredential {
            hash,
            iterations: MIN_ITERATIONS,
            salt: cut(made_up("salt"), SALT_BYTES),
            stored_key: cut(made_up("stored"), hash.bytes()),
            server_key: cut(made_up("server"), hash.bytes()),
        }
    }

    /// Whether this is a user's password, for PLAIN. Slow on purpose, and as slow for a user who is not there.
    pub(crate) fn verifies(&self, user: &str, password: &str) -> bool {
        let all = self.all();
        let known = all.get(user).and_then(|keys| keys.values().next());
        known.cloned().unwrap_or_else(|| self.credential(user, ScramHash::Sha256)).verifies(password)
    }
}

/// Bytes nobody can guess.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

fn mechanism(hash: ScramHash) -> Mechanism {
    match hash {
        ScramHash::Sha256 => Mechanism::ScramSha256,
        ScramHash::Sha512 => Mechanism::ScramSha512,
    }
}

fn encode(credentials: &Credentials) -> String {
    let mut text = format!("{FORMAT}\n");
    for (user, keys) in credentials {
        for (hash, credential) in keys {
            let ScramCredential { iterations, salt, stored_key, server_key, .. } = credential;
            let (name, mechanism) = (STANDARD.encode(user), mechanism(*hash).name());
            let (salt, stored_key, server_key) = (STANDARD.encode(salt), STANDARD.encode(stored_key), STANDARD.encode(server_key));
            // Writing to a String can't fail.
            let _ = writeln!(text, "{name} {mechanism} {iterations} {salt} {stored_key} {server_key}");
        }
    }
    text
}

/// Reads the file back; `None` if it is not one of ours.
fn decode(text: &str) -> Option<Credentials> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let mut credentials = Credentials::new();
    for line in lines {
        let mut fields = line.split(' ');
        let bytes = |fields: &mut std::str::Split<'_, char>| STANDARD.decode(fields.next()?).ok();
        let user = String::from_utf8(bytes(&mut fields)?).ok()?;
        let name = fields.next()?;
        let hash = HASHES.into_iter().find(|hash| mechanism(*hash).name() == name)?;
        let iterations = fields.next()?.parse().ok()?;
        let credential = ScramCredential {
            hash,
            iterations,
            salt: bytes(&mut fields)?,
            stored_key: bytes(&mut fields)?,
            server_key: bytes(&mut fields)?,
        };
        credentials.entry(user).or_default().insert(hash, credential);
    }
    Some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;
    use crate::security::secret::Secret;

    fn admin(password: &str) -> Credential {
        Credential { user: "admin".into(), password: Secret::new(password) }
    }

    #[test]
    fn the_first_user_has_the_password_of_the_last_start() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let folder = Path::new("security");
        disk.create_folder(folder).unwrap();
        let open = |admin: Option<&Credential>| Users::open(folder, Arc::clone(&disk), admin).unwrap();
        assert!(open(Some(&admin("first"))).verifies("admin", "first"));
        let before = disk.read(&folder.join(FILE)).unwrap();
        assert!(open(Some(&admin("first"))).verifies("admin", "first"));
        assert_eq!(disk.read(&folder.join(FILE)).unwrap(), before, "nothing changed, so nothing is written");
        assert!(open(Some(&admin("second"))).verifies("admin", "second"));
        let users = open(None);
        assert!(users.verifies("admin", "second") && !users.verifies("admin", "first") && !users.verifies("nobody", "second"));
        let text = String::from_utf8(disk.read(&folder.join(FILE)).unwrap()).unwrap();
        assert!(!text.contains("second") && !text.contains(&STANDARD.encode("second")));
    }

    #[test]
    fn who_is_not_there_looks_like_who_is() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let users = Users::open(Path::new(""), disk, Some(&admin("secret"))).unwrap();
        let (there, absent) = (users.credential("admin", ScramHash::Sha512), users.credential("nobody", ScramHash::Sha512));
        assert_eq!((there.iterations, there.salt.len()), (absent.iterations, absent.salt.len()));
        assert_eq!(absent.salt, users.credential("nobody", ScramHash::Sha512).salt, "the same when asked again");
        assert_ne!(absent.salt, users.credential("somebody", ScramHash::Sha512).salt);
    }

    #[test]
    fn changes_are_on_disk_before_they_count() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let open = || Users::open(Path::new(""), Arc::clone(&disk), None).unwrap();
        let credential = ScramCredential::from_password(ScramHash::Sha256, "p", vec![1; 8], MIN_ITERATIONS);
        open().change(vec![("a b\n".into(), ScramHash::Sha256, Some(credential.clone()))]).unwrap();
        assert!(open().all()["a b\n"][&ScramHash::Sha256] == credential);
        open().change(vec![("a b\n".into(), ScramHash::Sha256, None)]).unwrap();
        assert!(open().all().is_empty());
        disk.write_atomic(Path::new(FILE), b"something else").unwrap();
        assert!(Users::open(Path::new(""), disk, None).is_err());
    }

    #[test]
    fn a_full_disk_changes_nothing() {
        let disk = Arc::new(MemoryDisk::default());
        let users = Users::open(Path::new(""), Arc::clone(&disk) as Arc<dyn Disk>, Some(&admin("p"))).unwrap();
        disk.set_space_left(Some(0));
        assert!(users.change(vec![("admin".into(), ScramHash::Sha256, None)]).is_err());
        disk.set_space_left(None);
        assert_eq!(users.all()["admin"].len(), 2);
        assert_eq!(Users::open(Path::new(""), disk, None).unwrap().all(), users.all());
    }
}
