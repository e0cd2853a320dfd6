//! Extended log files (W3C), whose `#Fields:` say what stands in a line: those of IIS, and of CloudFront, with tabs between the fields.

use std::borrow::Cow;

use super::mapping::Fields;
use crate::pipelines::given::{Dates, is_same_name, split};

const DIRECTIVE: &str = "#Fields:";
/// What stands where there is nothing.
const NOTHING: &str = "-";
/// What the fields of other logs are called here.
const ALSO: [(&str, &str); 7] = [
    ("ip", "c-ip"),
    ("user", "cs-username"),
    ("agent", "cs(User-Agent)"),
    ("user_agent", "cs(User-Agent)"),
    ("referrer", "cs(Referer)"),
    ("referer", "cs(Referer)"),
    ("status", "sc-status"),
];

/// What stands where in the lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    columns: Vec<String>,
    separator: char,
    /// Where the columns stand in the lines that come now, when a server that was started again writes other fields.
    now: Option<Vec<Option<usize>>>,
}

impl Layout {
    /// That of a file which begins with these lines; `None` where it is no such file.
    ///
    /// # Errors
    /// When it has no fields that are needed.
    pub(super) fn of(first: &[String]) -> Option<Result<Self, String>> {
        let columns = first.iter().find_map(|line| columns(line))?;
        let is_tabbed = first.iter().any(|line| !line.starts_with('#') && line.contains('\t'));
        let missing = ["date", "time", "c-ip"].into_iter().find(|name| !columns.iter().any(|column| is_same_name(column, name)));
        Some(match missing {
            Some(name) => Err(format!("its line {DIRECTIVE} names no {name}; have the server log it")),
            None => Ok(Self { columns, separator: if is_tabbed { '\t' } else { ' ' }, now: None }),
        })
    }

    /// Whether a line says something about the file, and is no request.
    pub(super) fn is_directive(line: &str) -> bool {
        line.starts_with('#')
    }

    /// Obeys a directive.
    pub(super) fn follow(&mut self, line: &str) {
        let Some(now) = columns(line) else { return };
        let place = |column: &String| now.iter().position(|it| it == column);
        self.now = (now != self.columns).then(|| self.columns.iter().map(place).collect());
    }

    /// A line with its fields where they stood at the beginning of the file.
    pub(super) fn laid_out(&self, line: String) -> String {
        let Some(now) = &self.now else { return line };
        let fields: Vec<_> = line.split(self.separator).collect();
        let field = |at: &Option<usize>| at.map_or(Some(NOTHING), |at| fields.get(at).copied());
        let moved = now.iter().map(field).collect::<Option<Vec<_>>>().map(|fields| fields.join(&self.separator.to_string()));
        moved.unwrap_or(line)
    }

    /// A line as a request.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn request(&self, line: &str) -> Result<Logged<'_>, String> {
        let values = split(line, self.separator).fields;
        if values.len() != self.columns.len() {
            return Err(format!("it has {} fields, its #Fields are {}", values.len(), self.columns.len()));
        }
        let mut logged = Logged { layout: self, values, at_ms: 0, status: 0 };
        let time = format!("{} {}", logged.field("date").unwrap_or_default(), logged.field("time").unwrap_or_default());
        logged.at_ms = Dates::default().parse_ms(&time).ok_or_else(|| format!("`{time}` is no time"))?;
        logged.status = logged.field("status").and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok(logged)
    }
}

/// A request as its line tells it.
pub(super) struct Logged<'a> {
    layout: &'a Layout,
    values: Vec<String>,
    pub(super) at_ms: i64,
    /// 0 where it is not told.
    pub(super) status: u16,
}

impl Fields for Logged<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let place = |name: &str| self.layout.columns.iter().position(|column| is_same_name(column, name));
        let also = || place(ALSO.iter().find(|(also, _)| is_same_name(also, name))?.1);
        let value = self.values.get(place(name).or_else(also)?)?;
        let is_coded = value.contains(['%', '+']) && name.contains("agent");
        match value.as_str() {
            "" | NOTHING => None,
            _ if is_coded || (value.contains('%') && name.starts_with("cs(")) => Some(decoded(value).into()),
            _ => Some(value.into()),
        }
    }
}

