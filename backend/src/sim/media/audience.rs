//! Who has seen which title: what different viewers are counted by.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::ids::{VideoId, ViewerId};

/// Who has seen what, by digest.
#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    seen: HashSet<u64>,
}

/// Viewers of titles remembered at most.
const AUDIENCE_MAX: usize = 1_000_000;

impl Audience {
    /// Whether this viewer is new to the title; `None` once there are too many to know.
    pub(super) fn add(&mut self, content: &VideoId, user_id: &ViewerId) -> Option<bool> {
        let mut hasher = DefaultHasher::new();
        (content, user_id).hash(&mut hasher);
        (self.seen.len() < AUDIENCE_MAX).then(|| self.seen.insert(hasher.finish()))
    }
}
