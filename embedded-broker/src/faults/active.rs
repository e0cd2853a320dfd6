//! The faults that are set, and what of them a request meets.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::spec::{FaultKind, FaultSpec};
use super::{ActiveFault, FaultId, MAX_FAULTS, TooManyFaults};
use crate::clock::Clock;
use crate::codec::ResponseError;
use crate::sync::lock;
use crate::view::{EventKind, EventLog};

/// All faults of a broker.
#[derive(Debug)]
pub(crate) struct Faults {
    clock: Arc<dyn Clock>,
    events: Arc<EventLog>,
    /// There is at least one.
    armed: AtomicBool,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next_id: u64,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    id: FaultId,
    spec: FaultSpec,
    hits: u64,
    /// By the clock that never jumps.
    until_ms: Option<i64>,
    random: u64,
}

/// A request, as far as faults ask about it. Topics are asked for only if a fault has one.
pub(crate) struct Asked<'a> {
    pub(crate) api: &'static str,
    pub(crate) client_id: &'a str,
    pub(crate) names_topic: &'a mut dyn FnMut(&str) -> bool,
    /// It is for a coordinator: it names a group or a transaction.
    pub(crate) is_coordinated: bool,
    pub(crate) finds_coordinator: bool,
}

/// What a request meets.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) delay: Duration,
    pub(crate) closes: bool,
    pub(crate) error: Option<Injected>,
    /// Done, but not told: `Some(true)` keeps the connection open.
    pub(crate) drops_reply: Option<bool>,
}

/// An error to answer.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    pub(crate) id: FaultId,
    pub(crate) code: i16,
    pub(crate) after_work: bool,
    /// Only where this topic stands.
    pub(crate) topic: Option<String>,
}

/// What a file is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskWork {
    Write,
    Sync,
}

impl Faults {
    pub(crate) fn new(clock: Arc<dyn Clock>, events: Arc<EventLog>) -> Self {
        Self { clock, events, armed: AtomicBool::new(false), list: Mutex::default() }
    }

    /// Whether any fault is set. All that a request pays for when none is.
    pub(crate) fn is_armed(&self) -> bool {
        self.armed.load(Relaxed)
    }

    pub(super) fn set(&self, spec: FaultSpec) -> Result<FaultId, TooManyFaults> {
        let mut list = lock(&self.list);
        self.expire(&mut list);
        if list.faults.len() >= MAX_FAULTS {
            return Err(TooManyFaults);
        }
        let id = FaultId(list.next_id);
        list.next_id += 1;
        let until_ms = spec.lasts.map(|lasts| {
            let lasts_ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
            self.clock.monotonic_ms().saturating_add(lasts_ms)
        });
        self.tell(&spec, "set");
        let random = spec.seed;
        list.faults.push(Fault { id, spec, hits: 0, until_ms, random });
        self.armed.store(true, Relaxed);
        Ok(id)
    }

    pub(super) fn clear(&self, id: FaultId) -> bool {
        self.remove(&mut lock(&self.list), "cleared", |fault| fault.id == id) > 0
    }

    pub(super) fn clear_all(&self) -> usize {
        self.remove(&mut lock(&self.list), "cleared", |_| true)
    }

    pub(super) fn active(&self) -> Vec<ActiveFault> {
        let mut list = lock(&self.list);
        self.expire(&mut list);
        let now_ms = self.clock.monotonic_ms();
        let view = |fault: &Fault| ActiveFault {
            id: fault.id,
            spec: fault.spec.clone(),
            hits: fault.hits,
            remaining: fault.until_ms.map(|until_ms| Duration::from_millis(u64::try_from(until_ms - now_ms).unwrap_or(0))),
        };
        list.faults.iter().map(view).collect()
    }

    /// A fault that closes connections has closed those that were open. That was all, unless it is to last.
    pub(super) fn closed(&self, id: FaultId, connections: u64) {
        let mut list = lock(&self.list);
        for fault in list.faults.iter_mut().filter(|fault| fault.id == id) {
            fault.hits += connections;
        }
        let is_done = |fault: &Fault| fault.id == id && (fault.spec.count, fault.spec.lasts) == (None, None);
        self.remove(&mut list, "used up", is_done);
        self.retire(&mut list);
    }

