//! Which column says what, and a row as what it says.

use std::collections::BTreeMap;

use super::{MINUTE_MS, labels, labels::parse_cause, time};
use crate::{
    pipelines::given::{Dialect, Sniff, Told, flat_object, is_same_name, logical_lines, separator_of, split},
    sim::media::Shown,
};

/// Names a column may have, best first, by what it says. A mapping (`?total=requests`) names one itself.
const KNOWN: [(&str, &[&str]); 13] = [
    ("time", &["time", "timestamp", "ts", "minute", "min", "datetime", "date"]),
    ("total", &["total", "cnt", "count", "views", "attempts", "requests"]),
    ("failures", &["failures", "failed", "fail", "value", "errors", "bad", "stalls"]),
    ("successes", &["successes", "success", "succeeded", "ok"]),
    ("actual", &["real", "actual", "observed", "value"]),
    ("forecast", &["predict", "predicted", "prediction", "forecast", "expected", "baseline"]),
    ("actual_b", &["real_b", "actual_b"]),
    ("forecast_b", &["predict_b", "forecast_b", "expected_b"]),
    ("value", &["value", "count", "cnt", "kpi"]),
    ("case", &["case", "incident", "data"]),
    ("cause", &["cause", "root_cause", "label"]),
    ("at", &["anomaly_at", "incident_at", "at"]),
    ("dims", &[]),
];

/// Columns by name in place of those that are known: `time`, `total`, `failures`, … and `dims` with commas between several.
pub type Mapping = BTreeMap<String, String>;

/// What a row measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    /// Views, and those that failed.
    Counts(u64, u64),
    /// A measure as it is and as it was forecast.
    Forecast([(f64, f64); 2], usize),
    /// A measure by time, whose forecast is to be made.
    Series(f64),
}

/// A row.
pub(super) struct Row {
    pub(super) case: Option<String>,
    pub(super) start_ms: Option<i64>,
    pub(super) values: Vec<String>,
    pub(super) measure: Measure,
    pub(super) causes: Vec<Shown>,
    pub(super) at_ms: Option<i64>,
}

/// Where what stands.
pub(super) struct Columns {
    places: BTreeMap<&'static str, usize>,
    kind: Kind,
    dims: Vec<usize>,
    pub(super) dimensions: Vec<String>,
    count: usize,
    /// Of the time, where it stands apart from the date.
    clock: Option<usize>,
    pub(super) dialect: Dialect,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counts,
    Successes,
    Forecast,
    Quotient,
    Series,
}

impl Kind {
    /// The columns it needs; the first kind that has its columns is taken.
    const ALL: [(Self, &[&str]); 5] = [
        (Self::Quotient, &["actual_a", "forecast_a", "actual_b", "forecast_b"]),
        (Self::Forecast, &["actual", "forecast"]),
        (Self::Counts, &["total", "failures"]),
        (Self::Successes, &["total", "successes"]),
        (Self::Series, &["value"]),
    ];

    fn needs(self) -> &'static [&'static str] {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or(&[], |(_, needs)| needs)
    }
}