fn columns(line: &str) -> Option<Vec<String>> {
    let names = line.strip_prefix(DIRECTIVE)?.split_whitespace();
    Some(names.map(str::to_owned).collect())
}

/// Programs' names as they were sent: IIS writes a plus for a space, CloudFront `%20`, or of old `%2520`.
fn decoded(text: &str) -> String {
    let once = percent_decoded(&text.replace('+', " "));
    if once.contains("%20") { percent_decoded(&once) } else { once }
}

fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Option<Result<Layout, String>> {
        Layout::of(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    fn told(logged: &Logged<'_>) -> Vec<Option<String>> {
        ["ip", "user", "user_agent", "cs-method", "cs-uri-stem", "referrer"].map(|name| logged.field(name).map(Cow::into_owned)).into()
    }

    #[test]
    fn lines_of_iis_and_of_cloudfront_are_requests() {
        let fields = "#Software: x\n#Fields: date time s-ip cs-method cs-uri-stem cs-username c-ip cs(User-Agent) cs(Referer) sc-status\n";
        let iis = "2025-03-29 14:05:00 10.0.0.1 GET /a - 2001:db8::7 Mozilla/5.0+(X11) - 404";
        let layout_of_iis = layout(&format!("{fields}{iis}")).unwrap().unwrap();
        let logged = layout_of_iis.request(iis).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(told(&logged), [some("2001:db8::7"), None, some("Mozilla/5.0 (X11)"), some("GET"), some("/a"), None]);
        assert_eq!((logged.at_ms, logged.status), (1_743_257_100_000, 404));

        let fields = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent)\n";
        let cloudfront =
            "2025-03-29\t14:05:00\tFRA2\t7\t10.0.0.5\tGET\td1.cloudfront.net\t/a b\t200\thttps://x.example/\tMozilla/5.0%2520(X11)";
        let layout_of_cloudfront = layout(&format!("{fields}{cloudfront}")).unwrap().unwrap();
        let logged = layout_of_cloudfront.request(cloudfront).unwrap();
        let expect = [some("10.0.0.5"), None, some("Mozilla/5.0 (X11)"), some("GET"), some("/a b"), some("https://x.example/")];
        assert_eq!(told(&logged), expect);
    }

    #[test]
    fn a_server_that_is_started_again_may_log_other_fields() {
        let mut layout = layout("#Fields: date time c-ip cs-uri-stem cs-username").unwrap().unwrap();
        let line = "2025-03-29 14:05:00 10.0.0.5 /a ann";
        assert_eq!(layout.laid_out(line.to_owned()), line);
        layout.follow("#Fields: cs-uri-stem sc-status date time c-ip");
        assert_eq!(layout.laid_out("/a 200 2025-03-29 14:05:00 10.0.0.5".to_owned()), "2025-03-29 14:05:00 10.0.0.5 /a -");
        assert_eq!(layout.laid_out("short".to_owned()), "short");
        layout.follow("#Fields: date time c-ip cs-uri-stem cs-username");
        assert_eq!(layout.laid_out(line.to_owned()), line);
    }

    #[test]
    fn what_is_none_says_why() {
        assert!(layout("time,user\n5,u").is_none());
        assert!(layout("#Fields: time c-ip").unwrap().is_err_and(|why| why.contains("names no date")));
        let layout = layout("#Fields: date time c-ip").unwrap().unwrap();
        for (line, why) in [("2025-03-29 14:05:00", "2 fields, its #Fields are 3"), ("2025-03-29 soon 10.0.0.5", "is no time")] {
            assert!(layout.request(line).is_err_and(|error| error.contains(why)), "{line}");
        }
        assert_eq!(percent_decoded("100%, %zz é%C3%A9%2"), "100%, %zz éé%2");
    }
}
