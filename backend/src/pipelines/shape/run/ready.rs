//! Waits until all that processes is ready.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use weir_model::Problem;

use super::{LOOK_INTERVAL, Run, Workers, lock};
use crate::{client::Admin, stream::app::StreamsApp};

/// How long groups may take to share out their partitions.
pub(super) const JOIN_MAX: Duration = Duration::from_secs(60);
/// How long the cluster may take to tell of a group.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Whether state can be kept in this folder, which is made where it is missing: a run that was told to keep it must not do without unseen.
///
/// # Errors
/// When nothing can be written there.
pub(super) fn usable(dir: &Path) -> Result<(), Problem> {
    let probe = dir.join(".weir-probe");
    let tried = fs::create_dir_all(dir).and_then(|()| fs::write(&probe, b"?")).and_then(|()| fs::remove_file(&probe));
    tried.map_err(|error| {
        let what = format!("State can't be kept in {}", dir.display());
        Problem::new(what, error.to_string(), "Name a folder that can be written to: --state-dir DIR")
    })
}

impl Run<'_> {
    /// The generator starts when every task has its thread, here or with another member, so that nothing waits.
    pub(super) fn wait_for_tasks(&self, workers: &mut Workers<'_>) -> Result<(), Problem> {
        let deadline = Instant::now() + JOIN_MAX;
        loop {
            let missing: usize = lock(&self.apps).iter().map(|app| self.missing(app)).sum();
            if missing == 0 || self.control.is_stopping() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let why = format!("{missing} tasks did not start within {} s", JOIN_MAX.as_secs());
                return Err(Problem::new(
                    format!("{} did not start", self.meta.title),
                    why,
                    "Look whether another program is in its groups",
                ));
            }
            std::thread::sleep(LOOK_INTERVAL);
            self.look(workers)?;
        }
    }

    /// Tasks of an application that nobody runs yet, as far as is known.
    fn missing(&self, app: &StreamsApp) -> usize {
        let snapshot = app.snapshot();
        let missing = app.tasks() - snapshot.running().min(app.tasks());
        match snapshot.is_shared_out() {
            false => missing.max(1),
            true if missing > 0 && self.is_shared_with_others(&snapshot.app, snapshot.threads.len()) => 0,
            true => missing,
        }
    }

    /// Whether members of other processes have joined, and the group is settled: they have what is not here.
    fn is_shared_with_others(&self, group: &str, own_members: usize) -> bool {
        let described = Admin::new(self.connection, ANSWER_MAX).and_then(|admin| admin.describe_groups(&[group.to_owned()]));
        // Whoever does not answer now is asked again at the next look.
        let groups = described.unwrap_or_default().into_iter().filter_map(|(_, group)| group.ok());
        groups.into_iter().any(|group| group.state == "Stable" && group.members.len() > own_members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_for_state_are_made_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        assert_eq!(usable(&deep), Ok(()));
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0, "nothing is left there");
        fs::write(folder.path().join("file"), "").unwrap();
        let refused = usable(&folder.path().join("file/state")).unwrap_err().to_string();
        assert!(refused.contains("State can't be kept in"), "{refused}");
    }
}
