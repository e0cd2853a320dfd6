//! Which messages are hidden: by rate, by repetition, by links, by words however they are spelt, and by who wrote them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Nobody writes more than so many messages in [`RATE_MS`] with both hands.
const RATE_MAX: usize = 5;
const RATE_MS: i64 = 10_000;
/// The same words again, so often within [`REPEAT_MS`], are a bot's.
const REPEATS_MAX: usize = 2;
const REPEAT_MS: i64 = 30_000;
/// What advertisers of the unwanted kind write, without spaces.
const WORDS: [&str; 6] = ["freefollowers", "freecoins", "cheapaccounts", "dmme", "clicknow", "earnmoney"];
/// Who was hidden so often within [`MUTED_MS`] is not heard.
const HIDDEN_MAX: usize = 2;
const MUTED_MS: i64 = 30_000;
/// Messages of a writer that are remembered.
const REMEMBERED: usize = 16;

/// What is remembered of a writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Writer {
    /// When, what, and whether it was hidden.
    messages: VecDeque<(i64, String, bool)>,
}

impl Writer {
    /// Takes a message in; the rules that speak against it.
    pub(super) fn judge(&mut self, text: &str, ts: i64) -> Vec<&'static str> {
        let text = text.to_lowercase();
        let folded = fold(&text);
        let since = |ms| self.messages.iter().filter(move |(at, ..)| ts - at < ms);
        let rules = [
            ("rate", since(RATE_MS).count() >= RATE_MAX),
            ("repetition", since(REPEAT_MS).filter(|(_, other, _)| *other == text).count() >= REPEATS_MAX),
            ("link", text.split_whitespace().any(is_link)),
            ("words", WORDS.iter().any(|word| folded.contains(word))),
            ("muted", since(MUTED_MS).filter(|(.., is_hidden)| *is_hidden).count() >= HIDDEN_MAX),
        ];
        let against: Vec<_> = rules.into_iter().filter(|(_, holds)| *holds).map(|(rule, _)| rule).collect();
        self.messages.push_back((ts, text, !against.is_empty()));
        if self.messages.len() > REMEMBERED {
            self.messages.pop_front();
        }
        against
    }
}

/// Letters alone, with those that are written as digits or signs: `fr33 c0ins` is what it sounds like.
fn fold(text: &str) -> String {
    let letter = |c: char| match c {
        '0' => Some('o'),
        '1' | '!' => Some('i'),
        '3' => Some('e'),
        '4' | '@' => Some('a'),
        '5' | '$' => Some('s'),
        c => c.is_alphabetic().then_some(c),
    };
    text.chars().filter_map(letter).collect()
}

/// Whether a word leads somewhere: a scheme, or names with dots between them of which the last is of letters alone.
fn is_link(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or_default();
    let names: Vec<_> = host.split('.').collect();
    let is_host = names.len() > 1 && names.iter().all(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-'));
    word.contains("://") || is_host && names.last().is_some_and(|last| last.len() > 1 && last.chars().all(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_repetitions_and_links_are_hidden_and_talk_is_not() {
        let judge = |messages: &[(i64, &str)]| {
            let mut writer = Writer::default();
            messages.iter().map(|(ts, text)| writer.judge(text, *ts)).last().unwrap_or_default()
        };
        assert!(judge(&[(0, "goal"), (4_000, "what a goal"), (9_000, "again")]).is_empty());
        assert_eq!(judge(&[(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e"), (5, "f")]), ["rate"]);
        assert!(judge(&[(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e"), (20_000, "f")]).is_empty());
        assert_eq!(judge(&[(0, "First"), (9_000, "first"), (18_000, "FIRST")]), ["repetition"]);
        assert!(judge(&[(0, "first"), (31_000, "first"), (62_000, "first")]).is_empty());
        assert_eq!(judge(&[(0, "see HTTP://win.example")]), ["link"]);
        assert_eq!(judge(&[(0, "look at win.example/now")]), ["link"]);
        assert_eq!(judge(&[(0, "FR33 c0-ins for all")]), ["words"]);
        assert!(judge(&[(0, "boring... 2.5 goals a game, 3.0 for us :)")]).is_empty());
        assert_eq!(judge(&[(0, "a.example"), (9_000, "b.example"), (18_000, "hello")]), ["muted"]);
        assert!(judge(&[(0, "a.example"), (9_000, "b.example"), (48_000, "hello")]).is_empty());
    }
}
