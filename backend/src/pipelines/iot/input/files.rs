//! The files that an input names, and their texts.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{labels::Labels, mapping::Mapping};
use crate::pipelines::given;

/// Tables of one folder, and folders in folders that are looked into.
const TABLES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 4;
/// Bytes of a table, unpacked.
const BYTES_MAX: u64 = 1 << 30;
/// Endings of tables in folders; a file that is named itself may be called anything.
const ENDINGS: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];

/// A file to be read.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What its series are called after: unique in the input.
    pub(super) name: String,
    /// What its columns are called.
    pub(super) mapping: Arc<Mapping>,
    /// Labels from elsewhere.
    pub(super) labels: Arc<Labels>,
}

/// Splits what `--input` names: files, folders and topics with commas between them, unless a file has that name.
pub(super) fn parts(input: &str) -> Vec<&str> {
    if Path::new(input).exists() { vec![input] } else { input.split(',').map(str::trim).filter(|part| !part.is_empty()).collect() }
}

/// The files of one part, `PATH` or `PATH?timestamp=ts&value=temp`.
///
/// # Errors
/// When there is none, its labels can't be read, or its mapping is none.
pub(super) fn find(part: &str, taken: &mut BTreeSet<String>) -> Result<Vec<Given>, String> {
    let (path, mapping) = if Path::new(part).exists() { (part, "") } else { part.split_once('?').unwrap_or((part, "")) };
    let mapping = Arc::new(Mapping::parse(mapping)?);
    // Labels stand beside the tables or above them, wherever the path is told from.
    let path = Path::new(path).canonicalize().map_err(|error| format!("{path}: {error}"))?;
    let path = corpus(&path).unwrap_or(path);
    let mut tables = Vec::new();
    if path.is_dir() {
        look(&path, DEPTH_MAX, &mut tables).map_err(|error| error.to_string())?;
    } else {
        tables.push(path.clone());
    }
    if tables.is_empty() {
        return Err(format!("there is no .{} in {}", ENDINGS.join(", ."), path.display()));
    }
    tables.sort();
    let labels = Arc::new(Labels::near(&path)?);
    let root = if path.is_dir() { &path } else { path.parent().unwrap_or(&path) };
    let given = |path: PathBuf| {
        let short = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let name = if taken.insert(short.clone()) { short } else { path.display().to_string() };
        Given { path, name, mapping: Arc::clone(&mapping), labels: Arc::clone(&labels) }
    };
    Ok(tables.into_iter().map(given).collect())
}

/// A benchmark's folder has its tables in `data`; what else is in it, such as others' results, is no input.
fn corpus(path: &Path) -> Option<PathBuf> {
    let data = path.join("data");
    let is_bare = || fs::read_dir(path).is_ok_and(|entries| !entries.flatten().any(|entry| is_table(&entry.path())));
    (data.is_dir() && (path.join("labels").is_dir() || is_bare())).then_some(data)
}

fn look(folder: &Path, depth: usize, tables: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth > 0 {
            look(&path, depth - 1, tables)?;
        } else if is_table(&path) && tables.len() < TABLES_MAX {
            tables.push(path);
        }
    }
    Ok(())
}

fn is_table(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    path.is_file() && ENDINGS.iter().any(|ending| plain.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.')))
}

/// The text of a file.
///
/// # Errors
/// When it can't be read, or is too long.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    given::text_of(path, BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_lists_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "ts,value\n1,2\n").unwrap();
        };
        let repo = ["repo/data/a.csv", "repo/data/x/a.csv", "repo/data/notes.md", "repo/results/b.csv", "repo/labels/l.json"];
        repo.into_iter().chain(["logs/b.jsonl", "logs/c.csv.gz", "logs/table", "other/b.jsonl"]).for_each(file);
        let check = |input: &str, expect: &[&str]| {
            let input: Vec<_> = input.split(',').map(|part| folder.path().join(part).display().to_string()).collect();
            let (input, mut taken, mut names) = (input.join(","), BTreeSet::new(), Vec::new());
            for part in parts(&input) {
                names.extend(find(part, &mut taken).unwrap().into_iter().map(|given| given.name.rsplit('/').next().unwrap().to_owned()));
            }
            assert_eq!(names, expect, "{input}");
        };
        check("repo", &["a.csv", "a.csv"]);
        check("logs", &["b.jsonl", "c.csv.gz"]);
        check("logs/table?timestamp=ts", &["table"]);
        check("logs/b.jsonl,repo/data/a.csv?value=value", &["b.jsonl", "a.csv"]);
        let twice = format!("{},{}", folder.path().join("logs/b.jsonl").display(), folder.path().join("other/b.jsonl").display());
        let mut taken = BTreeSet::new();
        let names: BTreeSet<_> =
            parts(&twice).into_iter().flat_map(|part| find(part, &mut taken).unwrap()).map(|given| given.name).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(find("nowhere.csv", &mut taken).is_err());
        assert!(
            find(&folder.path().join("repo/labels").display().to_string(), &mut taken).is_err_and(|why| why.contains("there is no .csv"))
        );
    }
}
