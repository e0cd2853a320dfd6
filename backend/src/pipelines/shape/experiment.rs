//! An A/B test as every dashboard shows it: a share for each side with its interval, and one sentence that holds however often one looks.

use weir_model::{Variant, WidgetBody};

use crate::truth::{ALPHA, Z_95, always_valid, wilson};

/// The sides of a test, each with its hits and of how many. `better` stands between the names of winner and loser, `of_what` is waited for.
pub(in crate::pipelines) fn experiment(sides: &[(&str, (u64, u64))], better: &str, of_what: &str) -> WidgetBody {
    let variant = |(name, (hits, n)): &(&str, (u64, u64))| {
        let interval = wilson(*hits, *n, Z_95);
        Variant { name: (*name).into(), n: *n, estimate: interval.estimate * 100.0, low: interval.low * 100.0, high: interval.high * 100.0 }
    };
    let variants = sides.iter().map(variant).collect();
    WidgetBody::Intervals { unit: "%".into(), variants, conclusion: conclusion(sides, better, of_what).into() }
}

fn conclusion(sides: &[(&str, (u64, u64))], better: &str, of_what: &str) -> String {
    let [(a, hits_a), (b, hits_b)] = sides else { return format!("Waiting for {of_what} of two variants") };
    let difference = always_valid(*hits_a, *hits_b, ALPHA);
    let points = |share: f64| share * 100.0;
    let bounds = format!("{:+.2} to {:+.2} points at 95 %, however often one looks", points(difference.low), points(difference.high));
    if difference.covers(0.0) {
        return format!("No difference can be told yet: {b} against {a} is {bounds}");
    }
    let (winner, loser) = if difference.estimate > 0.0 { (b, a) } else { (a, b) };
    format!("{winner} {better} {loser}: {b} against {a} is {bounds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_told_in_one_sentence() {
        let check = |sides: &[(&str, (u64, u64))], expect: &str| {
            let told = conclusion(sides, "keeps more viewers than", "viewers");
            assert!(told.starts_with(expect), "{told}");
        };
        check(&[], "Waiting for viewers of two variants");
        check(&[("A", (1, 2))], "Waiting for viewers of two variants");
        check(&[("A", (50, 100)), ("B", (52, 100))], "No difference can be told yet: B against A is -");
        check(&[("A", (5_000, 10_000)), ("B", (6_000, 10_000))], "B keeps more viewers than A: B against A is +");
        check(&[("A", (6_000, 10_000)), ("B", (5_000, 10_000))], "A keeps more viewers than B: B against A is -");
    }
}
