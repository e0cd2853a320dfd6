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
const SPAM: [&str; 5] = [
    "free coins at http://win.example click now",
    "http://win.example FREE FREE FREE",
    "follow me for free followers http://follow.example",
    "cheap accounts dm me http://shop.example",
    "first first first first",
];
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
    SPAM[random.below(SPAM.len() as u64) as usize].to_owned()
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
