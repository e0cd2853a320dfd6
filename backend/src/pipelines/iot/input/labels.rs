//! Labels of many series in one file: `{"folder/name.csv": [["from", "until"], …]}`.

use std::{collections::BTreeMap, path::Path};

use crate::pipelines::given::Dates;

/// The file's name.
const FILE: &str = "combined_windows.json";
/// How far above the tables it is looked for.
const LEVELS_UP: usize = 4;

/// Times from and until, by series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Labels(BTreeMap<String, Vec<(i64, i64)>>);

impl Labels {
    /// Looks for labels near the tables; none is no error.
    ///
    /// # Errors
    /// When there is such a file that can't be read.
    pub(super) fn near(tables: &Path) -> Result<Self, String> {
        for folder in tables.ancestors().take(LEVELS_UP) {
            for file in [folder.join(FILE), folder.join("labels").join(FILE)] {
                if file.is_file() {
                    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                    return Self::parse(&text).map_err(|why| format!("{}: {why}", file.display()));
                }
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let read: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let at = |text: &str| Dates::default().parse_since_1970_ms(text);
        let window = |(from, until): &(String, String)| Some((at(from)?, at(until)?));
        let windows = |of: &Vec<(String, String)>| of.iter().map(window).collect::<Option<Vec<_>>>();
        let all = read.iter().map(|(series, of)| Some((series.clone(), windows(of)?)));
        all.collect::<Option<_>>().map(Self).ok_or_else(|| "a time in it is none".to_owned())
    }

    /// First and last rows of a series' windows; `path` may say more than the labels' name of it.
    pub(super) fn of(&self, path: &Path, times: &[i64]) -> Vec<(u64, u64)> {
        let Some((_, windows)) = self.0.iter().find(|(series, _)| path.ends_with(series)) else { return Vec::new() };
        // As the benchmark does it, a window begins and ends at the first row of just that time. Times of real series may run back, where
        // clocks do, and times that no row has lie between two.
        let rows = |(from, until): &(i64, i64)| {
            let is_in = |at: &i64| (*from..=*until).contains(at);
            let first = times.iter().position(|at| at == from).or_else(|| times.iter().position(is_in))?;
            let rest = times.get(first..)?;
            let last = rest.iter().position(|at| at == until).or_else(|| rest.iter().rposition(is_in))?;
            Some((first as u64, (first + last) as u64))
        };
        let mut windows: Vec<_> = windows.iter().filter_map(rows).collect();
        windows.sort_unstable();
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_rows() {
        let text = r#"{"real/a.csv": [["1970-01-01 00:00:10.000000", "1970-01-01 00:00:20.000000"]], "b.csv": []}"#;
        let labels = Labels::parse(text).unwrap();
        let times = [0, 5_000, 10_000, 15_000, 20_000, 25_000];
        assert_eq!(labels.of(Path::new("/corpus/data/real/a.csv"), &times), [(2, 4)]);
        assert_eq!(labels.of(Path::new("/corpus/data/b.csv"), &times), []);
        assert_eq!(labels.of(Path::new("/corpus/data/unreal/a.csv"), &times), []);
        // Between two rows, the other way round, and where an hour comes twice.
        let text = r#"{"a.csv": [["1970-01-01 00:00:21", "1970-01-01 00:00:29"], ["1970-01-01 00:00:04", "1970-01-01 00:00:12"]]}"#;
        let labels = Labels::parse(text).unwrap();
        assert_eq!(labels.of(Path::new("/data/a.csv"), &[0, 5_000, 10_000, 15_000, 25_000, 30_000]), [(1, 2), (4, 4)]);
        assert_eq!(labels.of(Path::new("/data/a.csv"), &[4_000, 8_000, 12_000, 4_000, 8_000, 12_000, 16_000]), [(0, 2)]);
        assert!(Labels::parse("{\"a\": [[\"x\", \"y\"]]}").is_err());
    }
}
