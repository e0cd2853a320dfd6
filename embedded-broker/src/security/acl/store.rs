//! The bindings of this broker, in a file of the data folder that is replaced as a whole; what is in memory changes after it.
//!
//! One line a binding: `<resource> <pattern> <operation> <permission> <name> <principal> <host>`, codes as on the wire, texts in base64.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::model::{Binding, Filter, Operation, PatternType, Permission, ResourceType};
use super::rules::{Asker, Rules};
use crate::disk::{Disk, read_checked, write_checked};
use crate::sync::{lock, read, write};

const FILE: &str = "acls";
const FORMAT: &str = "weir acls 1";

/// All bindings, and who stands above them.
#[derive(Debug)]
pub(crate) struct Acls {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Principals as `User:name`.
    super_users: BTreeSet<String>,
    rules: RwLock<Arc<Rules>>,
    changing: Mutex<()>,
}

impl Acls {
    pub(crate) fn open(folder: &Path, disk: Arc<dyn Disk>, super_users: BTreeSet<String>) -> io::Result<Self> {
        let path = folder.join(FILE);
        // Without its denials the broker would let in who was kept out: it does not start.
        let bindings = read_checked(disk.as_ref(), &path, "restore it, or remove it to begin with no ACLs", decode)?.unwrap_or_default();
        Ok(Self { disk, path, super_users, rules: RwLock::new(Arc::new(Rules::new(bindings))), changing: Mutex::default() })
    }

    pub(crate) fn super_users(&self) -> impl Iterator<Item = &str> {
        self.super_users.iter().map(String::as_str)
    }

    pub(crate) fn is_super_user(&self, principal: &str) -> bool {
        self.super_users.contains(principal)
    }

    pub(crate) fn is_allowed(&self, principal: &str, host: &str, asked: Operation, resource: ResourceType, name: &str) -> bool {
        read(&self.rules).is_allowed(Asker { principal, host }, asked, resource, name)
    }

    pub(crate) fn is_allowed_somewhere(&self, principal: &str, host: &str, asked: Operation, resource: ResourceType) -> bool {
        read(&self.rules).is_allowed_somewhere(Asker { principal, host }, asked, resource)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        read(&self.rules).bindings.len()
    }

    /// Those a filter means, in order.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<Binding> {
        read(&self.rules).bindings.iter().filter(|binding| filter.matches(binding)).cloned().collect()
    }

    /// Adds all, or none. Those that are there already stay.
    pub(crate) fn add(&self, bindings: Vec<Binding>) -> io::Result<()> {
        self.change(|all| all.extend(bindings))
    }

    /// Removes all that the filters mean, or none; what each meant.
    pub(crate) fn remove(&self, filters: &[Filter]) -> io::Result<Vec<Vec<Binding>>> {
        let mut removed = Vec::new();
        self.change(|all| {
            removed = filters.iter().map(|filter| all.iter().filter(|binding| filter.matches(binding)).cloned().collect()).collect();
            all.retain(|binding| !filters.iter().any(|filter| filter.matches(binding)));
        })?;
        Ok(removed)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<Binding>)) -> io::Result<()> {
        let _one_at_a_time = lock(&self.changing);
        let mut bindings = read(&self.rules).bindings.clone();
        let before = bindings.clone();
        change(&mut bindings);
        if bindings != before {
            write_checked(self.disk.as_ref(), &self.path, &encode(&bindings))?;
            *write(&self.rules) = Arc::new(Rules::new(bindings));
        }
        Ok(())
    }
}

fn encode(bindings: &BTreeSet<Binding>) -> String {
    let mut text = format!("{FORMAT}\n");
    for Binding { resource, pattern, name, principal, host, operation, permission } in bindings {
        let codes = format!("{} {} {} {}", resource.code(), pattern.code(), operation.code(), permission.code());
        // Writing to a String can't fail.
        let _ = writeln!(text, "{codes} {} {} {}", STANDARD.encode(name), STANDARD.encode(principal), STANDARD.encode(host));
    }
    text
}

