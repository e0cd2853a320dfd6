//! Rings: accounts that belong together because they share devices. Union-find over edges that are told once each.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{account::Edge, ids::AccountId, records::Ring};
use crate::stream::{Forward, Processor, Record, Store, StoreHandle};

/// Accounts that share devices make a ring from so many on: households are smaller.
pub const RING_ACCOUNTS_MIN: usize = 4;
/// Above so many accounts a device is a shop's or a library's, and says nothing.
const DEVICE_ACCOUNTS_MAX: usize = 30;
/// Accounts listed of a ring; a larger one grows no further.
const RING_ACCOUNTS_MAX: usize = 200;

/// What is known of a device or of an account: a node of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// The accounts a device was used by.
    Device(Vec<AccountId>),
    /// The first account of the component an account belongs to.
    Root(AccountId),
    /// A component with more than one account, by its first account.
    Component(Ring),
}

/// What the finder tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// A ring has formed or grown; `None` where another one took it in.
    Ring(Option<Ring>),
    /// An account belongs to a ring.
    Member(Member),
}

/// A record of `fraud.ring_members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which ring.
    pub ring_id: String,
    /// How many accounts it has.
    pub accounts: u32,
}

/// Finds rings. All edges come to one task, because a ring may reach anywhere.
pub(super) struct RingFinder(StoreHandle<String, Known>);

impl RingFinder {
    pub(super) const STORE: &str = "rings";

    pub(super) fn store() -> Store<String, Known> {
        Store::new()
    }

    pub(super) fn new(store: StoreHandle<String, Known>) -> Self {
        Self(store)
    }

    /// The accounts of a device with this one; `None` when nothing new can follow.
    fn meet(&self, edge: &Edge) -> Option<Vec<AccountId>> {
        let key = format!("device/{}", edge.device_id);
        let mut store = self.0.borrow_mut();
        let mut accounts = match store.get(&key) {
            Some(Known::Device(accounts)) => accounts.clone(),
            _ => Vec::new(),
        };
        if accounts.contains(&edge.account_id) || accounts.len() >= DEVICE_ACCOUNTS_MAX {
            return None;
        }
        accounts.push(edge.account_id.clone());
        store.put(key, Known::Device(accounts.clone()));
        (accounts.len() > 1).then_some(accounts)
    }

    fn component(&self, account: &AccountId, since: i64) -> Ring {
        let store = self.0.borrow();
        let root = match store.get(&format!("account/{account}")) {
            Some(Known::Root(root)) => root,
            _ => account,
        };
        match store.get(&format!("component/{root}")) {
            Some(Known::Component(ring)) => ring.clone(),
            _ => Ring { ring_id: account.to_string(), accounts: vec![account.clone()], devices: Vec::new(), links: Vec::new(), since },
        }
    }

    /// Makes one component of all the accounts; gives it with those that it took in.
    fn unite(&self, accounts: &[AccountId], device: &str, since: i64) -> Option<(Ring, Vec<Ring>)> {
        let mut parts: Vec<Ring> = Vec::new();
        for account in accounts {
            let part = self.component(account, since);
            if parts.iter().all(|known| known.ring_id != part.ring_id) {
                parts.push(part);
            }
        }
        // The largest keeps its name, so that a ring on a screen stays the same ring.
        let size = |ring: &Ring| ring.accounts.len();
        let keeper = (0..parts.len()).max_by_key(|at| (size(&parts[*at]), usize::MAX - at))?;
        let mut ring = parts.swap_remove(keeper);
        if size(&ring) + parts.iter().map(size).sum::<usize>() > RING_ACCOUNTS_MAX {
            return None;
        }
        let mut devices: BTreeSet<_> = ring.devices.drain(..).chain([device.to_owned()]).collect();
        let mut links: BTreeSet<_> = ring.links.drain(..).chain(accounts.iter().map(|it| (it.clone(), device.to_owned()))).collect();
        for part in &parts {
            ring.accounts.extend(part.accounts.iter().cloned());
            devices.extend(part.devices.iter().cloned());
            links.extend(part.links.iter().cloned());
            ring.since = ring.since.min(part.since);
        }
        ring.accounts.sort();
        ring.devices = devices.into_iter().collect();
        ring.links = links.into_iter().collect();
        let mut store = self.0.borrow_mut();
        for account in &ring.accounts {
            store.put(format!("account/{account}"), Known::Root(AccountId(ring.ring_id.clone())));
        }
        for part in &parts {
            store.delete(&format!("component/{}", part.ring_id));
        }
        store.put(format!("component/{}", ring.ring_id), Known::Component(ring.clone()));
        Some((ring, parts))
    }
}

impl Processor<String, Edge, String, Found> for RingFinder {
    fn process(&mut self, record: &Record<String, Edge>, out: &mut Forward<'_, String, Found>) {
        let edge = &record.value;
        let Some(accounts) = self.meet(edge) else { return };
        let Some((ring, absorbed)) = self.unite(&accounts, &edge.device_id, record.timestamp_ms) else { return };
        if ring.accounts.len() < RING_ACCOUNTS_MIN {
            return;
        }
        let at = record.timestamp_ms;
        for part in absorbed.into_iter().filter(|part| part.accounts.len() >= RING_ACCOUNTS_MIN) {
            out.send(&Record { key: part.ring_id, value: Found::Ring(None), timestamp_ms: at });
        }
        let member = Member { ring_id: ring.ring_id.clone(), accounts: ring.accounts.len() as u32 };
        for account in &ring.accounts {
            out.send(&Record { key: account.to_string(), value: Found::Member(member.clone()), timestamp_ms: at });
        }
        out.send(&Record { key: ring.ring_id.clone(), value: Found::Ring(Some(ring)), timestamp_ms: at });
    }
}
