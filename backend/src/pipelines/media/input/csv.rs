//! One line of CSV (RFC 4180) to its fields. Fields with line breaks are not known here: a line is a row.

/// The fields of a line.
pub(super) fn fields(line: &str, separator: char) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas_and_quotes() {
        for (line, expected) in [
            ("a,b", vec!["a", "b"]),
            ("", vec![""]),
            ("a,,", vec!["a", "", ""]),
            ("\"a,b\",\"say \"\"hi\"\"\"\r", vec!["a,b", "say \"hi\""]),
            ("5\" screen,x", vec!["5\" screen", "x"]),
        ] {
            assert_eq!(fields(line, ','), expected, "{line}");
        }
    }
}
