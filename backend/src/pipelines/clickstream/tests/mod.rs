//! The pipeline, event by event, and as a whole.

mod rehearsals;
mod topology;
