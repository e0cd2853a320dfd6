//! Rings: accounts that belong together because they share devices, and those that hide behind their address. Union-find over edges that
//! are told once each.
//!
//! A shared device joins accounts. An address alone does not: households share one, and carriers send a whole town out by one. It joins the
//! others on it to accounts that share devices, where those are several and most of whom it serves.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    account::Edge,
    ids::{AccountId, DeviceId, RingId},
    records::Ring,
};
use crate::stream::{Forward, Processor, Record, Store, StoreHandle};

/// Accounts that share devices make a ring from so many on: households are smaller.
pub const RING_ACCOUNTS_MIN: usize = 4;
/// Above so many accounts a device is a shop's or a library's, and an address a carrier's: both say nothing.
const SHARED_ACCOUNTS_MAX: usize = 30;
/// So many accounts that share devices on one address draw in the others: more than couples that share a phone.
const CORE_MIN: usize = 3;
/// Accounts listed of a ring; a larger one grows no further.
const RING_ACCOUNTS_MAX: usize = 200;

/// What is known of a device or of an account: a node of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// The accounts a device was used by.
    Device(Vec<AccountId>),
    /// The accounts an address was used by.
    Address(Vec<AccountId>),
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
    pub ring_id: RingId,
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

    /// The accounts of the edge's device with this one; `None` when nothing new can follow.
    fn meet(&self, edge: &Edge) -> Option<Vec<AccountId>> {
        let key = format!("device/{}", edge.device_id);
        let mut store = self.0.borrow_mut();
        let mut accounts = match store.get(&key).as_deref() {
            Some(Known::Device(accounts)) => accounts.clone(),
            _ => Vec::new(),
        };
        if edge.device_id.is_empty() || accounts.contains(&edge.account_id) || accounts.len() >= SHARED_ACCOUNTS_MAX {
            return None;
        }
        accounts.push(edge.account_id.clone());
        store.put(key, Known::Device(accounts.clone()));
        (accounts.len() > 1).then_some(accounts)
    }

    /// The accounts on the edge's address; `None` where they are too few or too many to say anything.
    fn behind(&self, edge: &Edge) -> Option<Vec<AccountId>> {
        let key = format!("address/{}", edge.ip);
        let mut store = self.0.borrow_mut();
        let mut accounts = match store.get(&key).as_deref() {
            Some(Known::Address(accounts)) => accounts.clone(),
            _ => Vec::new(),
        };
        if edge.ip.is_empty() || accounts.len() >= SHARED_ACCOUNTS_MAX {
            return None;
        }
        if !accounts.contains(&edge.account_id) {
            accounts.push(edge.account_id.clone());
            store.put(key, Known::Address(accounts.clone()));
        }
        (accounts.len() >= CORE_MIN).then_some(accounts)
    }

    /// Whether most accounts on an address share devices with each other.
    fn is_hideout(&self, accounts: &[AccountId], since: i64) -> bool {
        let mut cores = BTreeMap::<RingId, usize>::new();
        for account in accounts {
            let part = self.component(account, since);
            let is_device = |with: &str| part.devices.iter().any(|device| device.as_str() == with);
            let shares = part.links.iter().any(|(of, with)| of == account && is_device(with));
            *cores.entry(part.ring_id).or_default() += usize::from(shares);
        }
        cores.values().any(|sharing| *sharing >= CORE_MIN && sharing * 2 > accounts.len())
    }

    fn component(&self, account: &AccountId, since: i64) -> Ring {
        let store = self.0.borrow();
        let known = store.get(&format!("account/{account}"));
        let root = if let Some(Known::Root(root)) = known.as_deref() { root } else { account };
        match store.get(&format!("component/{root}")).as_deref() {
            Some(Known::Component(ring)) => ring.clone(),
            _ => Ring { ring_id: RingId(account.0.clone()), accounts: vec![account.clone()], since, ..Ring::default() },
        }
    }

    /// Makes one component of all the accounts, which share this; gives it with those that it took in.
    fn unite(&self, accounts: &[AccountId], shared: Shared<'_>, since: i64) -> Option<(Ring, Vec<Ring>)> {
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
        let with = match shared {
            Shared::Device(device) => device.as_str(),
            Shared::Address(address) => address,
        };
        let mut devices: BTreeSet<_> = ring.devices.drain(..).collect();
        let mut addresses: BTreeSet<_> = ring.addresses.drain(..).collect();
        let mut links: BTreeSet<_> = ring.links.drain(..).chain(accounts.iter().map(|it| (it.clone(), with.to_owned()))).collect();
        match shared {
            Shared::Device(device) => devices.insert(device.clone()),
            Shared::Address(address) => addresses.insert(address.to_owned()),
        };
        for part in &parts {
            ring.accounts.extend(part.accounts.iter().cloned());
            devices.extend(part.devices.iter().cloned());
            addresses.extend(part.addresses.iter().cloned());
            links.extend(part.links.iter().cloned());
            ring.since = ring.since.min(part.since);
        }
        ring.accounts.sort();
        ring.devices = devices.into_iter().collect();
        ring.addresses = addresses.into_iter().collect();
        ring.links = links.into_iter().collect();
        let mut store = self.0.borrow_mut();
        for account in &ring.accounts {
            store.put(format!("account/{account}"), Known::Root(AccountId(ring.ring_id.0.clone())));
        }
        for part in &parts {
            store.delete(&format!("component/{}", part.ring_id));
        }
        store.put(format!("component/{}", ring.ring_id), Known::Component(ring.clone()));
        Some((ring, parts))
    }
}

