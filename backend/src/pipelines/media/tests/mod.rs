//! The pipeline as a whole, without a broker.

mod rig;
mod scenarios;

use weir_model::CheckVerdict;

use super::{
    Sabotage, input,
    settings::{PLAYBACK, SLICES},
};
use crate::sim::media::{
    AdDecision, AdRequest, DISORDER_MAX_MS, FaultKind, Generator, GeneratorParams, Sheet, SheetKind, Topic, TruthRecord,
};
use rig::Rig;

fn of(text: &str) -> String {
    text.to_owned()
}

fn cdn_down() -> FaultKind {
    FaultKind::CdnDown { cdn: of("cdn-b"), region: Some(of("eu")) }
}

/// A run short enough to be repeated, in which each check can tell.
fn run(seed: u64, sabotage: Option<Sabotage>) -> Rig {
    let mut rig = Rig::new(seed, 200, sabotage);
    rig.run_s(40);
    rig.generator.inject(cdn_down(), 25_000);
    rig.generator.inject(FaultKind::ChatRaid { room: 0 }, 8_000);
    rig.run_s(10);
    rig.generator.inject(FaultKind::AdBudgetRace, 15_000);
    rig.run_s(25);
    rig.end();
    rig
}

#[test]
fn a_run_with_faults_passes_every_check_also_over_a_crash() {
    let mut rig = Rig::new(11, 300, None);
    rig.run_s(45);
    rig.generator.inject(cdn_down(), 40_000);
    rig.generator.inject(FaultKind::ChatRaid { room: 0 }, 10_000);
    rig.run_s(15);
    rig.crash_and_restore();
    rig.generator.inject(FaultKind::GoalMoment { room: 1 }, 10_000);
    let race_ms = rig.generator.now_ms();
    rig.generator.inject(FaultKind::AdBudgetRace, 15_000);
    rig.run_s(30);
    rig.end();
    for check in rig.truth.verdicts(true) {
        assert_eq!(check.verdict, CheckVerdict::Pass, "seed 11: {} {}", check.id, check.evidence);
    }
    assert_eq!(rig.malformed(), 0);
    let filled = rig.truth.scores()["ad_fill_rate"];
    assert!(filled >= 0.95, "seed 11: {filled} of the requests got an ad");
    let spent = rig.alerts.iter().find(|alert| alert.rule == "budget_exhausted").expect("the race takes all of a budget");
    assert!(spent.ts >= race_ms, "seed 11: nobody else wants it, and it was spent {} ms before", race_ms - spent.ts);
    let rules: Vec<_> = rig.alerts.iter().map(|alert| (alert.rule.as_str(), alert.subject_key.as_str())).collect();
    let expected = [
        ("incident_opened", "cdn-b × eu"),
        ("chat_flood", "final"),
        ("budget_exhausted", "campaign-00"),
        ("incident_closed", "cdn-b × eu"),
    ];
    for alert in expected {
        assert_eq!(rules.iter().filter(|it| **it == alert).count(), 1, "seed 11: {alert:?} among {rules:?}");
    }
    for alert in &rig.alerts {
        let is_over = alert.rule == "incident_closed";
        assert!(if is_over { alert.value <= alert.threshold } else { alert.value >= alert.threshold }, "{alert:?}");
        assert!(!alert.evidence.is_empty() && alert.window_start <= alert.window_end, "{alert:?}");
    }
}

#[test]
fn each_sabotage_turns_its_check_red_and_no_other() {
    for (sabotage, name, red) in Sabotage::ALL {
        let rig = match red {
            "root_causes_named" => given(Some(sabotage), true),
            "root_causes_told" => given(Some(sabotage), false),
            _ => run(5, Some(sabotage)),
        };
        let verdicts = rig.truth.verdicts(true);
        let failed: Vec<_> = verdicts.iter().filter(|check| check.verdict == CheckVerdict::Fail).map(|check| &*check.id).collect();
        // What was not found was not named either.
        let expected = if sabotage == Sabotage::SleepThrough { vec![red, "incident_cells_exact"] } else { vec![red] };
        let evidence = verdicts.iter().filter(|check| check.verdict == CheckVerdict::Fail).collect::<Vec<_>>();
        assert_eq!(failed, expected, "{name}: {evidence:?}");
        assert_eq!(Sabotage::named(name), Some(sabotage));
    }
}

#[test]
fn a_goal_brings_fifty_times_the_emoji_of_its_room_for_as_long_as_it_lasts() {
    let mut generator =
        Generator::new(GeneratorParams { seed: 6, rate_per_s: 400, start_at_ms: rig::START_MS, disorder_ms: DISORDER_MAX_MS });
    let emoji_in = |generator: &mut Generator, seconds: i64| {
        let (until_ms, mut count) = (generator.now_ms() + seconds * 1_000, 0);
        while generator.now_ms() < until_ms {
            let record = generator.generate();
            count += u64::from(record.topic == Topic::Reactions && record.key == "final");
        }
        count
    };
    emoji_in(&mut generator, 40);
    let usual = emoji_in(&mut generator, 20);
    generator.inject(FaultKind::GoalMoment { room: 0 }, 20_000);
    let goal = emoji_in(&mut generator, 20);
    let after = emoji_in(&mut generator, 20);
    assert!(
        (25 * usual..100 * usual).contains(&goal) && after < 2 * usual,
        "seed 6: {usual} as usual, {goal} for a goal, {after} after it"
    );
}

#[test]
fn viewers_come_back_so_that_a_title_has_fewer_viewers_than_plays() {
    let mut rig = Rig::new(8, 200, None);
    rig.keep_readers_of(PLAYBACK);
    rig.run_s(120);
    let title = rig.title("title-00");
    assert!(title.viewers > 0 && title.viewers < title.starts, "seed 8: {} viewers of {} plays", title.viewers, title.starts);
}

