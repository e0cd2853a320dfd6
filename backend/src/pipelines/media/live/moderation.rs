//! Which messages are hidden: by rate, by repetition, by what is in them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Nobody writes more than so many messages in [`RATE_MS`] with both hands.
const RATE_MAX: usize = 5;
const RATE_MS: i64 = 10_000;
/// The same words again, so often within [`REPEAT_MS`], are a bot's.
const REPEATS_MAX: usize = 2;
const REPEAT_MS: i64 = 30_000;
/// What advertisers of the unwanted kind write.
const WORDS: [&str; 5] = ["http://", "https://", "free followers", "cheap accounts", "dm me"];
/// Messages of a writer that are remembered.
const REMEMBERED: usize = 16;

/// What is remembered of a writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Writer {
    messages: VecDeque<(i64, String)>,
}

impl Writer {
    /// Takes a message in; the rules that speak against it.
    pub(super) fn judge(&mut self, text: &str, ts: i64) -> Vec<&'static str> {
        let text = text.to_lowercase();
        let since = |ms| self.messages.iter().filter(move |(at, _)| ts - at < ms);
        let rules = [
            ("rate", since(RATE_MS).count() >= RATE_MAX),
            ("repetition", since(REPEAT_MS).filter(|(_, other)| *other == text).count() >= REPEATS_MAX),
            ("words", WORDS.iter().any(|word| text.contains(word))),
        ];
        let against = rules.into_iter().filter(|(_, holds)| *holds).map(|(rule, _)| rule).collect();
        self.messages.push_back((ts, text));
        if self.messages.len() > REMEMBERED {
            self.messages.pop_front();
        }
        against
    }
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
        assert_eq!(judge(&[(0, "see HTTP://win.example")]), ["words"]);
    }
}
