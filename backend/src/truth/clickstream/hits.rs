//! Whether recommendations are worth anything: what a user looked at next, against what was recommended to that user before.

use std::collections::{HashMap, VecDeque};

use crate::pipelines::clickstream::{
    ItemId, UserId,
    records::{Pair, Recommended},
    settings::RECOMMENDATIONS,
};

/// Lists remembered; the first ones are forgotten, and looks after them say nothing.
const LISTS_MAX: usize = 50_000;
/// Items remembered.
const ITEMS_MAX: usize = 20_000;

/// How often the next item looked at was among ten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Looks by users to whom ten were recommended before.
    pub looks: u64,
    /// Among what was recommended.
    pub recommended: u64,
    /// Among the ten most wanted until then.
    pub popular: u64,
}

impl Hits {
    /// Both shares.
    pub fn rates(&self) -> (f64, f64) {
        let share = |hits: u64| hits as f64 / self.looks.max(1) as f64;
        (share(self.recommended), share(self.popular))
    }
}

/// Judges recommendations by what was looked at then.
#[derive(Debug, Default)]
pub struct HitRate {
    /// Numbers of items, in place of their names, and the names.
    numbers: HashMap<ItemId, u32>,
    names: Vec<ItemId>,
    /// What was recommended to a user who looked at an item, and when.
    lists: HashMap<(UserId, u32), (i64, [u32; RECOMMENDATIONS])>,
    order: VecDeque<(UserId, u32)>,
    wanted: HashMap<u32, u64>,
    hits: Hits,
}

impl HitRate {
    /// What was recommended. Fewer than ten are nothing to compare with ten.
    pub fn recommended(&mut self, recommended: &Recommended) {
        let numbers: Option<Vec<_>> = recommended.items.iter().take(RECOMMENDATIONS).map(|item| self.number(item)).collect();
        let list = numbers.and_then(|numbers| <[u32; RECOMMENDATIONS]>::try_from(numbers).ok());
        let (Some(list), Some(item)) = (list, self.number(&recommended.item_id)) else { return };
        let key = (recommended.user_id.clone(), item);
        if self.lists.insert(key.clone(), (recommended.at, list)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > LISTS_MAX {
            if let Some(first) = self.order.pop_front() {
                self.lists.remove(&first);
            }
        }
    }

    /// What was looked at after what. Gives what had been recommended, best first, and whether this was among it. What was recommended only
    /// then, or later, may know the answer: it does not count.
    pub fn look(&mut self, pair: &Pair) -> Option<(Vec<&ItemId>, bool)> {
        let (from, to) = (self.number(&pair.from)?, self.number(&pair.to)?);
        let list = self.lists.get(&(pair.user_id.clone(), from)).filter(|(at, _)| *at < pair.at).map(|(_, list)| *list);
        let outcome = list.map(|list| {
            let is_hit = list.contains(&to);
            let own = self.wanted.get(&to).copied().unwrap_or(0);
            let ahead = self.wanted.values().filter(|looks| **looks > own).take(RECOMMENDATIONS).count();
            self.hits.looks += 1;
            self.hits.recommended += u64::from(is_hit);
            self.hits.popular += u64::from(ahead < RECOMMENDATIONS);
            (list, is_hit)
        });
        *self.wanted.entry(to).or_default() += 1;
        let (list, is_hit) = outcome?;
        Some((list.iter().filter_map(|number| self.names.get(*number as usize)).collect(), is_hit))
    }

    /// How good recommendations are so far.
    pub fn hits(&self) -> Hits {
        self.hits
    }

    fn number(&mut self, item: &ItemId) -> Option<u32> {
        if let Some(number) = self.numbers.get(item) {
            return Some(*number);
        }
        let number = u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < ITEMS_MAX)?;
        self.numbers.insert(item.clone(), number);
        self.names.push(item.clone());
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_same_user_was_told_before_counts() {
        let check = |list: (&str, i64, usize), user: &str, expect: (u64, u64)| {
            let mut rate = HitRate::default();
            let (told, at, count) = list;
            let items = (0..count).map(|n| ItemId(format!("i{n}"))).collect();
            rate.recommended(&Recommended { run: "r".into(), user_id: told.into(), item_id: "a".into(), items, at });
            let pair = |from: &str, at| Pair { run: "r".into(), user_id: user.into(), from: from.into(), to: "i3".into(), at };
            rate.look(&pair("b", 100));
            rate.look(&pair("a", 100));
            let hits = rate.hits();
            assert_eq!((hits.looks, hits.recommended), expect, "{list:?} {user}");
        };
        check(("u", 50, 10), "u", (1, 1));
        check(("u", 50, 12), "u", (1, 1));
        check(("u", 50, 9), "u", (0, 0));
        check(("u", 100, 10), "u", (0, 0));
        check(("u", 101, 10), "u", (0, 0));
        check(("v", 50, 10), "u", (0, 0));
    }

    #[test]
    fn lists_are_forgotten() {
        let mut rate = HitRate::default();
        let items: Vec<_> = (0..RECOMMENDATIONS).map(|n| ItemId(format!("i{n}"))).collect();
        for user in 0..=LISTS_MAX {
            let (run, user_id, item_id) = ("r".to_owned(), user.to_string().into(), "a".into());
            rate.recommended(&Recommended { run, user_id, item_id, items: items.clone(), at: 1 });
        }
        let look = |user: usize| Pair { run: "r".into(), user_id: user.to_string().into(), from: "a".into(), to: "i3".into(), at: 2 };
        assert!(rate.look(&look(0)).is_none());
        assert_eq!(rate.look(&look(1)).map(|(list, is_hit)| (list.len(), is_hit)), Some((RECOMMENDATIONS, true)));
    }
}