/// What joins accounts.
#[derive(Clone, Copy)]
enum Shared<'a> {
    Device(&'a DeviceId),
    Address(&'a str),
}

impl Processor<String, Edge, String, Found> for RingFinder {
    fn process(&mut self, record: &Record<String, Edge>, out: &mut Forward<'_, String, Found>) {
        let (edge, at) = (&record.value, record.timestamp_ms);
        let by_device = self.meet(edge).and_then(|accounts| self.unite(&accounts, Shared::Device(&edge.device_id), at));
        let behind = self.behind(edge).filter(|accounts| self.is_hideout(accounts, at));
        let by_address = behind.and_then(|accounts| self.unite(&accounts, Shared::Address(&edge.ip), at));
        let absorbed: Vec<_> = [&by_device, &by_address].into_iter().flatten().flat_map(|(_, absorbed)| absorbed.clone()).collect();
        let Some((ring, _)) = by_address.or(by_device) else { return };
        if ring.accounts.len() < RING_ACCOUNTS_MIN {
            return;
        }
        for part in absorbed.into_iter().filter(|part| part.accounts.len() >= RING_ACCOUNTS_MIN) {
            out.send(&Record { key: part.ring_id.0, value: Found::Ring(None), timestamp_ms: at });
        }
        let member = Member { ring_id: ring.ring_id.clone(), accounts: ring.accounts.len() as u32 };
        for account in &ring.accounts {
            out.send(&Record { key: account.to_string(), value: Found::Member(member.clone()), timestamp_ms: at });
        }
        out.send(&Record { key: ring.ring_id.0.clone(), value: Found::Ring(Some(ring)), timestamp_ms: at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Stream, Topology, TopologyTestDriver};

    /// The largest ring that these edges make, by account, device and address.
    fn ring(edges: &[(&str, &str, &str)]) -> Option<Ring> {
        let topology = Topology::new("rings-test", |builder| {
            let edges: Stream<String, Edge> = builder.stream("edges");
            edges.process(RingFinder::STORE, RingFinder::store(), None, RingFinder::new).to("found");
        });
        let mut driver = TopologyTestDriver::new(&topology.unwrap());
        for (account, device, ip) in edges {
            let edge = Edge { account_id: (*account).into(), device_id: (*device).into(), ip: (*ip).into() };
            driver.pipe("edges", "edges".to_owned(), edge, 0).unwrap();
        }
        let found = driver.read_all::<String, Found>("found").unwrap().into_iter().filter_map(|record| record.value);
        let rings = found.filter_map(|found| if let Found::Ring(ring) = found { ring } else { None });
        rings.max_by_key(|ring| ring.accounts.len())
    }

    #[test]
    fn an_address_joins_others_only_to_those_who_share_devices() {
        let check = |edges: &[(&str, &str, &str)], expect: &[&str]| {
            let accounts: Vec<_> = ring(edges).into_iter().flat_map(|ring| ring.accounts).map(|account| account.0).collect();
            assert_eq!(accounts, expect, "{edges:?}");
        };
        let gang = [("m1", "d", "g"), ("m2", "own", "g"), ("m3", "d", "g"), ("m4", "d", "g")];
        check(&gang, &["m1", "m2", "m3", "m4"]);
        let far = [gang[0], gang[2], gang[3], ("c1", "own", "home"), ("c2", "own2", "home")];
        check(&far, &[]);
        // A household of five, of whom two share a phone.
        check(&[("a", "p", "h"), ("b", "p", "h"), ("c", "q", "h"), ("d", "r", "h"), ("e", "s", "h")], &[]);
        // Three who share a phone, among many on a carrier's address.
        let town: Vec<_> = ["a", "b", "c", "e", "f", "g", "h", "i"].into_iter().map(|name| (name, name, "carrier")).collect();
        check(&[&town[..], &[("m1", "d", "carrier"), ("m3", "d", "carrier"), ("m4", "d", "carrier")]].concat(), &[]);
        // Known of no address, as in most files.
        check(&[("a", "d", ""), ("b", "d", ""), ("c", "d", ""), ("e", "d", "")], &["a", "b", "c", "e"]);
    }
}
