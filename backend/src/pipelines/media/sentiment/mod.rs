//! The mood of a message: VADER (Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text",
//! ICWSM 2014), to the fourth decimal what Python's vaderSentiment 3.3.2 says, its oddities included.

mod words;

use words::{boost_of, is_negation, mood_of, mood_of_phrase, name_of};

/// A turned word has lost some of its strength: "not bad" is not "great".
const TURNED: f64 = -0.74;
/// What capitals add among words without.
const CAPITALS: f64 = 0.733;
/// What each mark of exclamation adds, and how many count.
const EXCLAMATION: f64 = 0.292;
const EXCLAMATIONS_MAX: usize = 4;
/// What each question mark adds from the second on, how many count, and what more of them are worth together.
const QUESTION: f64 = 0.18;
const QUESTIONS_MAX: usize = 3;
const MANY_QUESTIONS: f64 = 0.96;
/// "Never so", "never this": what follows is meant.
const NEVER_SO: f64 = 1.25;
/// What stands before "but" counts half, what stands after it half as much again.
const BEFORE_BUT: f64 = 0.5;
const AFTER_BUT: f64 = 1.5;
/// How fast the sum of moods approaches its bounds.
const NORMALISED: f64 = 15.0;
/// How far back boosters and negations reach, and how much less with each word.
const REACH: [f64; 3] = [1.0, 0.95, 0.9];
/// What is shorter than this without its marks may be a smiley, and keeps them.
const SMILEY_MAX: usize = 2;

/// The mood of a text, -1 to 1; 0 for one without a known word.
pub fn sentiment(text: &str) -> f64 {
    let text = spelled_out(text);
    let words: Vec<_> = text.split(is_space).filter(|raw| !raw.is_empty()).map(Word::new).collect();
    let loud = words.iter().filter(|word| word.is_loud).count();
    let said = Said { words: &words, is_mixed: 0 < loud && loud < words.len() };
    let mut moods: Vec<_> = (0..words.len()).map(|at| said.mood(at)).collect();
    weigh_but(&words, &mut moods);
    let sum: f64 = moods.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let sum = sum + marks(&text) * sum.signum();
    let compound = (sum / (sum * sum + NORMALISED).sqrt()).clamp(-1.0, 1.0);
    (compound * 1e4).round() / 1e4
}

/// White space as Python splits at it: the separators of ASCII too.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The text with words for its emoji.
fn spelled_out(text: &str) -> String {
    let (mut out, mut is_after_space) = (String::with_capacity(text.len()), true);
    for c in text.chars() {
        if let Some(name) = name_of(c) {
            if !is_after_space {
                out.push(' ');
            }
            out.push_str(name);
            is_after_space = false;
        } else {
            out.push(c);
            is_after_space = c == ' ';
        }
    }
    out
}

struct Word {
    /// In small letters.
    text: String,
    is_loud: bool,
}

impl Word {
    fn new(raw: &str) -> Self {
        let bare = raw.trim_matches(|c: char| c.is_ascii_punctuation());
        let text = if bare.chars().count() <= SMILEY_MAX { raw } else { bare };
        let is_loud = text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase);
        Self { text: text.to_lowercase(), is_loud }
    }
}

/// A sentence.
struct Said<'a> {
    words: &'a [Word],
    /// Some words are in capitals, and some are not.
    is_mixed: bool,
}