    /// What this request meets now. Counts it.
    pub(crate) fn meet(&self, asked: &mut Asked<'_>) -> Effects {
        let mut effects = Effects::default();
        let mut list = lock(&self.list);
        self.expire(&mut list);
        for fault in &mut list.faults {
            if fault.applies(asked) && fault.draws() && effects.add(fault) {
                fault.hits += 1;
            }
        }
        self.retire(&mut list);
        effects
    }

    /// The error found no place in the answer: it was not met.
    pub(crate) fn missed(&self, id: FaultId) {
        for fault in lock(&self.list).faults.iter_mut().filter(|fault| fault.id == id) {
            fault.hits = fault.hits.saturating_sub(1);
        }
    }

    /// Whether this work on a file fails now. Counts it.
    pub(super) fn fails(&self, work: DiskWork, topic: Option<&str>) -> bool {
        if !self.is_armed() {
            return false;
        }
        let wanted = match work {
            DiskWork::Write => FaultKind::DiskFull,
            DiskWork::Sync => FaultKind::FailFsync,
        };
        let mut list = lock(&self.list);
        self.expire(&mut list);
        let is_meant = |fault: &Fault| fault.spec.kind == wanted && fault.spec.scope.topic.as_deref().is_none_or(|of| topic == Some(of));
        let met = list.faults.iter_mut().find_map(|fault| (is_meant(fault) && fault.draws()).then(|| fault.hits += 1));
        self.retire(&mut list);
        met.is_some()
    }

    fn expire(&self, list: &mut List) {
        let now_ms = self.clock.monotonic_ms();
        self.remove(list, "over", |fault| fault.until_ms.is_some_and(|until_ms| until_ms <= now_ms));
    }

    fn retire(&self, list: &mut List) {
        self.remove(list, "used up", |fault| fault.spec.count.is_some_and(|count| fault.hits >= count));
    }

    fn remove(&self, list: &mut List, change: &'static str, is_meant: impl Fn(&Fault) -> bool) -> usize {
        let removed: Vec<Fault> = list.faults.extract_if(.., |fault| is_meant(fault)).collect();
        for fault in &removed {
            self.tell(&fault.spec, change);
        }
        self.armed.store(!list.faults.is_empty(), Relaxed);
        removed.len()
    }

    fn tell(&self, spec: &FaultSpec, change: &'static str) {
        let fault = spec.to_string();
        tracing::info!(fault, change, "fault switch");
        self.events.record(EventKind::FaultChanged { fault, change });
    }
}

impl Fault {
    fn applies(&self, asked: &mut Asked<'_>) -> bool {
        let FaultSpec { kind, scope, .. } = &self.spec;
        let is_of_kind = match kind {
            FaultKind::MoveCoordinator => asked.is_coordinated || asked.finds_coordinator,
            FaultKind::LoadCoordinator => asked.is_coordinated,
            kind => !kind.is_of_disk(),
        };
        is_of_kind
            && scope.api.is_none_or(|api| api == asked.api)
            && scope.includes_client(asked.client_id)
            && scope.topic.as_ref().is_none_or(|topic| (asked.names_topic)(topic))
    }

    fn draws(&mut self) -> bool {
        let probability = self.spec.probability;
        probability >= 1.0 || (self.next_random() as f64) < probability * u64::MAX as f64
    }

