//! What happens when the program has a bug: the user reads three lines, and a file keeps the rest.

use std::{
    backtrace::Backtrace,
    fs, io,
    panic::{self, PanicHookInfo},
    path::PathBuf,
};

use weir_model::TimestampMs;

use crate::cli::note;

/// From now on a panic writes a report to a file and tells where it is.
pub fn install() {
    panic::set_hook(Box::new(|panic| {
        let text = text(panic);
        match write(&text) {
            Ok(path) => note(format_args!(
                "weir: something went wrong that should not have: {}\n  A report is in {}\n  Acknowledged records are safe on disk; start weir again",
                summary(panic),
                path.display()
            )),
            Err(error) => {
                note(format_args!("weir: something went wrong that should not have, and no report could be written ({error}):\n{text}"))
            }
        }
    }));
}

fn summary(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("no message").to_owned()
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    format!(
        "weir {}\nthread {}\nat {}\n{}\n\n{}\n",
        env!("CARGO_PKG_VERSION"),
        thread.name().unwrap_or("without a name"),
        panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string),
        summary(panic),
        Backtrace::force_capture()
    )
}

fn write(text: &str) -> io::Result<PathBuf> {
    let folder =
        directories::ProjectDirs::from("", "", "weir").map_or_else(std::env::temp_dir, |dirs| dirs.data_local_dir().join("reports"));
    let name = format!("panic-{}-{}.txt", TimestampMs::now(), std::process::id());
    let in_folder = |folder: PathBuf| {
        fs::create_dir_all(&folder)?;
        let path = folder.join(&name);
        fs::write(&path, text)?;
        Ok(path)
    };
    in_folder(folder).or_else(|_: io::Error| in_folder(std::env::temp_dir()))
}
