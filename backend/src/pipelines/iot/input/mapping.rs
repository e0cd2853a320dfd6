//! What the columns of given tables are called: known by common names, or as told behind a question mark, `FILE?timestamp=ts&value=temp`.

use crate::pipelines::given::{Told, is_same_name};

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// When a row was taken.
    Time,
    /// What was measured.
    Value,
    /// Which series a row belongs to.
    Series,
    /// Whether a row is anomalous.
    Label,
}

/// Each with what a mapping calls it, first the one that is shown, and the names by which a column is known, best first; those with a plus
/// between them make one.
const KNOWN: [(Meaning, &[&str], &[&str]); 4] = [
    (
        Meaning::Time,
        &["timestamp", "time", "ts"],
        &["timestamp", "timestamps", "date+time", "time", "datetime", "date_time", "event_time", "@timestamp", "ts", "date"],
    ),
    (Meaning::Value, &["value"], &["value"]),
    (Meaning::Series, &["series", "id", "device"], &["series", "series_id", "device_id", "sensor_id", "machine_id", "device"]),
    (Meaning::Label, &["label", "anomaly"], &["label", "anomaly", "is_anomaly", "anomalous", "outlier", "is_outlier"]),
];
/// Columns of labels that say something else: where something changed.
pub(super) const PASSED_OVER: [&str; 1] = ["changepoint"];

/// What was told; several columns of values stand with a plus between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    columns: Vec<(Meaning, Vec<String>)>,
    /// How dates and numbers are written.
    pub(super) dialect: Told,
}

impl Mapping {
    /// Reads `timestamp=ts&value=temp+pressure&series=device`.
    ///
    /// # Errors
    /// When a part is no `name=column`, or the name is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut mapping = Self::default();
        for part in text.split('&').filter(|part| !part.trim().is_empty()) {
            let (name, columns) = part.split_once('=').ok_or_else(|| format!("`{part}` is not like value=COLUMN"))?;
            if mapping.dialect.take(name, columns)? {
                continue;
            }
            let of = KNOWN.iter().find(|(_, names, _)| names.contains(&name.trim()));
            let known = || KNOWN.iter().filter_map(|(_, names, _)| names.first().copied()).collect::<Vec<_>>().join(", ");
            let (meaning, ..) = of.ok_or_else(|| format!("there is no field {}, only {}, {}", name.trim(), known(), Told::NAMES))?;
            mapping.columns.push((*meaning, columns.split('+').map(|column| column.trim().to_lowercase()).collect()));
        }
        Ok(mapping)
    }

    /// The places of the columns that say this; none where nobody said which and none has a known name.
    ///
    /// # Errors
    /// When a column that was told is not there.
    pub(super) fn places(&self, meaning: Meaning, names: &[String]) -> Result<Vec<usize>, String> {
        let place = |wanted: &str| names.iter().position(|name| is_same_name(name, wanted));
        let all = |wanted: &str| wanted.split('+').map(place).collect::<Option<Vec<_>>>();
        match self.columns.iter().find(|(told, _)| *told == meaning) {
            Some((_, columns)) => {
                let missing = |column: &String| format!("there is no column {column}; there are: {}", names.join(", "));
                columns.iter().map(|column| place(column).ok_or_else(|| missing(column))).collect()
            }
            None => {
                let known = KNOWN.iter().find(|(known, ..)| *known == meaning).map_or(&[][..], |(.., known)| known);
                Ok(known.iter().find_map(|known| all(known)).unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_or_told() {
        let names: Vec<String> = ["datetime", "ts", "temp", "flow", "device_id"].map(str::to_owned).into();
        let check = |mapping: &str, meaning, expect: Result<&[usize], &str>| {
            let places = Mapping::parse(mapping).and_then(|mapping| mapping.places(meaning, &names));
            match expect {
                Ok(expect) => assert_eq!(places.as_deref(), Ok(expect), "{mapping}"),
                Err(why) => assert!(places.as_ref().is_err_and(|error| error.contains(why)), "{mapping}: {places:?}"),
            }
        };
        check("", Meaning::Time, Ok(&[0]));
        check("timestamp=TS", Meaning::Time, Ok(&[1]));
        check("time=ts&value=temp+flow", Meaning::Value, Ok(&[2, 3]));
        check("", Meaning::Value, Ok(&[]));
        check("", Meaning::Series, Ok(&[4]));
        let apart: Vec<String> = ["Date", "Time", "CO(GT)"].map(str::to_lowercase).into();
        assert_eq!(Mapping::default().places(Meaning::Time, &apart), Ok(vec![0, 1]));
        assert_ne!(Mapping::parse("dates=dmy&value=x").expect("a mapping").dialect, Told::default());
        check("device=Device-ID", Meaning::Series, Ok(&[4]));
        check("decimal=x", Meaning::Value, Err("decimal=point"));
        check("value=pressure", Meaning::Value, Err("no column pressure; there are: datetime"));
        check("what=temp", Meaning::Value, Err("no field what, only timestamp, value, series, label"));
        check("temp", Meaning::Value, Err("not like value=COLUMN"));
    }
}
