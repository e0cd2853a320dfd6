//! Scenarios show what they break: without the fault nothing of it is seen.

use crate::pipelines::{altered::check_faults_are_what_is_seen, fraud::shape};

#[test]
fn a_scenario_without_its_faults_does_not_show_them() {
    check_faults_are_what_is_seen(shape, 200);
}
