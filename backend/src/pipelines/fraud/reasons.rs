//! What a feature of a payment means, in words that need no list of features beside them.

use weir_model::grouped;

use super::features::{Feature, Features};

/// What a feature's value says, whether it speaks by being so or by not being so. A name that is no feature's is given back.
pub(super) fn reason(name: &str, features: &Features) -> String {
    let Some(feature) = Feature::named(name) else { return name.to_owned() };
    let value = features.get(feature);
    let is_so = value > 0.0;
    match feature {
        Feature::Amount => format!("the amount is {}", amount(value)),
        Feature::Weekend => if is_so { "paid on a weekend" } else { "paid on a working day" }.to_owned(),
        Feature::Night => if is_so { "paid at night" } else { "paid by day" }.to_owned(),
        Feature::AccountCount1d => format!("{} from this account within a day", payments(value)),
        Feature::AccountCount7d => format!("{} from this account within 7 days", payments(value)),
        Feature::AccountCount30d => format!("{} from this account within 30 days", payments(value)),
        Feature::AccountMean1d => format!("this account pays {} on average, over a day", amount(value)),
        Feature::AccountMean7d => format!("this account pays {} on average, over 7 days", amount(value)),
        Feature::AccountMean30d => format!("this account pays {} on average, over 30 days", amount(value)),
        Feature::AmountRatio => format!("{value:.1} times what this account usually pays"),
        Feature::Known => format!("{} tell what is usual for this account", payments(value)),
        Feature::Unusual14d => format!("{} far above the usual within 14 days", payments(value)),
        Feature::TerminalCount1d => format!("{} at this terminal, in the day that is known by now", payments(value)),
        Feature::TerminalCount7d => format!("{} at this terminal, in the 7 days that are known by now", payments(value)),
        Feature::TerminalCount30d => format!("{} at this terminal, in the 30 days that are known by now", payments(value)),
        Feature::TerminalRisk1d => terminal(value, features.get(Feature::TerminalCount1d), "day"),
        Feature::TerminalRisk7d => terminal(value, features.get(Feature::TerminalCount7d), "7 days"),
        Feature::TerminalRisk30d => terminal(value, features.get(Feature::TerminalCount30d), "30 days"),
        Feature::TerminalFrauds => format!("known frauds at this terminal: {value:.0}"),
        Feature::TerminalFirstFraud => ago("first", value),
        Feature::TerminalLastFraud => ago("last", value),
        Feature::Count1m => format!("{} within a minute", payments(value)),
        Feature::Count10m => format!("{} within ten minutes", payments(value)),
        Feature::Count1h => format!("{} within an hour", payments(value)),
        Feature::Count24h => format!("{} within 24 hours", payments(value)),
        Feature::Sum24h => format!("{} spent within 24 hours", amount(value)),
        Feature::TravelKmh if is_so => format!("{value:.0} km/h needed to come here from the last payment"),
        Feature::TravelKmh => "not far from the last payment".to_owned(),
        Feature::SmallThenLarge => format!("large payment right after a very small one: {}", yes_or_no(is_so)),
        Feature::NewDevice => format!("first payment from this device: {}", yes_or_no(is_so)),
        Feature::RingSize if is_so => format!("in a ring of {value:.0} accounts that share devices"),
        Feature::RingSize => "in no known ring of accounts".to_owned(),
    }
}

/// To the cent.
fn amount(value: f32) -> String {
    let minor = (f64::from(value) * 100.0).round() as i128;
    format!("{}.{:02}", grouped(minor / 100), minor % 100)
}

fn payments(count: f32) -> String {
    format!("{count:.0} payment{}", if count.round() == 1.0 { "" } else { "s" })
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// The share is of payments whose frauds have been told of: those of a week ago and before.
fn terminal(risk: f32, count: f32, span: &str) -> String {
    let verb = if span == "day" { "is" } else { "are" };
    format!("frauds at this terminal: {:.0} of {}, in the {span} that {verb} known by now", risk * count, payments(count))
}

fn ago(which: &str, days: f32) -> String {
    match days {
        ..0.0 => "no fraud is known at this terminal".to_owned(),
        0.0..1.0 => format!("the {which} known fraud at this terminal was today"),
        _ => format!("the {which} known fraud at this terminal was {days:.0} day{} ago", if days < 1.5 { "" } else { "s" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(values: &[(Feature, f64)]) -> Features {
        let mut features = Features::default();
        for (feature, value) in values {
            features.set(*feature, *value);
        }
        features
    }

    #[test]
    fn what_spoke_for_a_fraud_is_said_in_words() {
        let check = |feature: Feature, value: f64, expect: &str| {
            assert_eq!(reason(feature.name(), &features(&[(feature, value)])), expect);
        };
        check(Feature::Count1m, 14.0, "14 payments within a minute");
        check(Feature::Count1m, 1.0, "1 payment within a minute");
        check(Feature::AccountMean1d, 156.5, "this account pays 156.50 on average, over a day");
        check(Feature::Sum24h, 1_507.6, "1,507.60 spent within 24 hours");
        check(Feature::NewDevice, 1.0, "first payment from this device: yes");
        check(Feature::TerminalFirstFraud, -1.0, "no fraud is known at this terminal");
        check(Feature::TerminalFirstFraud, 0.2, "the first known fraud at this terminal was today");
        check(Feature::TerminalLastFraud, 1.2, "the last known fraud at this terminal was 1 day ago");
        check(Feature::TerminalLastFraud, 3.0, "the last known fraud at this terminal was 3 days ago");
        // What speaks by not being so is a sentence too.
        check(Feature::NewDevice, 0.0, "first payment from this device: no");
        check(Feature::TravelKmh, 0.0, "not far from the last payment");
    }

    #[test]
    fn a_terminals_risk_is_told_in_payments() {
        let told = |risk, count| {
            let features = features(&[(Feature::TerminalRisk7d, risk), (Feature::TerminalCount7d, count)]);
            reason(Feature::TerminalRisk7d.name(), &features)
        };
        assert_eq!(told(0.25, 8.0), "frauds at this terminal: 2 of 8 payments, in the 7 days that are known by now");
        assert_eq!(told(0.0, 0.0), "frauds at this terminal: 0 of 0 payments, in the 7 days that are known by now");
    }

    #[test]
    fn no_reason_speaks_in_names_of_features() {
        for feature in Feature::ALL {
            for value in [-1.0, 0.0, 1.0, 2.5] {
                let text = reason(feature.name(), &features(&[(feature, value)]));
                assert!(!text.contains('_') && text.contains(' '), "{}: {text}", feature.name());
            }
        }
    }
}
