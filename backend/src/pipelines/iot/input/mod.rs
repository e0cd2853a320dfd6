//! Real series in place of the fleet: `timestamp,value` tables, one or a folder of them, with labels where there are some.
//!
//! A table has a header; its first column that is a time is the time, `value` (or each other column of numbers, as a series of its own) is
//! what was measured, and `label`, `anomaly` or `is_anomaly` says which rows are anomalous; columns that share such labels are one machine's
//! figures and judged together, as the Skoltech Anomaly Benchmark has them. Fields are separated by commas, semicolons or
//! tabs. Labels may also stand in a `combined_windows.json` beside the tables, above them, or in a folder `labels` there, as the Numenta
//! Anomaly Benchmark has it.

mod judge;
mod labels;
mod table;
mod world;

pub(super) use judge::SeriesJudge;
pub(super) use world::SeriesWorld;
