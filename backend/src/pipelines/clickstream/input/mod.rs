//! Real visitors in place of the generator: access logs of web servers (common and combined format, W3C's, load balancers'), CSV, or JSON by
//! lines, from files (plain or gzip, several, or a folder of them) or from a topic whose records are such lines.
//!
//! Rows may be some minutes out of order; those of a file that is more so, such as a table sorted by user, are put in order first.
//!
//! `--input access.log`, `--input a.log.gz,b.log`, `--input logs/`, `--input 'events.csv?user=visitor&time=ts'`, `--input topic:NAME`. In
//! a log the user is whom the server authenticated, else address and user agent; `?user=ip` takes the address alone. Where a table leaves open
//! how dates and prices are meant, `?dates=dmy&decimal=comma` says it.

mod balancer;
mod csv;
mod files;
mod log;
mod mapping;
mod meaning;
mod named;
mod one_file;
mod topic;
mod w3c;

use std::borrow::Cow;

use serde::Serialize;

use self::{
    csv::Row,
    log::Request,
    mapping::{Fields, Mapping, Meaning, names},
    meaning::{action_named, action_of_request, device_of},
};
pub(super) use self::{files::Files, topic::Lines};
use crate::{
    pipelines::{
        clickstream::records::TIMES,
        given::{Dialect, Sniff, is_blank, is_same_name, separator_of, split},
    },
    sim::clickstream::Action,
};

/// The longest part of a bad line that is kept.
pub(super) const SHOWN_MAX: usize = 2_000;
/// What a page is called where nothing says it.
const UNKNOWN: &str = "unknown";
/// The longest user agent that tells visitors apart; the rest is cut off.
const AGENT_MAX: usize = 1_000;

/// What is read one after the other, in order of time as far as each source has it.
pub(super) trait Source: Send {
    /// The next line; `None` at the end.
    fn next(&mut self) -> Option<Line>;
}

/// No data, of a run that was ended before they were ready.
pub(super) struct Nothing;

impl Source for Nothing {
    fn next(&mut self) -> Option<Line> {
        None
    }
}

/// A line, read.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Which file or topic.
    pub(super) source: std::sync::Arc<str>,
    /// Its number there, from 1.
    pub(super) number: u64,
    /// What it says, or why it says nothing and the line itself.
    pub(super) read: Result<Given, (String, String)>,
    /// Whether the source breaks off here: there is more, and it can't be read.
    pub(super) is_broken: bool,
}

/// An event of given data, as `user_activity` has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Given {
    #[serde(skip_serializing_if = "String::is_empty")]
    event_id: String,
    pub(super) user_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    session_id: String,
    pub(super) timestamp: i64,
    action_type: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<String>,
    page: String,
    device: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    referrer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_minor: Option<i64>,
}

/// How the lines of a source are to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Format {
    kind: Kind,
    mapping: Mapping,
    /// How dates and numbers are written, as far as that is known.
    dialect: Dialect,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Log,
    W3c(w3c::Layout),
    Jsonl,
    Csv { header: String, columns: Vec<String>, separator: char },
}

impl Format {
    /// Recognises the format by the first lines; tells whether the first is a header, and no event.
    fn of(first: &[String], mapping: &Mapping) -> Result<(Self, bool), String> {
        let format = |kind| Self { kind, mapping: mapping.clone(), dialect: Dialect::default() };
        let Some(header) = first.iter().find(|line| !line.trim().is_empty()) else { return Err("it is empty".to_owned()) };
        if let Some(layout) = w3c::Layout::of(first) {
            return Ok((format(Kind::W3c(layout?)), false));
        }
        if first.iter().any(|line| Request::parse(line).is_ok()) {
            return Ok((format(Kind::Log), false));
        }
        if header.trim_start().starts_with('{') {
            return Ok((format(Kind::Jsonl), false));
        }
        let separator = separator_of(header);
        let columns = split(header, separator).fields;
        let columns: Vec<_> = columns.iter().map(|column| column.trim().to_lowercase()).collect();
        let has = |meaning| {
            let row = Row { columns: &columns, values: &columns };
            row.value(mapping, meaning).is_some()
        };
        if !has(Meaning::Time) {
            let known = names(Meaning::Time);
            return Err(format!("it is no access log, no JSON, and its first line names no column for the time, such as {known}"));
        }
        if !has(Meaning::User) && !has(Meaning::Ip) {
            let known = names(Meaning::User);
            return Err(format!("its first line names no column for the user, such as {known}; or map one: FILE?user=NAME"));
        }
        Ok((format(Kind::Csv { header: header.trim().to_owned(), columns, separator }), true))
    }

