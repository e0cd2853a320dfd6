//! The backend over a broker, through its public face only: the embedded broker, or the cluster that `WEIR_TEST_BOOTSTRAP` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod browsing;
mod groups;
mod local;
mod operating;
mod resetting;
mod support;
mod trouble;