impl Columns {
    /// Reads a header.
    pub(super) fn of(header: &[String], mapping: &Mapping) -> Result<Self, String> {
        let names: Vec<_> = header.iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_lowercase()).collect();
        let find = |what: &str| match mapping.get(what) {
            Some(name) => names.iter().position(|it| is_same_name(it, name)),
            None => known(what).iter().find_map(|known| names.iter().position(|name| is_same_name(name, known))),
        };
        // A clock stands beside its date.
        let place = |known: &str| names.iter().position(|name| name == known);
        let apart = place("date").zip(place("time")).filter(|_| !mapping.contains_key("time") && place("timestamp").is_none());
        let kind = Kind::ALL.iter().find(|(_, needs)| needs.iter().all(|what| find(what).is_some())).map(|(kind, _)| *kind);
        let kind = kind.ok_or_else(|| lacking(&find))?;
        // What was forecast needs no past to be compared with.
        if ![Kind::Forecast, Kind::Quotient].contains(&kind) && find("time").is_none() {
            return Err(lacking(&find));
        }
        let wanted = ["time", "case", "cause", "at"].iter().chain(kind.needs());
        let mut places: BTreeMap<_, _> = wanted.filter_map(|what| Some((*what, find(what)?))).collect();
        places.extend(apart.map(|(date, _)| ("time", date)));
        let clock = apart.map(|(_, clock)| clock);
        let is_free = |place: &usize| Some(*place) != clock && !places.values().any(|taken| taken == place);
        // A column without a name is the row number that some programs write.
        let is_named = |place: &usize| !names[*place].is_empty() && !names[*place].starts_with("unnamed");
        let dims: Vec<_> = match mapping.get("dims") {
            Some(dims) => {
                let place = |dim: &str| names.iter().position(|name| is_same_name(name, dim));
                dims.split(',').map(|dim| place(dim).ok_or_else(|| format!("no column is named {dim}"))).collect::<Result<_, _>>()?
            }
            None => (0..names.len()).filter(is_free).filter(is_named).collect(),
        };
        if dims.is_empty() {
            return Err("no column is left for a dimension".to_owned());
        }
        let dimensions = dims.iter().map(|place| names[*place].clone()).collect();
        Ok(Self { places, kind, dims, dimensions, count: names.len(), clock, dialect: Dialect::default() })
    }

    /// Looks how the first rows write dates and numbers.
    pub(super) fn look(&mut self, rows: impl Iterator<Item = Vec<String>>, told: Told) -> Result<(), String> {
        let mut sniff = Sniff::new(told);
        for fields in rows {
            if sniff.is_enough() {
                break;
            }
            sniff.time(&self.time_of(&fields, "time").unwrap_or_default());
            let numbers = self.kind.needs().iter().filter_map(|what| fields.get(*self.places.get(what)?));
            let is_count = [Kind::Counts, Kind::Successes].contains(&self.kind);
            numbers.for_each(|number| if is_count { sniff.count(number) } else { sniff.number(number) });
        }
        self.dialect = sniff.dialect()?;
        Ok(())
    }

    fn time_of(&self, fields: &[String], what: &str) -> Option<String> {
        let field = |place: usize| fields.get(place).map(|text| text.trim()).filter(|text| !text.is_empty());
        let text = field(*self.places.get(what)?)?;
        let clock = self.clock.filter(|_| what == "time").and_then(field);
        Some(clock.map_or_else(|| text.to_owned(), |clock| format!("{text} {clock}")))
    }

    /// Reads a row.
    pub(super) fn row(&self, fields: &[String]) -> Result<Row, String> {
        if fields.len() != self.count {
            return Err(format!("{} fields, the header has {}", fields.len(), self.count));
        }
        let field = |what: &str| self.places.get(what).map(|place| fields[*place].trim()).filter(|text| !text.is_empty());
        let dates = self.dialect.dates;
        let time_ms = |what: &str| match self.time_of(fields, what) {
            Some(text) => time::parse_ms(&text, dates).map(Some).ok_or_else(|| dates.why_not(&text)),
            None => Ok(None),
        };
        let start_ms = time_ms("time")?;
        if self.places.contains_key("time") && start_ms.is_none() {
            return Err("the time is missing".to_owned());
        }
        Ok(Row {
            case: field("case").map(str::to_owned),
            start_ms: start_ms.map(|start_ms| start_ms - start_ms.rem_euclid(MINUTE_MS)),
            values: self.dims.iter().map(|place| labels::plain(&fields[*place])).collect(),
            measure: self.measure(&field)?,
            causes: field("cause").map(parse_cause).unwrap_or_default(),
            at_ms: time_ms("at")?,
        })
    }

    fn measure<'a>(&self, field: &impl Fn(&str) -> Option<&'a str>) -> Result<Measure, String> {
        let number = |what: &str| {
            let text = field(what).unwrap_or_default();
            let number = self.dialect.numbers.parse(text).map_err(|why| format!("{what}: {why}"))?;
            Some(number).filter(|number| number.is_finite() && number.abs() < 1e15).ok_or_else(|| format!("{what} is {text:?}, no number"))
        };
        let count = |what: &str| {
            let number = number(what)?;
            if number < 0.0 { Err(format!("{what} is {number}, no count")) } else { Ok(number.round() as u64) }
        };
        match self.kind {
            Kind::Counts => {
                let (total, failures) = (count("total")?, count("failures")?);
                if failures > total { Err(format!("{failures} failures of {total} views")) } else { Ok(Measure::Counts(total, failures)) }
            }
            Kind::Successes => {
                let (total, successes) = (count("total")?, count("successes")?);
                let failures = total.checked_sub(successes).ok_or_else(|| format!("{successes} successes of {total} views"))?;
                Ok(Measure::Counts(total, failures))
            }
            Kind::Forecast => Ok(Measure::Forecast([(number("actual")?, number("forecast")?), (0.0, 0.0)], 1)),
            Kind::Quotient => {
                let of = |a: &str, b: &str| Ok::<_, String>((number(a)?, number(b)?));
                Ok(Measure::Forecast([of("actual_a", "forecast_a")?, of("actual_b", "forecast_b")?], 2))
            }
            Kind::Series => Ok(Measure::Series(number("value")?)),
        }
    }
}

