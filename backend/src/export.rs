//! Writing rows to a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
    sync::Arc,
};

use weir_model::{MessageRow, Problem};

use crate::envelope::envelope;

/// Writes rows as JSON Lines. The file appears, or is replaced, only once it is complete.
///
/// # Errors
/// When the folder can't be written or is full; what was there before is untouched.
pub fn export_messages(rows: &[Arc<MessageRow>], path: &Path) -> Result<(), Problem> {
    write(rows, path).map_err(|error| {
        Problem::new(
            format!("{} was not written", path.display()),
            error.to_string(),
            "Choose a folder you may write to, with room on its disk",
        )
    })
}

fn write(rows: &[Arc<MessageRow>], path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let mut partial_name = name.to_owned();
    partial_name.push(".part");
    let partial = path.with_file_name(partial_name);
    let written = write_whole(rows, &partial).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // Half a file helps nobody; that it could not be removed either would only hide why.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn write_whole(rows: &[Arc<MessageRow>], partial: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(partial)?);
    for row in rows {
        writeln!(out, "{}", envelope(&row.record))?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
