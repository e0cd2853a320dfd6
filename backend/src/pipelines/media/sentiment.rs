//! The mood of a message: a small lexicon with the rules of VADER (Hutto and Gilbert, ICWSM 2014): boosters, negation, capitals, marks.

/// Words with how glad (positive) or cross (negative) they are, -4 to 4.
const LEXICON: [(&str, f64); 92] = [
    ("amazing", 2.8),
    ("angry", -2.3),
    ("annoying", -1.9),
    ("awesome", 3.1),
    ("awful", -2.4),
    ("bad", -2.4),
    ("beautiful", 2.9),
    ("best", 3.0),
    ("better", 1.8),
    ("boring", -1.6),
    ("bravo", 2.2),
    ("brilliant", 2.8),
    ("broken", -1.9),
    ("bye", 0.2),
    ("calm", 1.2),
    ("cheat", -2.2),
    ("congrats", 2.4),
    ("cool", 1.6),
    ("crap", -1.8),
    ("crash", -1.7),
    ("cry", -1.6),
    ("dead", -2.4),
    ("disappointed", -2.1),
    ("disappointing", -2.2),
    ("disaster", -2.9),
    ("dumb", -2.2),
    ("enjoy", 2.1),
    ("epic", 2.4),
    ("excellent", 2.9),
    ("excited", 2.0),
    ("exciting", 2.2),
    ("fail", -2.3),
    ("fair", 1.2),
    ("fantastic", 2.7),
    ("fear", -1.9),
    ("fine", 0.8),
    ("freezing", -1.2),
    ("fun", 2.4),
    ("funny", 1.9),
    ("glad", 2.0),
    ("good", 1.9),
    ("great", 3.0),
    ("happy", 2.7),
    ("hate", -2.8),
    ("hero", 2.4),
    ("hopeless", -2.1),
    ("horrible", -2.6),
    ("hurt", -2.0),
    ("idiot", -2.5),
    ("incredible", 2.6),
    ("joy", 2.7),
    ("lag", -1.4),
    ("lagging", -1.6),
    ("lame", -1.8),
    ("legend", 2.3),
    ("lol", 1.8),
    ("lose", -1.5),
    ("lost", -1.3),
    ("love", 3.1),
    ("lovely", 2.7),
    ("lucky", 1.8),
    ("luck", 1.9),
    ("masterpiece", 3.0),
    ("mess", -1.6),
    ("mistake", -1.4),
    ("nice", 1.8),
    ("pathetic", -2.6),
    ("perfect", 2.8),
    ("please", 0.9),
    ("poor", -1.9),
    ("problem", -1.5),
    ("proud", 2.1),
    ("respect", 1.9),
    ("rubbish", -2.1),
    ("sad", -2.1),
    ("scandal", -2.0),
    ("shame", -2.1),
    ("slow", -1.0),
    ("sorry", -0.4),
    ("stalling", -1.6),
    ("stunning", 2.5),
    ("stupid", -2.4),
    ("super", 2.7),
    ("terrible", -2.6),
    ("thank", 1.6),
    ("thanks", 1.8),
    ("trash", -2.2),
    ("ugly", -2.3),
    ("win", 2.6),
    ("wonderful", 2.8),
    ("worst", -3.1),
    ("wow", 2.5),
];
/// Smileys, which are no words.
const SMILEYS: [(&str, f64); 6] = [(":)", 2.0), (":(", -1.9), (":d", 2.3), ("<3", 2.6), (";)", 1.3), (":'(", -2.2)];
/// Words that make the next one stronger, or weaker.
const BOOSTERS: [(&str, f64); 10] = [
    ("very", 0.293),
    ("really", 0.293),
    ("so", 0.293),
    ("such", 0.293),
    ("extremely", 0.293),
    ("totally", 0.293),
    ("absolutely", 0.293),
    ("slightly", -0.293),
    ("somewhat", -0.293),
    ("barely", -0.293),
];
/// Words that turn what follows.
const NEGATIONS: [&str; 10] = ["not", "no", "never", "without", "isn't", "don't", "can't", "wasn't", "doesn't", "won't"];
/// A turned word has lost some of its strength: "not bad" is not "great".
const TURNED: f64 = -0.74;
/// What capitals and marks of exclamation add.
const CAPITALS: f64 = 0.733;
const MARK: f64 = 0.292;
const MARKS_MAX: usize = 4;
/// How fast the sum of moods approaches its bounds.
const NORMALISED: f64 = 15.0;
/// How far back boosters and negations reach, and how much less with each word.
const REACH: [f64; 3] = [1.0, 0.95, 0.9];

