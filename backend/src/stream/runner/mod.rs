//! Started but not finished.
