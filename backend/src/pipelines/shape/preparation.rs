//! What goes on before the first event of given data, such as putting the rows of a large file in order: told, and ended with the run.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use weir_model::NoticeLevel;

use crate::updates::Updates;

/// Whom it tells, and when it is to end. By default nobody and never.
#[derive(Clone, Default)]
pub struct Preparation {
    is_stopping: Arc<AtomicBool>,
    updates: Option<Updates>,
}

impl Preparation {
    pub(in crate::pipelines) fn new(is_stopping: Arc<AtomicBool>, updates: Updates) -> Self {
        Self { is_stopping, updates: Some(updates) }
    }

    /// Whether the run is to end: what is prepared is not needed any more.
    pub(in crate::pipelines) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Tells how far it is.
    pub(in crate::pipelines) fn tell(&self, title: impl Into<Arc<str>>, detail: impl Into<Arc<str>>) {
        if let Some(updates) = &self.updates {
            updates.notice(NoticeLevel::Warning, title, detail);
        }
    }
}

impl fmt::Debug for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparation").field("is_stopping", &self.is_stopping()).finish_non_exhaustive()
    }
}