/// Reads the file back; `None` if it is not one of ours.
fn decode(text: &str) -> Option<BTreeSet<Binding>> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let binding = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [resource, pattern, operation, permission, name, principal, host] = fields[..] else { return None };
        let text = |field: &str| String::from_utf8(STANDARD.decode(field).ok()?).ok();
        Some(Binding {
            resource: ResourceType::from_code(resource.parse().ok()?)?,
            pattern: PatternType::from_code(pattern.parse().ok()?)?,
            name: text(name)?,
            principal: text(principal)?,
            host: text(host)?,
            operation: Operation::from_code(operation.parse().ok()?)?,
            permission: Permission::from_code(permission.parse().ok()?)?,
        })
    };
    lines.map(binding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::ANY;
    use super::*;
    use crate::disk::MemoryDisk;

    fn binding(name: &str) -> Binding {
        Binding {
            resource: ResourceType::Topic,
            pattern: PatternType::Prefixed,
            name: name.into(),
            principal: "User:CN=a b,O=c\n".into(),
            host: "*".into(),
            operation: Operation::Read,
            permission: Permission::Allow,
        }
    }

    const ALL: Filter = Filter { resource: ANY, pattern: ANY, name: None, principal: None, host: None, operation: ANY, permission: ANY };

    #[test]
    fn bindings_outlive_the_broker() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let open = || Acls::open(Path::new(""), Arc::clone(&disk), BTreeSet::new()).unwrap();
        open().add(vec![binding("b"), binding("a"), binding("a")]).unwrap();
        assert_eq!(open().find(&ALL), [binding("a"), binding("b")]);
        let removed = open().remove(&[Filter { name: Some("a".into()), ..ALL }, Filter { name: Some("x".into()), ..ALL }]).unwrap();
        assert_eq!(removed, [vec![binding("a")], vec![]]);
        assert_eq!(open().find(&ALL), [binding("b")]);
        disk.write_atomic(Path::new(FILE), b"weir acls 1\n2 3 3 3 gibberish").unwrap();
        assert!(Acls::open(Path::new(""), disk, BTreeSet::new()).is_err());
    }

    #[test]
    fn filters_find_by_pattern() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let acls = Acls::open(Path::new(""), disk, BTreeSet::new()).unwrap();
        let literal = |name: &str| Binding { pattern: PatternType::Literal, ..binding(name) };
        acls.add(vec![binding("log-"), literal("log-a"), literal("*"), literal("other")]).unwrap();
        let found = |pattern, name: Option<&str>| {
            let filter = Filter { pattern, name: name.map(str::to_owned), ..ALL };
            acls.find(&filter).into_iter().map(|binding| binding.name).collect::<Vec<_>>()
        };
        assert_eq!(found(ANY, None).len(), 4);
        assert_eq!(found(4, None), ["log-"]);
        assert_eq!(found(ANY, Some("log-a")), ["log-a"]);
        assert_eq!(found(4, Some("log-a")), [""; 0]);
        assert_eq!(found(2, Some("log-a")), ["*", "log-a", "log-"], "MATCH finds what decides about log-a");
        assert!(!Filter { resource: 0, ..ALL }.is_valid() && ALL.is_valid());
    }

    #[test]
    fn a_full_disk_changes_nothing() {
        let disk = Arc::new(MemoryDisk::default());
        let acls = Acls::open(Path::new(""), Arc::clone(&disk) as Arc<dyn Disk>, BTreeSet::new()).unwrap();
        acls.add(vec![binding("a")]).unwrap();
        disk.set_space_left(Some(0));
        assert!(acls.add(vec![binding("b")]).is_err() && acls.remove(&[ALL]).is_err());
        assert_eq!(acls.find(&ALL), [binding("a")]);
        let allowed = |name| acls.is_allowed("User:CN=a b,O=c\n", "h", Operation::Read, ResourceType::Topic, name);
        assert!(allowed("a1") && !allowed("b1"));
    }
}
