//! Files of given data, read side by side in order of time.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    Format, Line, Source,
    mapping::Mapping,
    named::Named,
    one_file::{FirstLines, OneFile},
};
use crate::pipelines::{given::Sniff, shape::Preparation};

/// Files open at a time.
pub(super) const FILES_MAX: usize = 500;

/// Several files as one. Each may be somewhat out of order; together they are no more so than each, because the line whose time is
/// smallest among the next ones comes first.
pub(in crate::pipelines::clickstream) struct Files {
    files: Vec<OneFile>,
    /// Files of folders that hold nothing of the kind, such as a server's log of errors, and why.
    passed_over: Vec<Line>,
}

impl Files {
    /// Opens what `--input` names: files with commas between them, or folders, and behind a question mark which field means what.
    ///
    /// `None` when nothing of that name is there, so that it may be a topic.
    pub(in crate::pipelines::clickstream) fn open(input: &str, preparation: &Preparation) -> Result<Option<Self>, String> {
        let Named { names, mapping, is_topic } = Named::parse(input);
        let mapping = Mapping::parse(mapping)?;
        if is_topic {
            return Ok(None);
        }
        let mut paths = Vec::new();
        let given: Vec<_> = if Path::new(names).exists() { vec![names] } else { names.split(',').collect() };
        for name in given {
            let path = Path::new(name.trim());
            if !path.exists() {
                return if paths.is_empty() { Ok(None) } else { Err(format!("{name} is not there")) };
            }
            let of_folder = path.is_dir();
            paths.extend(files_of(path).map_err(|error| format!("{name}: {error}"))?.into_iter().map(|path| (path, of_folder)));
        }
        if paths.is_empty() || paths.len() > FILES_MAX {
            return Err(format!("{names} holds {} files; it takes 1 to {FILES_MAX}", paths.len()));
        }
        let (mut files, mut passed_over) = (Vec::with_capacity(paths.len()), Vec::new());
        for (path, is_of_folder) in &paths {
            match OneFile::open(path, &mapping, preparation) {
                Ok(file) => files.extend(file),
                Err(why) if *is_of_folder && !preparation.is_stopping() => {
                    let read = Err((why, String::new()));
                    passed_over.push(Line { source: path.display().to_string().into(), number: 0, read, is_broken: false });
                }
                Err(why) => return Err(format!("{}: {why}", path.display())),
            }
        }
        match (files.is_empty(), passed_over.first()) {
            (true, Some(Line { source, read: Err((why, _)), .. })) => Err(format!("{source}: {why}")),
            (true, _) => Err(format!("{names} is empty")),
            (false, _) => Ok(Some(Self { files, passed_over })),
        }
    }

    /// Opens parts of one stream of lines, which have one format and no header.
    pub(super) fn parts(paths: &[PathBuf], mapping: &Mapping) -> Result<Self, String> {
        let first: Vec<_> = paths.iter().map(|path| FirstLines::of(path)).collect::<io::Result<_>>().map_err(|error| error.to_string())?;
        let texts: Vec<_> = first.iter().flat_map(FirstLines::texts).collect();
        let (format, has_header) = Format::of(&texts, mapping)?;
        // With one part the header is where it should be.
        if has_header && first.len() > 1 {
            return Err("its records have a header, and that in one partition only; give JSON, or lines of an access log".to_owned());
        }
        let header = usize::from(has_header);
        let mut sniff = Sniff::new(mapping.dialect);
        for path in paths {
            let first = FirstLines::of(path).map_err(|error| error.to_string())?;
            first.unread(format.clone(), header).look(&mut sniff);
        }
        let format = format.with(sniff.dialect()?);
        Ok(Self { passed_over: Vec::new(), files: first.into_iter().map(|first| first.into_file(format.clone(), header)).collect() })
    }
}

impl Source for Files {
    fn next(&mut self) -> Option<Line> {
        if let Some(line) = self.passed_over.pop() {
            return Some(line);
        }
        let first = self.files.iter().enumerate().filter_map(|(at, file)| Some((file.next_ms()?, at))).min()?.1;
        self.files.get_mut(first)?.take()
    }
}

fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}
