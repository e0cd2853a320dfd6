//! The transaction coordinator: decisions held against a replay of their records, and the whole of it killed at every change it makes to
//! the disk.

mod crash;
mod decisions;
