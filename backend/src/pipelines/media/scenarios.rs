//! Guided demos.

use super::{
    records::{Incident, IncidentState, Moderated, Moderation, RoomStats, TitleStats},
    settings::{HOME_ROW, INCIDENTS, MODERATED, ROOMS, TITLE_STATS},
};
use crate::{
    pipelines::shape::{Act, Expectation, Observed, Scenario, Step},
    sim::media::HomeRow,
};

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[CDN_DOWN_EU, BAD_RELEASE, BAD_ENCODE, CHAT_RAID, GOAL_MOMENT];

const CDN_DOWN_EU: Scenario = Scenario {
    id: "cdn_down_eu",
    title: "A CDN goes down in Europe",
    story: "Stalls rise, an incident names the CDN and the region within seconds, players are moved, stalls fall again",
    length_s: 90,
    steps: &[
        Step {
            at_s: 0,
            says: "Thousands of players report how their video plays. Every cell of the map is calm.",
            acts: &[],
            expects: None,
        },
        Step {
            at_s: 20,
            says: "CDN B stops delivering in Europe. Watch the map: one cell turns red, and an incident opens that names it.",
            acts: &[Act::Fault("cdn_down:cdn=cdn-b,region=eu")],
            expects: Some(Expectation {
                id: "incident_names_cdn_b_in_europe",
                what: "an incident names CDN B and Europe, nothing less and nothing more",
                within_s: 20,
                topic: INCIDENTS,
                is_met_by: |record| names(record, &["cdn-b", "eu"]),
            }),
        },
        Step {
            at_s: 40,
            says: "Nobody was called: the pipeline told the players in Europe to use another CDN, and they obey. Stalls fall, the incident closes.",
            acts: &[],
            expects: Some(Expectation {
                id: "incident_closes",
                what: "the incident is closed, with the CDN still down",
                within_s: 25,
                topic: INCIDENTS,
                is_met_by: |record| incident(record).is_some_and(|incident| incident.state == IncidentState::Closed),
            }),
        },
        Step { at_s: 65, says: "The CDN delivers again, and its players come back to it bit by bit.", acts: &[], expects: None },
    ],
};

const BAD_RELEASE: Scenario = Scenario {
    id: "bad_release",
    title: "A bad release on Android",
    story: "Views fail on one release and one device; the incident names both, and the release is rolled back there and nowhere else",
    length_s: 50,
    steps: &[
        Step { at_s: 0, says: "Two releases of the app are in use, on five kinds of devices. All is calm.", acts: &[], expects: None },
        Step {
            at_s: 20,
            says: "Release 8.2 begins to fail on Android. Neither the release alone nor the device alone is to blame.",
            acts: &[Act::Fault("bad_release:app=8.2,device=android")],
            expects: Some(Expectation {
                id: "incident_names_release_and_device",
                what: "an incident names release 8.2 and Android, nothing less and nothing more",
                within_s: 20,
                topic: INCIDENTS,
                is_met_by: |record| names(record, &["8.2", "android"]),
            }),
        },
        Step {
            at_s: 30,
            says: "Players on Android are told to run the release before. The others keep the new one.",
            acts: &[],
            expects: Some(Expectation {
                id: "release_rolled_back",
                what: "the incident says that the app was rolled back",
                within_s: 20,
                topic: INCIDENTS,
                is_met_by: |record| {
                    incident(record).and_then(|incident| incident.remedy).is_some_and(|remedy| remedy.contains("rolled back"))
                },
            }),
        },
    ],
};

const BAD_ENCODE: Scenario = Scenario {
    id: "bad_encode",
    title: "A title was encoded badly",
    story: "One title stalls on every CDN and device; its own figures say so, it leaves the home row, and comes back when it plays again",
    length_s: 100,
    steps: &[
        Step { at_s: 0, says: "The table of titles says how often each stalls: seldom.", acts: &[], expects: None },
        Step {
            at_s: 20,
            says: "New renditions of title 07 are broken. No CDN, network or device is to blame, so none is: the title's own row turns bad.",
            acts: &[Act::Fault("bad_encode:title=title-07,for=40s")],
            expects: Some(Expectation {
                id: "title_stalls",
                what: "players report that title 07 stalls more than twice a minute",
                within_s: 20,
                topic: TITLE_STATS,
                is_met_by: |record| stalls_per_minute(record, "title-07").is_some_and(|stalls| stalls > 2.0),
            }),
        },
        Step {
            at_s: 40,
            says: "Nobody is offered what does not play: the title leaves the home row.",
            acts: &[],
            expects: Some(Expectation {
                id: "home_row_without_title",
                what: "the home row is told without title 07",
                within_s: 20,
                topic: HOME_ROW,
                is_met_by: |record| {
                    let row = record.value.and_then(|value| serde_json::from_slice::<HomeRow>(value).ok());
                    row.is_some_and(|row| row.titles.iter().all(|title| title.as_str() != "title-07"))
                },
            }),
        },
        Step {
            at_s: 62,
            says: "The title was encoded anew. Its stalls fall, and it may stand in the home row again.",
            acts: &[],
            expects: Some(Expectation {
                id: "title_plays_again",
                what: "title 07 stalls less than once a minute",
                within_s: 38,
                topic: TITLE_STATS,
                is_met_by: |record| stalls_per_minute(record, "title-07").is_some_and(|stalls| stalls < 1.0),
            }),
        },
    ],
};

