//! What people write in a live room, and what bots do.

use crate::sim::Random;

/// A message's mood, as its writer means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Glad,
    Cross,
    Plain,
}

const GLAD: [&str; 12] = [
    "what a great goal",
    "I love this so much",
    "amazing save!!",
    "this is really fun",
    "best match in years",
    "brilliant, just brilliant",
    "so happy right now :)",
    "awesome stream, thanks",
    "beautiful pass",
    "that was not bad at all",
    "perfect timing wow",
    "GREAT atmosphere tonight",
];
const CROSS: [&str; 10] = [
    "this is terrible",
    "awful call by the referee",
    "the stream is lagging again, so annoying",
    "I hate this commentator",
    "worst match ever",
    "really disappointed",
    "not good, not good at all",
    "boring...",
    "such a horrible mistake",
    "what a sad end :(",
];
const PLAIN: [&str; 12] = [
    "hello from lisbon",
    "who is playing tonight",
    "what is the score",
    "second half now",
    "is this live",
    "number ten again",
    "where do you watch from",
    "any replay",
    "how long until the break",
    "good evening everybody",
    "corner",
    "same as last week then",
];
/// What bots want to say; `@` stands for a place on the net.
const SPAM: [&str; 9] = [
    "free coins at @ click now",
    "@ FREE FREE FREE",
    "follow me for free followers @",
    "cheap accounts dm me",
    "win a phone today @",
    "my channel is better, see @",
    "earn 500 a day from home, ask at @",
    "first first first first",
    "sub for sub who is in",
];
const SYLLABLES: [&str; 8] = ["win", "lu", "shop", "bet", "zo", "max", "ti", "deal"];
const SCHEMES: [&str; 4] = ["http://", "https://", "www.", ""];
const ENDS: [&str; 3] = [".example", ".test", ".invalid"];
/// The share of letters that bots write otherwise, to get past whoever looks for words.
const DISGUISED_SHARE: f64 = 0.15;
const MARKS: [&str; 4] = ["", "!", " ...", " :)"];

/// A message of a viewer in this mood.
pub(super) fn message(random: &mut Random, mood: Mood) -> String {
    let pick = |random: &mut Random, texts: &[&str]| texts[random.below(texts.len() as u64) as usize].to_owned();
    match mood {
        Mood::Glad => pick(random, &GLAD),
        Mood::Cross => pick(random, &CROSS),
        // People type the same things, but not the same letters: a hundred times "corner" is no raid.
        Mood::Plain => pick(random, &PLAIN) + MARKS[random.below(MARKS.len() as u64) as usize],
    }
}

/// A message of a bot.
pub(super) fn spam(random: &mut Random) -> String {
    let mut pick = |texts: &[&'static str]| texts[random.below(texts.len() as u64) as usize];
    let text = pick(&SPAM);
    let site = [pick(&SCHEMES), pick(&SYLLABLES), pick(&SYLLABLES), pick(&ENDS)].concat();
    let mut disguise = |c: char| match c {
        'e' | 'o' | 'i' | 'a' | 's' if random.chance(DISGUISED_SHARE) => match c {
            'e' => '3',
            'o' => '0',
            'i' => '1',
            'a' => '4',
            _ => '5',
        },
        c => c,
    };
    // A place that is misspelt is not found.
    text.split_inclusive('@').map(|part| part.chars().map(&mut disguise).collect::<String>()).collect::<String>().replace('@', &site)
}

/// The mood of a writer: gladder while something great happens, crosser while the picture stalls.
pub(super) fn mood(random: &mut Random, is_goal: bool, is_stalling: bool) -> Mood {
    let weights = match (is_goal, is_stalling) {
        (_, true) => [0.05, 0.75, 0.20],
        (true, _) => [0.80, 0.10, 0.10],
        _ => [0.30, 0.15, 0.55],
    };
    [Mood::Glad, Mood::Cross, Mood::Plain][random.weighted(&weights)]
}
