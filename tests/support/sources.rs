//! The repository's own files, for tests that hold rules over them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One text file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path from the repository's root, with forward slashes.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Whether the file lies below this folder.
    pub fn is_under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Lines of code, that is, with comments taken off, with their numbers from one.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_path_buf()
}

/// All Rust sources, sorted by path.
///
/// # Errors
/// When a folder or file can't be read.
pub fn rust_sources() -> io::Result<Vec<Source>> {
    files_with_extension("rs")
}

/// All files with this extension, sorted by path; what git ignores is left out.
///
/// # Errors
/// When a folder or file can't be read.
pub fn files_with_extension(extension: &str) -> io::Result<Vec<Source>> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !matches!(name, "target" | ".git" | "node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == extension) {
                let text = fs::read_to_string(&path)?;
                let path = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
