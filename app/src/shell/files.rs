//! File dialogs: the desktop's own, on a thread of their own, as they wait for the user.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use weir_model::{MessageRow, Problem};

use crate::panels::Command;

/// Answers that wait; a user answers one dialog at a time.
const ANSWERS_MAX: usize = 4;

/// Dialogs that were opened and not yet answered.
pub(super) struct FileDialogs {
    answer: SyncSender<Command>,
    answers: Receiver<Command>,
}

impl FileDialogs {
    pub(super) fn new() -> Self {
        let (answer, answers) = sync_channel(ANSWERS_MAX);
        Self { answer, answers }
    }

    /// Asks where to write these rows. `wake` is called once there is an answer.
    pub(super) fn save(&self, rows: Vec<Arc<MessageRow>>, wake: impl Fn() + Send + 'static) -> Result<(), Problem> {
        let topic = rows.first().map_or("messages", |row| row.record.topic.as_str()).to_owned();
        let answer = self.answer.clone();
        let ask = move || {
            let chosen: Option<PathBuf> = rfd::FileDialog::new()
                .set_title("Export messages")
                .set_file_name(format!("{topic}.jsonl"))
                .add_filter("JSON Lines", &["jsonl"])
                .save_file();
            // Cancelled, or the program is gone: nothing to do.
            if let Some(path) = chosen
                && answer.try_send(Command::FileChosen { path, rows }).is_ok()
            {
                wake();
            }
        };
        std::thread::Builder::new()
            .name("weir-dialog".to_owned())
            .spawn(ask)
            .map(drop)
            .map_err(|error| Problem::new("The file dialog could not be opened", error.to_string(), "Close something and try again"))
    }

    /// What the user answered.
    pub(super) fn answered(&self) -> Vec<Command> {
        self.answers.try_iter().collect()
    }
}
