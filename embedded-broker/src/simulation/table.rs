//! A compacted topic: the last value of each key stays, whatever the cleaner was doing when it was cut off.

use std::collections::BTreeMap;

use super::random::Random;
use super::world::{TABLE, World};
use crate::log::records::build_batch;

const KEYS: u64 = 5;

#[derive(Default)]
pub(super) struct Table {
    puts: u64,
    /// By key: the last value acknowledged, then those tried since. `None`: a tombstone.
    keys: BTreeMap<String, Vec<Option<String>>>,
}

impl Table {
    pub(super) fn step(&mut self, world: &World, random: &mut Random) {
        self.puts += 1;
        let key = format!("k{}", random.below(KEYS));
        let value = (!random.one_in(5)).then(|| format!("v{}", self.puts));
        let batch = build_batch(1_000_000_000, [(Some(key.as_bytes()), value.as_deref().map(str::as_bytes))]);
        let is_acknowledged = world.append(TABLE, 0, &batch).is_some();
        world.tell(|| format!("table: {key} = {value:?}, acknowledged: {is_acknowledged}"));
        let possible = self.keys.entry(key).or_insert_with(|| vec![None]);
        if is_acknowledged {
            possible.clear();
        }
        possible.push(value);
    }

    pub(super) fn check(&self, world: &World) {
        let mut last: BTreeMap<String, Option<String>> = BTreeMap::new();
        for record in world.records(TABLE, 0) {
            last.insert(record.key.unwrap(), record.value);
        }
        for (key, possible) in &self.keys {
            let found = last.remove(key).flatten();
            assert!(possible.contains(&found), "{key} is {found:?}, of {possible:?}");
        }
        assert!(last.is_empty(), "nobody wrote {last:?}");
    }
}
