//! What all pipelines that read given data share: how files are opened, and how they write times and numbers.

mod csv;
mod json;
mod lines;
mod numbers;
mod open;
mod sniff;
mod times;

pub(in crate::pipelines) use self::{
    csv::{is_blank, is_same_name, logical_lines, separator_of, split},
    json::flat_object,
    numbers::Numbers,
    open::{open, text_of},
    sniff::{Dialect, Sniff, Told},
    times::Dates,
};