    /// Whether a line is not all of a row: it ends within quotes.
    fn is_unfinished(&self, line: &str) -> bool {
        matches!(&self.kind, Kind::Csv { separator, .. } if split(line, *separator).is_open)
    }

    /// Whether this is a row with as many fields as the header.
    fn is_whole(&self, row: &str) -> bool {
        let Kind::Csv { columns, separator, .. } = &self.kind else { return true };
        let row = split(row, *separator);
        !row.is_open && !row.is_odd && row.fields.len() == columns.len()
    }

    /// The same, with dates and numbers as they are known to be written.
    fn with(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Looks how a row writes its time and its price.
    fn look(&self, line: &str, sniff: &mut Sniff) {
        let mut look = |row: &dyn Fields| {
            sniff.time(&row.value(&self.mapping, Meaning::Time).unwrap_or_default());
            sniff.number(&row.value(&self.mapping, Meaning::Price).unwrap_or_default());
        };
        match &self.kind {
            Kind::Log | Kind::W3c(_) => {}
            Kind::Jsonl => {
                if let Ok(row) = serde_json::from_str::<serde_json::Value>(line) {
                    look(&row);
                }
            }
            Kind::Csv { columns, separator, .. } => look(&Row { columns, values: &split(line, *separator).fields }),
        }
    }

    /// Whether rows may write dates and numbers in more than one way.
    fn has_dialects(&self) -> bool {
        !matches!(self.kind, Kind::Log | Kind::W3c(_))
    }

    /// Whether a line says nothing: it is blank, or the header once more, as in files that were put together of several.
    fn is_idle(&self, line: &str) -> bool {
        match &self.kind {
            Kind::Csv { header, separator, .. } => header == line.trim() || is_blank(line, *separator),
            Kind::W3c(_) => w3c::Layout::is_directive(line),
            Kind::Log | Kind::Jsonl => false,
        }
    }

    /// Obeys what an idle line says of those after it.
    fn follow(&mut self, line: &str) {
        if let Kind::W3c(layout) = &mut self.kind {
            layout.follow(line);
        }
    }

    /// A row as it would stand at the beginning of the file.
    fn laid_out(&self, line: String) -> String {
        if let Kind::W3c(layout) = &self.kind { layout.laid_out(line) } else { line }
    }

    /// Reads a row.
    fn read(&self, line: &str) -> Result<Given, String> {
        let given = self.parse(line)?;
        if !TIMES.contains(&given.timestamp) {
            return Err("its time is not in the years 1970 to 2200".to_owned());
        }
        Ok(given)
    }

    fn parse(&self, line: &str) -> Result<Given, String> {
        match &self.kind {
            Kind::Log => {
                let request = Request::parse(line)?;
                let (method, target) = request.method_and_target();
                Ok(self.request(&request, request.at_ms, (method, target, request.status)))
            }
            Kind::W3c(layout) => {
                let logged = layout.request(line)?;
                let method = logged.field("cs-method").unwrap_or(Cow::Borrowed("GET"));
                let target = logged.field("cs-uri-stem").unwrap_or(Cow::Borrowed(UNKNOWN));
                Ok(self.request(&logged, logged.at_ms, (&method, &target, logged.status)))
            }
            Kind::Jsonl => {
                let row: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
                self.row(&row)
            }
            Kind::Csv { columns, separator, .. } => {
                let row = split(line, *separator);
                let values = row.fields;
                if row.is_open {
                    return Err("a quote in it is not closed".to_owned());
                }
                if values.len() != columns.len() {
                    return Err(format!("it has {} fields, the header {}", values.len(), columns.len()));
                }
                self.row(&Row { columns, values: &values })
            }
        }
    }

    fn request(&self, logged: &impl Fields, at_ms: i64, (method, target, status): (&str, &str, u16)) -> Given {
        let text = |name| logged.field(name).unwrap_or_default();
        let (ip, agent) = (text("ip"), text("agent"));
        let user_id = match self.mapping.told(Meaning::User) {
            Some(_) => logged.value(&self.mapping, Meaning::User).unwrap_or_else(|| ip.clone()).into_owned(),
            None => user_of(logged.field("user").as_deref(), &ip, &agent),
        };
        let path = target.split(['?', '#']).next().unwrap_or(target);
        Given {
            event_id: String::new(),
            user_id,
            session_id: String::new(),
            timestamp: at_ms,
            action_type: action_of_request(method, path, status),
            item_id: None,
            page: path.to_owned(),
            device: device_of(&agent).to_owned(),
            referrer: text("referrer").into_owned(),
            variant: String::new(),
            price_minor: None,
        }
    }

    fn row(&self, row: &impl Fields) -> Result<Given, String> {
        let value = |meaning| row.value(&self.mapping, meaning);
        let text = |meaning| value(meaning).map(Cow::into_owned).unwrap_or_default();
        let time = value(Meaning::Time).ok_or("there is no time")?;
        let timestamp = self.dialect.dates.parse_ms(&time).ok_or_else(|| self.dialect.dates.why_not(&time))?;
        let agent = text(Meaning::Agent);
        let user = value(Meaning::User);
        let ip = value(Meaning::Ip);
        let user_id = match (&user, &ip) {
            (Some(user), _) => user.to_string(),
            (None, Some(ip)) => user_of(None, ip, &agent),
            (None, None) => return Err("there is no user".to_owned()),
        };
        let device = value(Meaning::Device).map_or_else(|| device_of(&agent).to_owned(), Cow::into_owned);
        let price_minor = match (value(Meaning::PriceMinor), value(Meaning::Price)) {
            (Some(minor), _) => Some(minor.parse().map_err(|_| format!("`{minor}` is no price in minor units, such as 1250"))?),
            (None, Some(price)) => Some(self.dialect.numbers.hundredths(&price).map_err(|why| format!("the price: {why}"))?),
            (None, None) => None,
        };
        Ok(Given {
            event_id: text(Meaning::EventId),
            user_id,
            session_id: text(Meaning::Session),
            timestamp,
            action_type: action_named(&text(Meaning::Action))?,
            item_id: value(Meaning::Item).map(Cow::into_owned),
            // Where only items are told, an item is where somebody is.
            page: value(Meaning::Page).or_else(|| value(Meaning::Item)).map_or_else(|| UNKNOWN.to_owned(), Cow::into_owned),
            device,
            referrer: text(Meaning::Referrer),
            variant: text(Meaning::Variant),
            price_minor,
        })
    }
}

/// Whom the server knows by name, else an address with a program: people behind one address are told apart by what they use.
fn user_of(user: Option<&str>, ip: &str, agent: &str) -> String {
    match user {
        Some(user) => user.to_owned(),
        None if agent.is_empty() => ip.to_owned(),
        None => format!("{ip} {}", agent.chars().take(AGENT_MAX).collect::<String>()),
    }
}

impl Fields for serde_json::Value {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let object = self.as_object()?;
        let find = |fields: &serde_json::Map<String, Self>| fields.iter().find(|(key, _)| is_same_name(key, name)).map(|it| it.1.clone());
        // What this pipeline's own events keep in `metadata`, as other schemas do, and servers that log JSON, such as Caddy, in `request`.
        let inner = |name: &str| object.get(name).and_then(Self::as_object);
        let headers = || inner("request")?.get("headers")?.as_object();
        let value = find(object).or_else(|| inner("metadata").and_then(find)).or_else(|| inner("request").and_then(find));
        match value.or_else(|| headers().and_then(find))? {
            Self::Array(values) => values.into_iter().next()?.as_str().map(|text| text.to_owned().into()),
            Self::Null => None,
            Self::String(text) => Some(text.into()).filter(|text: &Cow<'_, str>| !text.is_empty()),
            other => Some(other.to_string().into()),
        }
    }
}

impl Fields for Request<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "ip" | "host" | "remote_addr" => Some(self.ip.into()),
            "user" | "auth" | "remote_user" => self.user.map(Into::into),
            "agent" | "user_agent" => self.agent.map(Into::into),
            "referrer" | "referer" => self.referrer.map(Into::into),
            "request" => Some(self.request.into()),
            "status" => Some(self.status.to_string().into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