/// What a row is as fields, by the order of the header.
pub(super) enum Lines {
    /// What stands between fields.
    Csv(char),
    /// An object in each line.
    Json,
}

impl Lines {
    /// The format, and the header.
    pub(super) fn of(first: &str) -> Result<(Self, Vec<String>), String> {
        if first.trim_start().starts_with('{') {
            return Ok((Self::Json, flat_object(first)?.into_keys().collect()));
        }
        let separator = separator_of(first);
        Ok((Self::Csv(separator), split(first, separator).fields))
    }

    /// The rows of a text, each with its line's number.
    pub(super) fn lines<'a>(&self, text: &'a str) -> Vec<(usize, &'a str)> {
        match self {
            Self::Csv(separator) => logical_lines(text, *separator),
            Self::Json => (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect(),
        }
    }

    /// Whether the first line is a row already.
    pub(super) fn is_headless(&self) -> bool {
        matches!(self, Self::Json)
    }

    /// The fields of a row.
    pub(super) fn fields(&self, line: &str, header: &[String]) -> Result<Vec<String>, String> {
        match self {
            Self::Csv(separator) => {
                let row = split(line, *separator);
                if row.is_open { Err("a quote in it is not closed".to_owned()) } else { Ok(row.fields) }
            }
            Self::Json => {
                let mut object = flat_object(line)?;
                Ok(header.iter().map(|name| object.remove(name).unwrap_or_default()).collect())
            }
        }
    }
}

fn known(what: &str) -> &'static [&'static str] {
    match what {
        "actual_a" => &["real_a", "actual_a"],
        "forecast_a" => &["predict_a", "forecast_a", "expected_a"],
        _ => KNOWN.iter().find(|(name, _)| *name == what).map_or(&[], |(_, names)| names),
    }
}

/// What a header without any measure should have.
fn lacking(find: &impl Fn(&str) -> Option<usize>) -> String {
    if find("time").is_none() {
        return format!("no column for the time: name it {}", known("time").join(", "));
    }
    let name = |what: &str| known(what).join(", ");
    match (find("total"), find("forecast")) {
        (Some(_), _) => format!("no column for failures: name it {}", name("failures")),
        (None, Some(_)) => format!("no column for what was forecast as it is: name it {}", name("actual")),
        _ => format!("no column for views: name it {}, and one for failures: {}", name("total"), name("failures")),
    }
}
