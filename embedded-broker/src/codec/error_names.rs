//! Kafka's names of its error codes: `NOT_LEADER_OR_FOLLOWER` for 6.

use super::ResponseError;

const NONE: &str = "NONE";
/// Above every code there is, with room for those to come.
const HIGHEST_CODE: i16 = 1_000;

/// Kafka's name of a code; of an unknown one, the number.
pub(crate) fn error_name(code: i16) -> String {
    match code {
        0 => NONE.to_owned(),
        _ => known(code).map_or_else(|| code.to_string(), |error| screaming_snake(&format!("{error:?}"))),
    }
}

/// The code that has this name, or is this number.
pub(crate) fn error_by_name(name: &str) -> Option<i16> {
    match name.parse::<i16>() {
        Ok(code) => Some(code).filter(|code| known(*code).is_some()),
        Err(_) => (-1..HIGHEST_CODE).find(|code| known(*code).is_some() && error_name(*code).eq_ignore_ascii_case(name)),
    }
}

fn known(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code).filter(|error| !matches!(error, ResponseError::Unknown(_)))
}

/// `NotLeaderOrFollower` → `NOT_LEADER_OR_FOLLOWER`.
fn screaming_snake(camel: &str) -> String {
    let mut name = String::with_capacity(camel.len() + 8);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_find_each_other() {
        let check = |code, name: &str| {
            assert_eq!(error_name(code), name);
            assert_eq!(error_by_name(name), Some(code));
            assert_eq!(error_by_name(&code.to_string()), Some(code));
        };
        check(-1, "UNKNOWN_SERVER_ERROR");
        check(6, "NOT_LEADER_OR_FOLLOWER");
        check(14, "COORDINATOR_LOAD_IN_PROGRESS");
        check(56, "KAFKA_STORAGE_ERROR");
        assert_eq!(error_by_name("not_coordinator"), Some(16));
        assert_eq!((error_by_name("NONE"), error_by_name("NO_SUCH"), error_by_name("0")), (None, None, None));
        assert_eq!((error_name(0), error_name(9_999)), ("NONE".to_owned(), "9999".to_owned()));
    }
}