#[test]
fn a_broken_title_leaves_the_home_row_until_it_plays_again() {
    let (mut rig, title) = (Rig::new(3, 120, None), "title-00");
    rig.keep_readers_of(PLAYBACK);
    let state = |rig: &Rig| (rig.title(title).bad_per_minute().unwrap_or(0.0), rig.home_row().iter().any(|other| other.as_str() == title));
    rig.run_s(40);
    let (stalls, is_offered) = state(&rig);
    assert!(stalls < 1.0 && is_offered, "seed 3, before: {stalls} a minute, offered: {is_offered}");
    rig.generator.inject(FaultKind::BadEncode { title: 0 }, 30_000);
    rig.run_s(30);
    let (stalls, is_offered) = state(&rig);
    assert!(stalls > 2.0 && !is_offered, "seed 3, broken: {stalls} a minute, offered: {is_offered}");
    let other = rig.title("title-01").bad_per_minute().unwrap_or(0.0);
    assert!(other < 1.0, "seed 3: {other} a minute of a title that is whole");
    rig.run_s(60);
    let (stalls, is_offered) = state(&rig);
    assert!(stalls < 1.0 && is_offered, "seed 3, mended: {stalls} a minute, offered: {is_offered}");
}

/// Of ads that were decided, the share that players told of.
fn share_seen(is_slow: bool) -> f64 {
    let mut generator =
        Generator::new(GeneratorParams { seed: 4, rate_per_s: 500, start_at_ms: rig::START_MS, disorder_ms: DISORDER_MAX_MS });
    if is_slow {
        generator.inject(FaultKind::AdServerSlow, 60_000);
    }
    let (mut decided, mut seen) = (0.0, std::collections::BTreeSet::new());
    let mut waiting = std::collections::BTreeMap::new();
    for _ in 0..10_000 {
        let record = generator.generate();
        if record.topic == Topic::AdEvents {
            let event: serde_json::Value = serde_json::from_slice(&record.value).expect("JSON");
            seen.insert(event["request_id"].to_string());
        }
        if record.topic == Topic::AdRequests {
            let request: AdRequest = serde_json::from_slice(&record.value).expect("a request");
            decided += 1.0;
            let decision = serde_json::json!({
                "request_id": request.request_id, "user_id": request.user_id, "session_id": request.session_id,
                "ad_id": "a", "campaign_id": "c", "price_micros": 1, "ts": request.ts, "reason": "",
            });
            let due_ms = request.ts + request.wait_ms;
            waiting.insert((due_ms, request.request_id), serde_json::from_value::<AdDecision>(decision).expect("a decision"));
        }
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= generator.now_ms()) {
            generator.ad_decided(&first.remove());
        }
    }
    seen.len() as f64 / decided
}

#[test]
fn ads_from_a_slow_server_are_seldom_seen() {
    let (usual, slow) = (share_seen(false), share_seen(true));
    assert!(usual > 0.6 && slow < usual / 2.0 && slow > 0.0, "seed 4: {usual} as usual, {slow} from a slow server");
}

/// A sheet as a table that anybody could have written.
fn csv_of(name: &str, sheet: &Sheet) -> String {
    let dimensions = sheet.rows[0].values.len();
    let mut text = (0..dimensions).fold("case,minute".to_owned(), |text, at| text + &format!(",d{at}")) + ",total,failures,cause\n";
    let cause = |cause: &Vec<(usize, u32)>| cause.iter().map(|(at, value)| format!("d{at}=v{value}")).collect::<Vec<_>>().join("&");
    let label = sheet.causes.iter().map(cause).collect::<Vec<_>>().join(";");
    for row in &sheet.rows {
        let values = row.values.iter().fold(String::new(), |text, value| text + &format!(",v{value}"));
        let label = if row.minute == sheet.minute { label.as_str() } else { "" };
        text += &format!("{name},{}{values},{},{},{label}\n", row.minute * 60, row.total, row.failures);
    }
    text
}

/// Given cases, with their labels or without.
fn given(sabotage: Option<Sabotage>, is_labelled: bool) -> Rig {
    let mut rig = Rig::new(1, 10, sabotage);
    for (seed, kind) in [(9_100, SheetKind::Single), (9_101, SheetKind::Pair), (9_103, SheetKind::Triple)] {
        let text = csv_of(&format!("case-{seed}"), &Sheet::new(seed, kind));
        let sheets = input::read(&text, "unnamed", &[], &input::Mapping::new()).expect("a sheet");
        assert!(sheets.rejected.is_empty(), "{:?}", sheets.rejected.first());
        for case in sheets.cases {
            for (case, causes) in case.causes.into_iter().filter(|_| is_labelled) {
                rig.tell(&TruthRecord::Cause { case, causes });
            }
            for slice in case.slices {
                let value = serde_json::to_vec(&slice).expect("JSON");
                rig.send((SLICES.to_owned(), case.name.clone().into_bytes(), value, slice.end_ms - 1));
            }
        }
    }
    rig
}

#[test]
fn given_data_runs_through_the_same_topology_and_is_scored() {
    let (verdict, evidence) = given(None, false).verdict("root_causes_told");
    assert_eq!(verdict, CheckVerdict::Pass, "seeds 9100, 9101, 9103: {evidence}");
    let rig = given(None, true);
    let (verdict, evidence) = rig.verdict("root_causes_named");
    assert_eq!(verdict, CheckVerdict::Pass, "seeds 9100, 9101, 9103: {evidence}");
    assert_eq!((rig.truth.scores()["root_cause_cases"], rig.truth.scores()["root_cause_f1"]), (3.0, 1.0));
}
