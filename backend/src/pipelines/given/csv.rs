//! Rows of CSV (RFC 4180), and what their columns are called.

/// Lines that the quotes of one row may hold.
const ROW_LINES_MAX: usize = 100;
/// What may stand between fields; of those that stand there equally often, the first: commas are in numbers too.
const SEPARATORS: [char; 4] = ['\t', ';', '|', ','];

/// A row taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(in crate::pipelines) struct Split {
    /// Its fields.
    pub(in crate::pipelines) fields: Vec<String>,
    /// A quote is still open: the row goes on in the next line.
    pub(in crate::pipelines) is_open: bool,
    /// Something stands between a closing quote and the next separator.
    pub(in crate::pipelines) is_odd: bool,
}

/// Takes a row apart.
pub(in crate::pipelines) fn split(row: &str, separator: char) -> Split {
    let (mut split, mut field, mut is_closed) = (Split::default(), String::new(), false);
    let mut chars = row.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if split.is_open && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if split.is_open => (split.is_open, is_closed) = (false, true),
            '"' if field.trim_start_matches(' ').is_empty() && !is_closed => {
                field.clear();
                split.is_open = true;
            }
            c if c == separator && !split.is_open => {
                split.fields.push(std::mem::take(&mut field));
                is_closed = false;
            }
            c => {
                split.is_odd |= is_closed && !c.is_whitespace();
                field.push(c);
            }
        }
    }
    split.fields.push(field);
    split
}

/// What stands between the fields of a header most often, outside of quotes.
pub(in crate::pipelines) fn separator_of(header: &str) -> char {
    let count = |separator: char| split(header, separator).fields.len();
    let found = SEPARATORS.into_iter().rev().filter(|separator| count(*separator) > 1);
    found.max_by_key(|separator| count(*separator)).unwrap_or(',')
}

/// Whether two names of a column are the same but for their dress: capitals, and what stands between words.
pub(in crate::pipelines) fn is_same_name(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b' ' | b'-') { b'_' } else { byte.to_ascii_lowercase() };
    let (one, other) = (one.trim(), other.trim());
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}

/// Whether there is nothing in a row, as in those that spreadsheets leave at the end.
pub(in crate::pipelines) fn is_blank(row: &str, separator: char) -> bool {
    row.chars().all(|c| c == separator || c.is_whitespace())
}

/// The rows of a text as they stand there, each with the number of its first line from 1: one may go on behind a line's end within quotes.
/// Where a quote has just gone astray, its line is a row of its own.
pub(in crate::pipelines) fn logical_lines(text: &str, separator: char) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut rows, mut at, mut begin, mut columns) = (Vec::new(), 0, 0, None);
    while let Some(line) = lines.get(at) {
        let is_plain = !line.contains('"');
        let joined = if is_plain { None } else { joined(&text[begin..], lines.get(at..).unwrap_or_default(), separator, columns) };
        let (count, length) = joined.unwrap_or((1, line.len()));
        let row = text[begin..begin + length].trim_end_matches(['\n', '\r']);
        if !is_blank(row, separator) {
            columns = columns.or_else(|| Some(split(row, separator).fields.len()));
            rows.push((at + 1, row));
        }
        (at, begin) = (at + count, begin + length);
    }
    rows
}

/// How many lines and bytes of a text its first row has, where it has more than one line.
fn joined(text: &str, lines: &[&str], separator: char, columns: Option<usize>) -> Option<(usize, usize)> {
    let (mut count, mut length) = (0, 0);
    for line in lines.iter().take(1 + ROW_LINES_MAX) {
        (count, length) = (count + 1, length + line.len());
        // A row can end only where there is a quote.
        if count > 1 && !line.contains('"') {
            continue;
        }
        let row = split(text[..length].trim_end_matches(['\n', '\r']), separator);
        if !row.is_open {
            let is_whole = !row.is_odd && columns.is_none_or(|columns| columns == row.fields.len());
            return (count > 1 && is_whole).then_some((count, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_separators_quotes_and_line_breaks() {
        let check = |row: &str, fields: &[&str], (is_open, is_odd): (bool, bool)| {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            assert_eq!(split(row, ','), Split { fields, is_open, is_odd }, "{row}");
        };
        check("a,b,", &["a", "b", ""], (false, false));
        check("", &[""], (false, false));
        check("a,b\r", &["a", "b"], (false, false));
        check(r#""a,b","c ""d""""#, &["a,b", r#"c "d""#], (false, false));
        check(r#"a, "b, c""#, &["a", "b, c"], (false, false));
        check("\"a\nb\",c", &["a\nb", "c"], (false, false));
        check("x,\"a", &["x", "a"], (true, false));
        check(r#"5" screen,x"#, &[r#"5" screen"#, "x"], (false, false));
        check(r#""a"b,c"#, &["ab", "c"], (false, true));
    }

    #[test]
    fn separators_are_those_of_the_header() {
        for (header, separator) in
            [("a,b", ','), ("a;b", ';'), ("a\tb c", '\t'), ("a|b|c", '|'), ("\"a,x,y\";b", ';'), ("alone", ','), ("5;1,5", ';')]
        {
            assert_eq!(separator_of(header), separator, "{header}");
        }
    }

    #[test]
    fn names_are_compared_without_their_dress() {
        for (one, other, is_same) in [
            ("Event Time ", "event_time", true),
            ("user-agent", "User_Agent", true),
            ("v.x", "V.X", true),
            ("user", "users", false),
            ("a_b", "ab", false),
        ] {
            assert_eq!(is_same_name(one, other), is_same, "{one}, {other}");
        }
    }

    #[test]
    fn rows_may_go_on_behind_a_line() {
        let check = |text: &str, rows: &[(usize, &str)]| assert_eq!(logical_lines(text, ','), rows, "{text:?}");
        check("a,b\r\n1,2\r\n\r\n3,4", &[(1, "a,b"), (2, "1,2"), (4, "3,4")]);
        check("a,b\n,\n 1,2\n , \n", &[(1, "a,b"), (3, " 1,2")]);
        check("a,b\n1,\"x\ny\"\n3,4\n", &[(1, "a,b"), (2, "1,\"x\ny\""), (4, "3,4")]);
        check("a,b\n1,\"x\n\n\"\"y\"\"\"\n3,4\n", &[(1, "a,b"), (2, "1,\"x\n\n\"\"y\"\"\""), (5, "3,4")]);
        // A quote gone astray takes no more than its own row with it.
        check("a,b\n1,\"x\n3,4\n5,6\n", &[(1, "a,b"), (2, "1,\"x"), (3, "3,4"), (4, "5,6")]);
        check("a,b\n1,\"x\n3,\"y\n", &[(1, "a,b"), (2, "1,\"x"), (3, "3,\"y")]);
        check("", &[]);
    }
}