const CHAT_RAID: Scenario = Scenario {
    id: "chat_raid",
    title: "Bots raid a live room",
    story: "A flood of messages breaks into a room; within seconds they are hidden, and people go on talking",
    length_s: 20,
    steps: &[
        Step { at_s: 0, says: "People watch a final together, chat and cheer.", acts: &[], expects: None },
        Step {
            at_s: 6,
            says: "Bots come in and flood the room. Rate, repetition and word rules hide what they write.",
            acts: &[Act::Fault("chat_raid:room=final")],
            expects: Some(Expectation {
                id: "bots_are_hidden",
                what: "a message in the room is hidden because of the words in it",
                within_s: 5,
                topic: MODERATED,
                is_met_by: |record| {
                    let message = record.value.and_then(|value| serde_json::from_slice::<Moderated>(value).ok());
                    message.is_some_and(|it| {
                        it.verdict == Moderation::Hidden && it.room.as_str() == "final" && it.rules.iter().any(|it| it == "words")
                    })
                },
            }),
        },
        Step { at_s: 14, says: "What people write is shown as before; the mood of the room is that of people.", acts: &[], expects: None },
    ],
};

/// Emoji in a window by viewer: usually a tenth.
const CHEERED_MIN: f64 = 1.0;
/// From a window's end to the moment its figures are told.
const TOLD_MAX_MS: i64 = 1_000;

const GOAL_MOMENT: Scenario = Scenario {
    id: "goal_moment",
    title: "A goal in the final",
    story: "Fifty times the emoji within a second; the wall follows, and every one of them is counted",
    length_s: 45,
    steps: &[
        Step { at_s: 0, says: "People watch a final and send an emoji now and then.", acts: &[], expects: None },
        Step {
            at_s: 15,
            says: "A goal! Everybody in the room cheers, and the rate of all events rises with it.",
            acts: &[Act::Fault("goal_moment:room=final")],
            expects: Some(Expectation {
                id: "emoji_fly",
                what: "a window of the final has more emoji than viewers, and is told within a second of its end",
                within_s: 8,
                topic: ROOMS,
                is_met_by: |record| {
                    cheers_by_viewer(record, "final").is_some_and(|(cheers, told_ms)| cheers > CHEERED_MIN && told_ms <= TOLD_MAX_MS)
                },
            }),
        },
        Step {
            at_s: 33,
            says: "The game goes on. The rate falls back, and every emoji is in the window it was sent in.",
            acts: &[],
            expects: Some(Expectation {
                id: "room_is_calm",
                what: "a window of the final has fewer emoji than one for three viewers",
                within_s: 10,
                topic: ROOMS,
                is_met_by: |record| cheers_by_viewer(record, "final").is_some_and(|(cheers, _)| cheers < CHEERED_MIN / 3.0),
            }),
        },
    ],
};

/// Emoji by viewer in a room's window, and how long after its end it was told.
fn cheers_by_viewer(record: &Observed<'_>, room: &str) -> Option<(f64, i64)> {
    let stats = serde_json::from_slice::<RoomStats>(record.value?).ok()?;
    let is_it = stats.room.as_str() == room && stats.viewers > 0;
    is_it.then(|| (stats.emoji.values().sum::<u64>() as f64 / stats.viewers as f64, stats.published_ms - stats.window_end))
}

/// How often a title stalls, from a record of its figures.
fn stalls_per_minute(record: &Observed<'_>, title: &str) -> Option<f64> {
    let is_it = record.key == Some(title.as_bytes());
    is_it.then(|| serde_json::from_slice::<TitleStats>(record.value?).ok()?.bad_per_minute()).flatten()
}

/// Whether an incident names these values as its cause, and no others; in the order of the alphabet.
fn names(record: &Observed<'_>, values: &[&str]) -> bool {
    incident(record).is_some_and(|incident| {
        let mut cause: Vec<_> = incident.cause.attributes.iter().map(|(_, value)| value.as_str()).collect();
        cause.sort_unstable();
        cause == values
    })
}

fn incident(record: &Observed<'_>) -> Option<Incident> {
    serde_json::from_slice(record.value?).ok()
}