impl Said<'_> {
    fn text(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &word.text)
    }

    /// Words from here on, with spaces between them; `None` beyond the end.
    fn phrase(&self, from: usize, count: usize) -> Option<String> {
        let words = self.words.get(from..from + count)?;
        Some(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "))
    }

    fn mood(&self, at: usize) -> f64 {
        let word = self.text(at);
        if boost_of(word).is_some() || (word == "kind" && self.text(at + 1) == "of") {
            return 0.0;
        }
        let Some(rated) = mood_of(word) else { return 0.0 };
        let mut mood = self.mood_beside_no(at, rated);
        if self.words[at].is_loud && self.is_mixed {
            mood += if mood > 0.0 { CAPITALS } else { -CAPITALS };
        }
        for (back, weight) in REACH.iter().enumerate() {
            let Some(before) = at.checked_sub(back + 1).filter(|before| mood_of(self.text(*before)).is_none()) else { continue };
            mood += self.boost(before, mood) * weight;
            mood = self.turn(mood, at, back);
            if back + 1 == REACH.len() {
                mood = self.phrases(mood, at);
            }
        }
        self.least(mood, at)
    }

    /// "No" has a mood of its own only where it stands alone; before other rated words it turns them.
    fn mood_beside_no(&self, at: usize, rated: f64) -> f64 {
        let is_no = |back: usize| at >= back && self.text(at - back) == "no";
        if is_no(1) || is_no(2) || (is_no(3) && ["or", "nor"].contains(&self.text(at - 1))) {
            return rated * TURNED;
        }
        let is_alone = self.text(at) != "no" || mood_of(self.text(at + 1)).is_none();
        if is_alone { rated } else { 0.0 }
    }

    /// What a word before adds to a mood.
    fn boost(&self, before: usize, mood: f64) -> f64 {
        let Some(boost) = boost_of(self.text(before)) else { return 0.0 };
        let boost = if mood < 0.0 { -boost } else { boost };
        match self.words[before].is_loud && self.is_mixed {
            true if mood > 0.0 => boost + CAPITALS,
            true => boost - CAPITALS,
            false => boost,
        }
    }

    /// The mood after the negation that may stand so many words back.
    fn turn(&self, mood: f64, at: usize, back: usize) -> f64 {
        let word = |back: usize| self.text(at - back);
        let is_so = |back: usize| ["so", "this"].contains(&word(back));
        let is_meant = match back {
            1 => word(2) == "never" && is_so(1),
            2 => (word(3) == "never" && is_so(2)) || is_so(1),
            _ => false,
        };
        let is_without_doubt = match back {
            1 => word(2) == "without" && word(1) == "doubt",
            2 => word(3) == "without" && (word(2) == "doubt" || word(1) == "doubt"),
            _ => false,
        };
        if is_meant {
            mood * NEVER_SO
        } else if !is_without_doubt && is_negation(word(back + 1)) {
            mood * TURNED
        } else {
            mood
        }
    }

    /// The mood after the phrases around a word that has three before it.
    fn phrases(&self, mut mood: f64, at: usize) -> f64 {
        let phrase = |from: usize, count: usize| self.phrase(from, count);
        let before = [phrase(at - 1, 2), phrase(at - 2, 3), phrase(at - 2, 2), phrase(at - 3, 3), phrase(at - 3, 2)];
        mood = before.iter().flatten().find_map(|phrase| mood_of_phrase(phrase)).unwrap_or(mood);
        for after in [phrase(at, 2), phrase(at, 3)].iter().flatten() {
            mood = mood_of_phrase(after).unwrap_or(mood);
        }
        let boosts = [&before[3], &before[4], &before[2]];
        mood + boosts.into_iter().flatten().filter_map(|phrase| boost_of(phrase)).sum::<f64>()
    }

    /// "Least" turns, but "at least" and "very least" do not.
    fn least(&self, mood: f64, at: usize) -> f64 {
        let is_least = at > 0 && self.text(at - 1) == "least" && mood_of("least").is_none();
        let is_harmless = at > 1 && ["at", "very"].contains(&self.text(at - 2));
        if is_least && !is_harmless { mood * TURNED } else { mood }
    }
}

/// Less weight before "but", more after it. The original looks each mood up by its value while it changes them: of equal moods the first
/// is meant each time, and so it is here.
fn weigh_but(words: &[Word], moods: &mut [f64]) {
    let Some(but) = words.iter().position(|word| word.text == "but") else { return };
    for at in 0..moods.len() {
        let Some(first) = moods.iter().position(|mood| *mood == moods[at]) else { continue };
        match first.cmp(&but) {
            std::cmp::Ordering::Less => moods[first] *= BEFORE_BUT,
            std::cmp::Ordering::Greater => moods[first] *= AFTER_BUT,
            std::cmp::Ordering::Equal => {}
        }
    }
}

/// What marks of exclamation and question add.
fn marks(text: &str) -> f64 {
    let count = |mark: char| text.chars().filter(|c| *c == mark).count();
    let questions = match count('?') {
        0 | 1 => 0.0,
        some if some <= QUESTIONS_MAX => some as f64 * QUESTION,
        _ => MANY_QUESTIONS,
    };
    count('!').min(EXCLAMATIONS_MAX) as f64 * EXCLAMATION + questions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sentences with what vaderSentiment 3.3.2 says of them. Remade by `vader.py`, which stands beside this file.
    #[test]
    fn moods_are_those_of_the_original() {
        let rows: Vec<_> = include_str!("vader.tsv").lines().filter_map(|line| line.split_once('\t')).collect();
        assert!(rows.len() >= 500);
        for (expected, text) in rows {
            let (expected, text) = (expected.parse::<f64>().expect("a number"), text.replace("\\n", "\n"));
            let mood = sentiment(&text);
            assert!((mood - expected).abs() < 1.5e-4, "{text:?}: {mood}, not {expected}");
        }
    }

    #[test]
    fn nothing_said_is_no_mood() {
        for text in ["", "   ", "!!!", "where do you watch from"] {
            assert_eq!(sentiment(text), 0.0, "{text:?}");
        }
    }
}
