//! Files and folders of given data: sheets, the labels beside them, and files that belong together.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{Label, Mapping, Rejected, Sheets, labels, read};
use crate::pipelines::given;

/// How deep folders are looked into, and how many files are read.
const DEPTH_MAX: usize = 4;
const FILES_MAX: usize = 20_000;
/// The text of one file is no longer.
const TEXT_MAX: u64 = 4 << 30;
/// What files with labels are called.
const LABELS: [&str; 4] = ["labels", "anomaly", "injection_info", "ground_truth"];

/// Reads a file, or all tables in a folder and its folders. Behind the name of a file or folder a mapping may stand.
///
/// # Errors
/// When there is none, or one that lacks what every row needs.
pub fn open(input: &str) -> Result<(Sheets, Vec<(String, Rejected)>), String> {
    let (path, mapping) = mapped(input)?;
    let mut files = Vec::new();
    if path.is_dir() {
        list(&path, 0, &mut files)?
    } else {
        files.push(path.clone())
    }
    files.sort();
    let is_labels = |file: &PathBuf| stem(file).is_some_and(|stem| LABELS.contains(&stem.as_str()));
    let (of_labels, tables): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| path.is_dir() && is_labels(file));
    let mut found = Found { folder: path.clone(), mapping, labels: BTreeMap::new(), sheets: Sheets::default(), rejected: Vec::new() };
    for file in of_labels {
        let folder = file.parent().unwrap_or(&path).to_owned();
        found.labels.entry(folder).or_default().extend(labels(&text_of(&file)?));
    }
    // A table of labels beside a single table.
    let beside = plain(&path).with_extension("labels.csv");
    if !path.is_dir() && beside.is_file() {
        found.labels.entry(path.parent().unwrap_or(&path).to_owned()).or_default().extend(labels(&text_of(&beside)?));
    }
    for table in tables.iter().filter(|file| is_table(file)) {
        found.take(table)?;
    }
    if found.sheets.cases.is_empty() && found.rejected.is_empty() {
        return Err(format!("no case in {}", path.display()));
    }
    Ok((found.sheets, found.rejected))
}

/// The path, and the mapping behind it: `file.csv?total=requests&dims=cdn,isp`.
fn mapped(input: &str) -> Result<(PathBuf, Mapping), String> {
    let whole = PathBuf::from(input);
    let Some((path, mapping)) = input.rsplit_once('?').filter(|_| !whole.exists()) else { return Ok((whole, Mapping::new())) };
    let pair = |pair: &str| pair.split_once('=').map(|(name, column)| (name.trim().to_lowercase(), column.trim().to_owned()));
    let mapping = mapping.split('&').map(|text| pair(text).ok_or_else(|| format!("{text:?} is no mapping: write column=name")));
    Ok((PathBuf::from(path), mapping.collect::<Result<_, _>>()?))
}

struct Found {
    folder: PathBuf,
    mapping: Mapping,
    /// By folder.
    labels: BTreeMap<PathBuf, Vec<Label>>,
    sheets: Sheets,
    rejected: Vec<(String, Rejected)>,
}

impl Found {
    fn take(&mut self, file: &Path) -> Result<(), String> {
        let Some(stem) = stem(file) else { return Ok(()) };
        let (name, text) = match stem.strip_suffix(".a") {
            Some(name) => {
                let divisor = file.with_file_name(format!("{name}.b.csv"));
                let packed = file.with_file_name(format!("{name}.b.csv.gz"));
                (name.to_owned(), quotient(&text_of(file)?, &text_of(if divisor.is_file() { &divisor } else { &packed })?)?)
            }
            // The divisor of a quotient is read with its dividend.
            None if stem.ends_with(".b") => return Ok(()),
            None => (stem, text_of(file)?),
        };
        // Folders may hold files of the same name.
        let folder =
            file.parent().and_then(|parent| parent.strip_prefix(&self.folder).ok()).filter(|folder| !folder.as_os_str().is_empty());
        let case = folder.map_or_else(|| name.clone(), |folder| folder.join(&name).to_string_lossy().into_owned());
        let told = |error: String| format!("{}: {error}", file.display());
        let sheets = read(&text, &case, self.labels_of(file), &self.mapping).map_err(told)?;
        self.sheets.cases.extend(sheets.cases);
        self.rejected.extend(sheets.rejected.into_iter().map(|rejected| (case.clone(), rejected)));
        Ok(())
    }

    /// The labels of a file's folder, else of the nearest above it, else those of any other.
    fn labels_of(&self, file: &Path) -> &[Label] {
        let above = file.ancestors().skip(1).find_map(|folder| self.labels.get(folder));
        above.or_else(|| self.labels.values().next()).map_or(&[], Vec::as_slice)
    }
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() && depth < DEPTH_MAX {
            list(&path, depth + 1, files)?;
        } else if path.is_file() {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("{} has more than {FILES_MAX} files", folder.display()));
        }
    }
    Ok(())
}

fn is_table(file: &Path) -> bool {
    let extension = plain(file).extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| ["csv", "tsv", "jsonl", "ndjson", "json", "txt"].contains(&extension.as_str()))
}

fn stem(file: &Path) -> Option<String> {
    Some(plain(file).file_stem()?.to_string_lossy().into_owned())
}

/// The name without what says that a file is packed.
fn plain(file: &Path) -> PathBuf {
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) { file.with_extension("") } else { file.to_owned() }
}

fn text_of(file: &Path) -> Result<String, String> {
    given::text_of(file, TEXT_MAX).map_err(|why| format!("{}: {why}", file.display()))
}

/// Dividend and divisor as one table, row by row.
fn quotient(dividend: &str, divisor: &str) -> Result<String, String> {
    let header = |text: &str, part: &str| {
        let first = text.lines().next().unwrap_or_default().trim_end().to_lowercase();
        let names = first.split(',').map(|name| match name.trim() {
            "real" | "predict" => format!("{}_{part}", name.trim()),
            name if part == "b" => format!("unnamed {name}"),
            name => name.to_owned(),
        });
        names.collect::<Vec<_>>().join(",")
    };
    let rows = |text: &str| text.lines().skip(1).filter(|line| !line.trim().is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (mut a, mut b) = (rows(dividend), rows(divisor));
    if a.len() != b.len() {
        return Err(format!("{} rows of the dividend, {} of the divisor", a.len(), b.len()));
    }
    // Both come in any order; dimensions stand before the measures in all of them.
    a.sort();
    b.sort();
    let joined = a.iter().zip(&b).map(|(a, b)| format!("{},{}\n", a.trim_end(), b.trim_end()));
    Ok(format!("{},{}\n", header(dividend, "a"), header(divisor, "b")) + &joined.collect::<String>())
}
