//! The pipeline's parts against plain recomputations, and the topologies through the test driver.

mod disorder;
mod features;
mod scenarios;
mod topology;
