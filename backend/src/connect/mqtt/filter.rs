//! Topic filters with `+` and `#` (MQTT 3.1.1, section 4.7).

/// Whether a filter is well formed.
pub(super) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        if level == "#" && !is_last || level.len() > 1 && level.contains(['#', '+']) {
            return false;
        }
    }
    true
}

/// Whether a topic can be published to.
pub(super) fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['#', '+', '\0'])
}

/// Whether a filter has wildcards.
pub(super) fn is_wild(filter: &str) -> bool {
    filter.contains(['#', '+'])
}

/// Whether a topic matches a filter; `a/#` matches `a` too, and no wildcard at the start matches `$…`.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, is_match) in [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/+", "/b", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("+", "a", true),
            ("/+", "a", false),
        ] {
            assert_eq!(matches(filter, topic), is_match, "{filter} {topic}");
        }
        for (filter, is_right) in [("a/#", true), ("a/#/b", false), ("a#", false), ("a+/b", false), ("", false), ("+/+/#", true)] {
            assert_eq!(is_filter(filter), is_right, "{filter}");
        }
    }
}
