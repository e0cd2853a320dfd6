//! The A/B test recounted: who saw which side first, who bought soon after, and whether the interval that is shown holds the truth.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_model::Check;

use crate::{
    pipelines::clickstream::{
        UserId,
        records::{Ab, Activity, Bot, Side},
        settings::EXPOSED_MAX,
    },
    sim::clickstream::{Action, CONVERSION, VARIANTS},
    truth::{check, pending},
};

/// Fewest users per side that say anything about a conversion of a few percent.
const USERS_MIN: u64 = 1_000;

/// What was seen of a run's test.
#[derive(Debug, Default)]
pub struct ExposuresCheck {
    run: String,
    conversion_ms: i64,
    users: HashMap<UserId, User>,
    by_partition: BTreeMap<i32, u64>,
    bots: BTreeSet<UserId>,
    /// By variant, the newest.
    published: BTreeMap<String, Ab>,
}

/// The first event of a user that told a side, and the purchases from then on.
#[derive(Debug)]
struct User {
    variant: String,
    at: i64,
    purchases: Vec<i64>,
}

impl ExposuresCheck {
    /// Nothing seen yet. Who buys within `conversion_ms` is converted.
    pub fn new(run: &str, conversion_ms: i64) -> Self {
        Self { run: run.to_owned(), conversion_ms, ..Self::default() }
    }

    /// An event that is in the log for the first time, in the order of offsets.
    pub fn event(&mut self, partition: i32, activity: &Activity<'_>) {
        let users = self.by_partition.entry(partition).or_default();
        if !self.users.contains_key(&*activity.user_id) {
            if activity.variant.is_empty() || *users >= EXPOSED_MAX {
                return;
            }
            *users += 1;
            let user = User { variant: activity.variant.to_string(), at: activity.timestamp, purchases: Vec::new() };
            self.users.insert((&*activity.user_id).into(), user);
        }
        if activity.action_type == Action::Purchase
            && let Some(user) = self.users.get_mut(&*activity.user_id)
        {
            user.purchases.push(activity.timestamp);
        }
    }

    /// Somebody was named a robot.
    pub fn bot(&mut self, bot: Bot) {
        if bot.run == self.run {
            self.bots.insert(bot.user_id);
        }
    }

    /// A published side.
    pub fn published(&mut self, ab: Ab) {
        if ab.run == self.run {
            self.published.insert(ab.variant.clone(), ab);
        }
    }

    /// The lift that is shown of the second side.
    pub fn lift(&self) -> Option<f64> {
        Some(self.published.get(VARIANTS[1])?.lift.as_ref()?.estimate)
    }

    /// `ab_equals_first_exposures`: each user counts once, on the side seen first.
    pub fn equal(&self) -> Check {
        let id = "ab_equals_first_exposures";
        let mut expected = BTreeMap::<&str, Side>::new();
        for user in self.users.iter().filter(|(user_id, _)| !self.bots.contains(*user_id)).map(|(_, user)| user) {
            let side = expected.entry(&user.variant).or_default();
            side.n += 1;
            side.conversions += u64::from(user.purchases.iter().any(|at| *at <= user.at + self.conversion_ms));
        }
        let told = |ab: &Ab| Side { n: ab.n, conversions: ab.conversions };
        let published: BTreeMap<_, _> = self.published.iter().map(|(variant, ab)| (variant.as_str(), told(ab))).collect();
        if expected.is_empty() && published.is_empty() {
            return pending(id, "nobody took part in a test yet");
        }
        let of = |sides: &BTreeMap<&str, Side>| {
            let side = |(variant, side): (&&str, &Side)| format!("{} of {} on {variant}", side.conversions, side.n);
            sides.iter().map(side).collect::<Vec<_>>().join(", ")
        };
        // A side of robots alone stays, with nobody on it.
        let holds = published.iter().all(|(variant, side)| *side == expected.get(variant).copied().unwrap_or_default())
            && expected.keys().all(|variant| published.contains_key(variant));
        let mut evidence = format!("bought: {}", of(&published));
        if !holds {
            evidence += &format!("; the batch job says {}", of(&expected));
        }
        check(id, holds, evidence)
    }