/// The mood of a text, -1 to 1; 0 for one without a known word.
pub fn sentiment(text: &str) -> f64 {
    let words: Vec<_> = text.split_whitespace().map(Word::new).collect();
    let is_mixed = words.iter().any(|word| word.is_loud) && words.iter().any(|word| !word.is_loud);
    let sum: f64 = (0..words.len()).map(|at| mood_of(&words, at, is_mixed)).sum();
    if sum == 0.0 {
        return 0.0;
    }
    let marks = text.chars().filter(|c| *c == '!').count().min(MARKS_MAX) as f64 * MARK;
    let sum = sum + marks * sum.signum();
    (sum / (sum * sum + NORMALISED).sqrt()).clamp(-1.0, 1.0)
}

struct Word {
    text: String,
    is_loud: bool,
}

impl Word {
    fn new(raw: &str) -> Self {
        let lower = raw.to_lowercase();
        let is_smiley = SMILEYS.iter().any(|(smiley, _)| *smiley == lower);
        let text = if is_smiley { lower } else { lower.trim_matches(|c: char| !c.is_alphanumeric()).to_owned() };
        let is_loud = raw.chars().filter(|c| c.is_alphabetic()).count() > 1 && !raw.chars().any(char::is_lowercase);
        Self { text, is_loud }
    }
}

fn mood_of(words: &[Word], at: usize, is_mixed: bool) -> f64 {
    let word = &words[at];
    let of = |list: &[(&str, f64)]| list.iter().find(|(known, _)| *known == word.text).map(|(_, mood)| *mood);
    let Some(mut mood) = of(&SMILEYS).or_else(|| of(&LEXICON)) else { return 0.0 };
    if word.is_loud && is_mixed {
        mood += CAPITALS * mood.signum();
    }
    for (back, weight) in REACH.iter().enumerate() {
        let Some(before) = at.checked_sub(back + 1).map(|at| words[at].text.as_str()) else { break };
        if let Some((_, boost)) = BOOSTERS.iter().find(|(known, _)| *known == before) {
            mood += boost * weight * mood.signum();
        }
    }
    let reach = words[at.saturating_sub(REACH.len())..at].iter();
    if reach.clone().any(|word| NEGATIONS.contains(&word.text.as_str())) { mood * TURNED } else { mood }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moods_are_ordered_as_people_order_them() {
        let order = [
            "I HATE this terrible stream!!!",
            "this is terrible",
            "slightly annoying",
            "not good",
            "where do you watch from",
            "not bad",
            "good",
            "really good",
            "really GOOD, love it!!!",
        ];
        let moods = order.map(sentiment);
        assert!(moods.is_sorted(), "{moods:?}");
        assert!(moods[3] < 0.0 && moods[4] == 0.0 && moods[5] > 0.0, "{moods:?}");
        assert!(moods.iter().all(|mood| (-1.0..=1.0).contains(mood)), "{moods:?}");
    }

    #[test]
    fn words_are_listed_once_and_smileys_count() {
        let words: std::collections::BTreeSet<_> = LEXICON.iter().map(|(word, _)| word).collect();
        assert_eq!(words.len(), LEXICON.len());
        assert!(sentiment("corner :)") > 0.0 && sentiment("corner :(") < 0.0);
    }
}
