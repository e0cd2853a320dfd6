//! What VADER knows of words: its lexicon and the words that change what stands near them. The files are those of vaderSentiment 3.3.2
//! (Hutto and Gilbert, ICWSM 2014; MIT, see `assets/vader/LICENSE.txt`), each word with the mean of its ten ratings.

use std::{collections::HashMap, sync::LazyLock};

static LEXICON: LazyLock<HashMap<&str, f64>> = LazyLock::new(|| {
    let rows = include_str!("../../../../../assets/vader/lexicon.txt").lines().filter_map(|line| line.split_once('\t'));
    rows.filter_map(|(word, mood)| Some((word, mood.parse().ok()?))).collect()
});
static EMOJI: LazyLock<HashMap<char, &str>> = LazyLock::new(|| {
    let rows = include_str!("../../../../../assets/vader/emoji.txt").lines().filter_map(|line| line.split_once('\t'));
    rows.filter_map(|(emoji, name)| Some((emoji.chars().next()?, name))).collect()
});

/// Words that turn what follows; so does every word with `n't` in it.
const NEGATIONS: [&str; 59] = [
    "aint",
    "arent",
    "cannot",
    "cant",
    "couldnt",
    "darent",
    "didnt",
    "doesnt",
    "ain't",
    "aren't",
    "can't",
    "couldn't",
    "daren't",
    "didn't",
    "doesn't",
    "dont",
    "hadnt",
    "hasnt",
    "havent",
    "isnt",
    "mightnt",
    "mustnt",
    "neither",
    "don't",
    "hadn't",
    "hasn't",
    "haven't",
    "isn't",
    "mightn't",
    "mustn't",
    "neednt",
    "needn't",
    "never",
    "none",
    "nope",
    "nor",
    "not",
    "nothing",
    "nowhere",
    "oughtnt",
    "shant",
    "shouldnt",
    "uhuh",
    "wasnt",
    "werent",
    "oughtn't",
    "shan't",
    "shouldn't",
    "uh-uh",
    "wasn't",
    "weren't",
    "without",
    "wont",
    "wouldnt",
    "won't",
    "wouldn't",
    "rarely",
    "seldom",
    "despite",
];
/// Words that make the next ones stronger.
const STRONGER: [&str; 60] = [
    "absolutely",
    "amazingly",
    "awfully",
    "completely",
    "considerable",
    "considerably",
    "decidedly",
    "deeply",
    "effing",
    "enormous",
    "enormously",
    "entirely",
    "especially",
    "exceptional",
    "exceptionally",
    "extreme",
    "extremely",
    "fabulously",
    "flipping",
    "flippin",
    "frackin",
    "fracking",
    "fricking",
    "frickin",
    "frigging",
    "friggin",
    "fully",
    "fuckin",
    "fucking",
    "fuggin",
    "fugging",
    "greatly",
    "hella",
    "highly",
    "hugely",
    "incredible",
    "incredibly",
    "intensely",
    "major",
    "majorly",
    "more",
    "most",
    "particularly",
    "purely",
    "quite",
    "really",
    "remarkably",
    "so",
    "substantially",
    "thoroughly",
    "total",
    "totally",
    "tremendous",
    "tremendously",
    "uber",
    "unbelievably",
    "unusually",
    "utter",
    "utterly",
    "very",
];
/// Words that make the next ones weaker.
const WEAKER: [&str; 24] = [
    "almost",
    "barely",
    "hardly",
    "just enough",
    "kind of",
    "kinda",
    "kindof",
    "kind-of",
    "less",
    "little",
    "marginal",
    "marginally",
    "occasional",
    "occasionally",
    "partly",
    "scarce",
    "scarcely",
    "slight",
    "slightly",
    "somewhat",
    "sort of",
    "sorta",
    "sortof",
    "sort-of",
];
/// By how much.
const BOOST: f64 = 0.293;
/// Phrases that mean something else than their words.
const PHRASES: [(&str, f64); 9] = [
    ("the shit", 3.0),
    ("the bomb", 3.0),
    ("bad ass", 1.5),
    ("badass", 1.5),
    ("bus stop", 0.0),
    ("yeah right", -2.0),
    ("kiss of death", -1.5),
    ("to die for", 3.0),
    ("beating heart", 3.5),
];

/// How glad (positive) or cross (negative) a word is, -4 to 4.
pub(super) fn mood_of(word: &str) -> Option<f64> {
    LEXICON.get(word).copied()
}

/// What an emoji shows, in words.
pub(super) fn name_of(emoji: char) -> Option<&'static str> {
    if emoji.is_ascii() { None } else { EMOJI.get(&emoji).copied() }
}

/// By how much a word or phrase strengthens a glad word that follows.
pub(super) fn boost_of(word: &str) -> Option<f64> {
    if STRONGER.contains(&word) {
        return Some(BOOST);
    }
    WEAKER.contains(&word).then_some(-BOOST)
}

/// Whether a word turns what follows.
pub(super) fn is_negation(word: &str) -> bool {
    word.contains("n't") || NEGATIONS.contains(&word)
}

/// The mood of a phrase as a whole.
pub(super) fn mood_of_phrase(phrase: &str) -> Option<f64> {
    PHRASES.iter().find(|(known, _)| *known == phrase).map(|(_, mood)| *mood)
}
