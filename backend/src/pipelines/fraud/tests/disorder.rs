//! Payments that come late: judged as of their own time up to a minute, and beyond it decided and counted.

use weir_model::{CheckVerdict, PipelineParams};

use crate::pipelines::{
    fraud::{settings::DISORDER, shape},
    shape::rehearsal::rehearse,
};

#[test]
fn whatever_the_disorder_every_payment_is_decided_by_what_was_before_it() {
    let late = |disorder_s: f64| {
        let settings = [(DISORDER, disorder_s), ("extras", 50.0)].map(|(name, value)| (name.into(), value)).into();
        let params = PipelineParams { rate_per_s: 1_000, seed: 3, events_max: Some(1_500), settings, ..PipelineParams::default() };
        let report = rehearse(&*shape(), params, &mut |_| ()).expect("topologies are right");
        let red: Vec<_> = report.checks.iter().filter(|check| check.verdict == CheckVerdict::Fail).collect();
        assert!(red.is_empty() && report.counts["decisions"] == 1_500, "{disorder_s} s: {red:?} {:?}", report.counts);
        report.counts["late"]
    };
    assert_eq!(late(60.0), 0);
    assert!(late(3_600.0) > 0);
}
