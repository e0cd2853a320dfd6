//! Applications on the embedded broker: what they compute is recomputed plainly, whatever happens to their threads. `exactly_once` and
//! `windows` work on the cluster that `WEIR_TEST_BOOTSTRAP` names too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

mod drivers;
mod exactly_once;
mod fraud;
mod golden;
mod joins;
mod protocols;
mod refused;
mod shape;
mod state;
mod support;
mod windows;
mod word_count;