    /// SplitMix64: the same seed, the same faults.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Effects {
    /// False: an earlier fault has decided already.
    fn add(&mut self, fault: &mut Fault) -> bool {
        let topic = fault.spec.scope.topic.clone();
        let id = fault.id;
        let error = |code, after_work| Some(Injected { id, code, after_work, topic });
        match fault.spec.kind {
            FaultKind::Delay { from, to } => {
                let spread_ms = u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX).saturating_add(1);
                self.delay += from + Duration::from_millis(fault.next_random() % spread_ms);
            }
            FaultKind::DropReply { swallow } if self.drops_reply.is_none() => self.drops_reply = Some(swallow),
            FaultKind::Close if !self.closes => self.closes = true,
            FaultKind::Error { code, after_work } if self.error.is_none() => self.error = error(code, after_work),
            // FindCoordinator asks for no group here: its answer says what it looks like from outside.
            FaultKind::MoveCoordinator if self.error.is_none() => {
                self.error = error(ResponseError::NotCoordinator.code(), false);
            }
            FaultKind::LoadCoordinator if self.error.is_none() => {
                self.error = error(ResponseError::CoordinatorLoadInProgress.code(), false);
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn faults(clock: &Arc<ManualClock>) -> Faults {
        Faults::new(clock.clone(), Arc::new(EventLog::new(clock.clone(), 100)))
    }

    fn meet(faults: &Faults, api: &'static str, client_id: &str, topic: &str) -> Effects {
        let names_topic = &mut |wanted: &str| wanted == topic;
        faults.meet(&mut Asked { api, client_id, names_topic, is_coordinated: false, finds_coordinator: false })
    }

    #[test]
    fn a_fault_is_met_where_it_is_meant_and_as_often() {
        let clock = Arc::new(ManualClock::new(0));
        let check = |spec: &str, api, client_id, topic, expect: u64| {
            let faults = faults(&clock);
            faults.set(spec.parse().unwrap()).unwrap();
            let met = (0..10).filter(|_| meet(&faults, api, client_id, topic).closes).count();
            assert_eq!(met as u64, expect, "{spec}");
            assert_eq!(faults.is_armed(), expect != 3, "{spec}");
        };
        check("close:api=Fetch", "Fetch", "c", "t", 10);
        check("close:api=Fetch", "Produce", "c", "t", 0);
        check("close:count=3,topic=t", "Fetch", "c", "t", 3);
        check("close:count=3,topic=t", "Fetch", "c", "u", 0);
        check("close:client=app-*", "Fetch", "app-1", "t", 10);
        check("close:client=app-*", "Fetch", "ap", "t", 0);
        check("close:client=app", "Fetch", "app-1", "t", 0);
        check("close:p=0", "Fetch", "c", "t", 0);
        check("disk-full", "Fetch", "c", "t", 0);
        check("move-coordinator", "Fetch", "c", "t", 0);
    }

    #[test]
    fn a_fault_lasts_as_long_as_said() {
        let clock = Arc::new(ManualClock::new(0));
        let faults = faults(&clock);
        let id = faults.set("close:for=5s".parse().unwrap()).unwrap();
        clock.advance(Duration::from_millis(4_999));
        assert!(meet(&faults, "Fetch", "c", "t").closes);
        assert_eq!(faults.active()[0].remaining, Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert!(!meet(&faults, "Fetch", "c", "t").closes && !faults.is_armed() && !faults.clear(id));
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let clock = Arc::new(ManualClock::new(0));
        let draws = |spec: &str| {
            let faults = faults(&clock);
            faults.set(spec.parse().unwrap()).unwrap();
            (0..200).map(|_| meet(&faults, "Fetch", "c", "t").delay).collect::<Vec<_>>()
        };
        let once = draws("delay:ms=5-9,p=0.5,seed=1");
        assert_eq!(once, draws("delay:ms=5-9,p=0.5,seed=1"));
        assert_ne!(once, draws("delay:ms=5-9,p=0.5,seed=2"));
        let held: Vec<u128> = once.iter().map(Duration::as_millis).filter(|ms| *ms > 0).collect();
        assert!((60..140).contains(&held.len()) && (5..=9).all(|ms| held.contains(&ms)) && held.iter().all(|ms| (5..=9).contains(ms)));
    }

    #[test]
    fn there_is_a_limit() {
        let clock = Arc::new(ManualClock::new(0));
        let faults = faults(&clock);
        for _ in 0..MAX_FAULTS {
            faults.set("close:count=1".parse().unwrap()).unwrap();
        }
        assert_eq!(faults.set("close".parse().unwrap()), Err(TooManyFaults));
        assert_eq!((faults.clear_all(), faults.is_armed()), (MAX_FAULTS, false));
    }
}
