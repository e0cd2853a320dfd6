//! Rows of CSV (RFC 4180).

use std::borrow::Cow;

use super::mapping::Fields;

/// A row taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Split {
    pub(super) fields: Vec<String>,
    /// A quote is still open: the row goes on in the next line.
    pub(super) is_open: bool,
    /// Something stands between a closing quote and the next separator.
    pub(super) is_odd: bool,
}

/// Takes a row apart.
pub(super) fn split(row: &str, separator: char) -> Split {
    let (mut split, mut field, mut is_closed) = (Split::default(), String::new(), false);
    let mut chars = row.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if split.is_open && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if split.is_open => (split.is_open, is_closed) = (false, true),
            '"' if field.is_empty() && !is_closed => split.is_open = true,
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

/// A row with the header's names.
pub(super) struct Row<'a> {
    pub(super) columns: &'a [String],
    pub(super) values: &'a [String],
}

impl Fields for Row<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let at = self.columns.iter().position(|column| column == name)?;
        self.values.get(at).map(|value| value.trim()).filter(|value| !value.is_empty()).map(Cow::Borrowed)
    }
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
        check(r#""a,b","c ""d""""#, &["a,b", r#"c "d""#], (false, false));
        check("\"a\nb\",c", &["a\nb", "c"], (false, false));
        check("x,\"a", &["x", "a"], (true, false));
        check(r#"5" screen,x"#, &[r#"5" screen"#, "x"], (false, false));
        check(r#""a"b,c"#, &["ab", "c"], (false, true));
    }
}
