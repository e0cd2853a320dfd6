//! Real series in place of the fleet: tables of values over time, one, several with commas between them, a folder of them, or a topic, with
//! labels where there are some.
//!
//! A table is CSV (fields separated by commas, semicolons, tabs or bars) or JSON by lines or in an array, plain or gzip. Its time is in
//! `timestamp` or a column of a like name, or in two, `date` and `time`; `value` (or each other column of numbers, as a series of its own)
//! is what was measured; `series`, `device_id` or the like says whose it is, where many share a table; `label`, `anomaly` or `is_anomaly`
//! says which rows are anomalous. Columns that share such labels are one machine's figures and judged together, as the Skoltech Anomaly
//! Benchmark has them. Columns of other names are told behind a question mark: `FILE?timestamp=ts&value=temp+flow&series=room&label=bad`,
//! and so is how dates and numbers are written where the table leaves it open: `FILE?dates=dmy&decimal=comma`. Labels may also stand in a
//! `combined_windows.json` beside the tables, above them, or in a folder `labels` there, as the Numenta Anomaly Benchmark has it.

mod files;
mod format;
mod judge;
mod labels;
mod mapping;
mod table;
mod world;

pub(super) use judge::SeriesJudge;
pub(super) use world::SeriesWorld;
