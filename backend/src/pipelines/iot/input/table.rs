//! A table of values over time.

use crate::pipelines::media::input::parse_ms;

/// Columns of one table that are read.
const COLUMNS_MAX: usize = 64;
/// Names of the column that says which rows are anomalous.
const LABELS: [&str; 3] = ["label", "anomaly", "is_anomaly"];
/// Columns of labels that say something else: where something changed.
const PASSED_OVER: [&str; 1] = ["changepoint"];

/// A table, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// When each row was taken.
    pub(super) times: Vec<i64>,
    /// The columns of values, by name.
    pub(super) columns: Vec<(String, Vec<f64>)>,
    /// First and last rows of what the table itself calls anomalous.
    pub(super) windows: Vec<(u64, u64)>,
    /// Lines that could not be read: number from 1, the line, why.
    pub(super) rejected: Vec<(usize, String, String)>,
    /// Whether its rows have labels of their own.
    is_labelled: bool,
}

impl Table {
    /// Whether its columns belong together: labels by row say of all of them at once that something is wrong.
    pub(super) fn is_machine(&self) -> bool {
        self.is_labelled && self.columns.len() > 1
    }
}

/// Reads a table.
///
/// # Errors
/// Why it is none.
pub(super) fn read(text: &str) -> Result<Table, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or("it is empty")?;
    let separator = [';', '\t', ','].into_iter().find(|separator| header.contains(*separator)).unwrap_or(',');
    let fields = |line: &'_ str| line.split(separator).map(|field| field.trim().trim_matches('"').to_owned()).collect::<Vec<_>>();
    let names: Vec<String> = fields(header.trim_start_matches('\u{feff}')).iter().map(|name| name.to_lowercase()).collect();
    let is_time = |name: &String| ["timestamp", "time", "datetime", "date", "ts"].contains(&name.as_str());
    let time = names.iter().position(is_time).ok_or_else(|| format!("no column is a time; there are: {}", names.join(", ")))?;
    let label = names.iter().position(|name| LABELS.contains(&name.as_str()));
    let is_value =
        |at: &usize| *at != time && Some(*at) != label && !names.get(*at).is_some_and(|name| PASSED_OVER.contains(&name.as_str()));
    let values: Vec<usize> = match names.iter().position(|name| name == "value") {
        Some(value) => vec![value],
        None => (0..names.len()).filter(is_value).take(COLUMNS_MAX).collect(),
    };
    if values.is_empty() {
        return Err("no column has values".to_owned());
    }
    let columns = values.iter().map(|at| (names.get(*at).cloned().unwrap_or_default(), Vec::new())).collect();
    let mut table = Table { columns, is_labelled: label.is_some(), ..Table::default() };
    let mut anomalous = Vec::new();
    for (number, line) in lines {
        match row(&fields(line), time, &values) {
            Ok((at_ms, row)) => {
                table.times.push(at_ms);
                table.columns.iter_mut().zip(row).for_each(|((_, column), value)| column.push(value));
                anomalous
                    .push(label.and_then(|at| fields(line).get(at).and_then(|label| label.parse::<f64>().ok())).is_some_and(|is| is > 0.0));
            }
            Err(why) => table.rejected.push((number + 1, line.to_owned(), why)),
        }
    }
    table.windows = runs(&anomalous);
    Ok(table)
}

fn row(fields: &[String], time: usize, values: &[usize]) -> Result<(i64, Vec<f64>), String> {
    let field =
        |at: usize| fields.get(at).map(String::as_str).ok_or_else(|| format!("it has {} fields, the header names more", fields.len()));
    let at = field(time)?;
    let at_ms = parse_ms(at).ok_or_else(|| format!("the time `{at}` is none"))?;
    let number = |at: &usize| {
        let text = field(*at)?;
        text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| format!("`{text}` is no number"))
    };
    Ok((at_ms, values.iter().map(number).collect::<Result<_, _>>()?))
}

/// First and last places of each run of `true`.
fn runs(flags: &[bool]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for at in (0..flags.len() as u64).filter(|at| flags.get(*at as usize) == Some(&true)) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => runs.push((at, at)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_benchmarks_are_read() {
        let nab = read("timestamp,value\n2014-02-14 14:30:00,0.132\n2014-02-14 14:35:00,x\n\n2014-02-14 14:40:00,0.134\n").unwrap();
        assert_eq!(nab.columns, [("value".to_owned(), vec![0.132, 0.134])]);
        assert_eq!(nab.times, [1_392_388_200_000, 1_392_388_800_000]);
        assert_eq!(nab.rejected, [(3, "2014-02-14 14:35:00,x".to_owned(), "`x` is no number".to_owned())]);

        let skab = "datetime;Accelerometer1RMS;Current;anomaly;changepoint\n\
                    2020-03-09 10:14:33;0.026588;1.33;0.0;0.0\n2020-03-09 10:14:34;0.026170;1.35;1.0;1.0\n2020-03-09 10:14:35;0.026199;1.41;1.0;0.0\n";
        let skab = read(skab).unwrap();
        assert_eq!(skab.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["accelerometer1rms", "current"]);
        assert_eq!((skab.windows.as_slice(), skab.rejected.len()), (&[(1, 2)][..], 0));
    }

    #[test]
    fn what_is_no_table_says_why() {
        for (text, why) in [("", "empty"), ("a,b\n1,2\n", "no column is a time"), ("timestamp\n1\n", "no column has values")] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn runs_are_found() {
        assert_eq!(runs(&[true, true, false, true]), [(0, 1), (3, 3)]);
        assert_eq!(runs(&[]), []);
    }
}