    /// `ab_interval_covers_truth`: the interval that is shown, which holds however often one looks, covers the lift that the generator was
    /// built with. `share_cut_short` is the share of visits whose outcome was cut off.
    pub fn covers_truth(&self, share_cut_short: f64) -> Check {
        let id = "ab_interval_covers_truth";
        let n = VARIANTS.map(|variant| self.published.get(variant).map_or(0, |ab| ab.n));
        let smaller = n[0].min(n[1]);
        let lift = self.published.get(VARIANTS[1]).and_then(|ab| ab.lift.as_ref());
        let Some(lift) = lift.filter(|_| smaller >= USERS_MIN) else {
            return pending(id, format!("{smaller} users on the smaller side; it takes {USERS_MIN}"));
        };
        if share_cut_short > 0.01 {
            let percent = share_cut_short * 100.0;
            return pending(id, format!("{percent:.1} % of the visits were cut short by a change of rate or dropped as late"));
        }
        let truth = CONVERSION[1] - CONVERSION[0];
        let points = |share: f64| share * 100.0;
        let evidence = format!(
            "{} - {} = {:+.2} points ({:+.2} to {:+.2}, always valid at 95 %) over {} users; the truth is {:+.2}",
            VARIANTS[1],
            lift.against,
            points(lift.estimate),
            points(lift.low),
            points(lift.high),
            n[0] + n[1],
            points(truth)
        );
        check(id, (lift.low..=lift.high).contains(&truth), evidence)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::CheckVerdict::{self, Fail, Pass, Pending};

    use super::*;
    use crate::{
        pipelines::clickstream::records::{Lift, Verdict},
        truth::{ALPHA, always_valid},
    };

    fn side(variant: &str, (conversions, n): (u64, u64), lift: Option<Lift>) -> Ab {
        let (run, experiment, variant) = ("r".to_owned(), "checkout".to_owned(), variant.to_owned());
        Ab { run, experiment, variant, n, conversions, rate: 0.0, lift, verdict: Verdict::Undecided }
    }

    #[test]
    fn users_count_once_where_they_were_first() {
        let verdict = |a: (u64, u64), b: (u64, u64)| {
            let mut test = ExposuresCheck::new("r", 900);
            for (user, at, action, variant) in [
                ("u1", 100, "view", "A"),
                ("u1", 900, "purchase", "B"),
                ("u1", 950, "purchase", "A"),
                ("u2", 100, "view", "B"),
                ("u2", 1_001, "purchase", "B"),
                ("u3", 100, "view", "B"),
                ("bot", 100, "purchase", "B"),
                ("given", 100, "purchase", ""),
            ] {
                let text = format!(r#"{{"user_id":"{user}","timestamp":{at},"action_type":"{action}","page":"/","variant":"{variant}"}}"#);
                test.event(0, &Activity::parse(Some(text.as_bytes())).expect("an event"));
            }
            test.bot(Bot { run: "r".into(), partition: 0, user_id: "bot".into(), start: 1, at: 2, events: 40 });
            test.published(side("A", a, None));
            test.published(side("B", b, None));
            test.equal().verdict
        };
        assert_eq!(verdict((1, 1), (0, 2)), Pass);
        for (why, a, b) in [
            ("a robot counts", (1, 1), (1, 3)),
            ("each purchase counts", (2, 1), (0, 2)),
            ("late purchases count", (1, 1), (1, 2)),
            ("sides change", (0, 1), (1, 2)),
            ("each visit counts", (1, 2), (0, 2)),
        ] {
            assert_eq!(verdict(a, b), Fail, "{why}");
        }
        assert_eq!(ExposuresCheck::new("r", 900).equal().verdict, Pending);
    }

    #[test]
    fn the_lift_check_can_fail() {
        let verdict = |a: (u64, u64), b: (u64, u64), share_cut_short: f64| -> CheckVerdict {
            let mut test = ExposuresCheck::new("r", 900);
            let it = always_valid(a, b, ALPHA);
            test.published(side("A", a, None));
            test.published(side("B", b, Some(Lift { against: "A".into(), estimate: it.estimate, low: it.low, high: it.high })));
            test.covers_truth(share_cut_short).verdict
        };
        assert_eq!(verdict((6_000, 100_000), (7_500, 100_000), 0.0), Pass);
        assert_eq!(verdict((6_000, 100_000), (6_000, 100_000), 0.0), Fail, "no lift seen where there is one");
        assert_eq!(verdict((7_500, 100_000), (6_000, 100_000), 0.0), Fail, "the sides mixed up");
        assert_eq!(verdict((54, 900), (7_500, 100_000), 0.0), Pending);
        assert_eq!(verdict((6_000, 100_000), (6_000, 100_000), 0.2), Pending);
    }
}
