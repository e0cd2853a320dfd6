//! Every kind of file there is in a data folder, and what damage to one of them may do.

use std::path::Path;

/// What becomes of a broker whose file was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It does not start, and says which file it is.
    Refuses,
    /// Nothing is lost: the file is made anew, or nobody looks at it.
    Recovers,
    /// The records before the damage are there, and all that is in other files.
    KeepsWhatIsBefore,
}

/// A kind of file.
#[derive(Debug)]
pub(super) struct Kind {
    /// The last part of the path; `*` at the beginning stands for anything.
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    kind(".lock", Outcome::Recovers),
    kind("broker-configs", Outcome::Refuses),
    kind("cluster-id", Outcome::Refuses),
    kind("producer-ids", Outcome::Refuses),
    kind("acls", Outcome::Refuses),
    kind("quotas", Outcome::Refuses),
    kind("users", Outcome::Refuses),
    kind("topic", Outcome::Refuses),
    kind("log-start-offset", Outcome::Refuses),
    kind("cleaner-offset", Outcome::Recovers),
    kind("*.index", Outcome::Recovers),
    kind("*.producers", Outcome::Recovers),
    kind("*.cleaned", Outcome::Recovers),
    // What a crash leaves of a file that was being replaced.
    kind("*.tmp", Outcome::Recovers),
    kind("*.log", Outcome::KeepsWhatIsBefore),
    kind("*.swap", Outcome::KeepsWhatIsBefore),
];

const fn kind(name: &'static str, outcome: Outcome) -> Kind {
    Kind { name, outcome }
}

/// The kind of a file of a data folder.
pub(super) fn kind_of(path: &Path) -> Option<&'static Kind> {
    let name = path.file_name()?.to_str()?;
    KINDS.iter().find(|kind| kind.name.strip_prefix('*').map_or(kind.name == name, |end| name.ends_with(end)))
}
