//! Sessions, subscriptions and retained messages; who gets what.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, mpsc::Sender};

use super::{BrokerOptions, Counts};
use crate::connect::mqtt::{
    filter::{is_wild, matches},
    packet::{Connect, Publish},
};

/// Sessions, of those who are gone too.
const SESSIONS_MAX: usize = 10_000;
/// Topics with a retained message.
const RETAINED_MAX: usize = 20_000;
/// Filters of one session.
const FILTERS_MAX: usize = 64;
/// Messages on their way to one client, not acknowledged yet.
const IN_FLIGHT_MAX: usize = 1_024;

/// All that connections share.
#[derive(Debug)]
pub(super) struct Hub {
    options: BrokerOptions,
    pub(super) counts: Arc<Counts>,
    state: Mutex<State>,
    /// Told when a full queue has room again.
    pub(super) room: Notify,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<Arc<str>, Session>,
    /// Sessions by a filter without wildcards: with many devices, each with a topic of its own, nearly all are.
    exact: HashMap<String, BTreeSet<Arc<str>>>,
    wild: BTreeSet<(String, Arc<str>)>,
    retained: BTreeMap<Arc<str>, Publish>,
    next_generation: u64,
}

#[derive(Debug)]
struct Session {
    /// Which connection it belongs to; another takes it over under another number.
    generation: u64,
    is_connected: bool,
    is_clean: bool,
    filters: BTreeMap<String, u8>,
    queue: VecDeque<Queued>,
    in_flight: VecDeque<(u16, Queued)>,
    next_id: u16,
    will: Option<Publish>,
    wake: Arc<Notify>,
}

#[derive(Clone, Debug)]
struct Queued {
    publish: Publish,
    receipt: Option<Arc<Receipt>>,
}

/// Acknowledges to the sender once the last who holds it let go, unless it was lost on the way.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) id: u16,
    pub(super) sender: Sender<u16>,
    pub(super) is_lost: AtomicBool,
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.is_lost.load(Ordering::Acquire) {
            // The sender may be gone; then it will send again.
            let _ = self.sender.try_send(self.id);
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routed {
    Done,
    /// A queue is full, and the message must not be dropped: try again.
    Full,
    /// Nobody takes it who must.
    Nobody,
}

/// A connection's hold on its session.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) client: Arc<str>,
    generation: u64,
    pub(super) wake: Arc<Notify>,
    pub(super) session_present: bool,
}

impl Hub {
    pub(super) fn new(options: BrokerOptions, counts: Arc<Counts>) -> Self {
        Self { options, counts, state: Mutex::default(), room: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message on that topic is acknowledged only after its subscribers did.
    pub(super) fn is_through(&self, topic: &str) -> bool {
        self.options.through.iter().any(|filter| matches(filter, topic))
    }

    /// Begins or goes on with a session; `None` when there are too many.
    pub(super) fn connect(&self, connect: &Connect) -> Option<Hold> {
        let mut state = self.state();
        state.next_generation += 1;
        let generation = state.next_generation;
        let client: Arc<str> =
            if connect.client_id.is_empty() { format!("anonymous-{generation}").into() } else { connect.client_id.as_str().into() };
        // Whoever had the session is sent away, and its will is told before anything of the new connection is.
        if let Some(session) = state.sessions.get_mut(&client) {
            session.wake.notify_one();
            if let Some(will) = session.will.take() {
                self.tell_will(&mut state, will);
            }
        }
        if connect.clean_session || state.sessions.get(&client).is_some_and(|session| session.is_clean) {
            state.forget(&client);
        }
        let session_present = state.sessions.contains_key(&client);
        if !session_present && state.sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let session = state.sessions.entry(Arc::clone(&client)).or_insert_with(Session::new);
        session.generation = generation;
        session.is_connected = true;
        session.is_clean = connect.clean_session;
        session.will = connect.will.clone();
        session.wake = Arc::new(Notify::new());
        // What was on its way goes first, and says that it may have come before.
        while let Some((_, mut queued)) = session.in_flight.pop_back() {
            queued.publish.dup = true;
            session.queue.push_front(queued);
        }
        session.wake.notify_one();
        Some(Hold { client, generation, wake: Arc::clone(&session.wake), session_present })
    }

    /// The connection is gone; with its will when it did not say goodbye.
    pub(super) fn disconnect(&self, hold: &Hold, said_goodbye: bool) {
        let mut state = self.state();
        let Some(session) = state.held(hold) else { return };
        session.is_connected = false;
        let (is_clean, will) = (session.is_clean, session.will.take().filter(|_| !said_goodbye));
        if is_clean {
            state.forget(&hold.client);
        }
        if let Some(will) = will {
            self.tell_will(&mut state, will);
        }
        self.room.notify_waiters();
    }

    fn tell_will(&self, state: &mut State, will: Publish) {
        self.counts.wills.fetch_add(1, Ordering::AcqRel);
        self.keep_retained(state, &will);
        self.deliver(state, &will, None);
    }

    /// Gives a message to all who want it.
    pub(super) fn publish(&self, publish: &Publish, receipt: Option<&Arc<Receipt>>) -> Routed {
        let mut state = self.state();
        if let Some(receipt) = receipt {
            let (wanting, queue_max) = (state.wanting(&publish.topic), self.options.queue_max);
            let outcome = if wanting.iter().all(|(_, qos)| *qos == 0) {
                Routed::Nobody
            } else if wanting.iter().any(|(client, _)| state.sessions.get(client).is_some_and(|session| session.queue.len() >= queue_max)) {
                Routed::Full
            } else {
                Routed::Done
            };
            if outcome != Routed::Done {
                receipt.is_lost.store(true, Ordering::Release);
                return outcome;
            }
        }
        self.counts.published.fetch_add(1, Ordering::AcqRel);
        self.keep_retained(&mut state, publish);
        self.deliver(&mut state, publish, receipt);
        Routed::Done
    }

    fn keep_retained(&self, state: &mut State, publish: &Publish) {
        if !publish.retain {
            return;
        }
        if publish.payload.is_empty() {
            state.retained.remove(&publish.topic);
        } else if state.retained.len() < RETAINED_MAX || state.retained.contains_key(&publish.topic) {
            state.retained.insert(Arc::clone(&publish.topic), Publish { dup: false, ..publish.clone() });
        } else {
            self.counts.dropped.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn deliver(&self, state: &mut State, publish: &Publish, receipt: Option<&Arc<Receipt>>) {
        for (client, qos) in state.wanting(&publish.topic) {
            let Some(session) = state.sessions.get_mut(&client) else { continue };
            let id = publish.id.filter(|_| qos > 0);
            // QoS 0 is for those who are there.
            if id.is_none() && !session.is_connected {
                continue;
            }
            let publish = Publish { id, retain: false, dup: false, ..publish.clone() };
            self.queue(session, Queued { publish, receipt: receipt.filter(|_| id.is_some()).cloned() });
        }
    }

    fn queue(&self, session: &mut Session, queued: Queued) {
        if session.queue.len() >= self.options.queue_max {
            // The oldest goes; its sender is not told that it arrived.
            if let Some(oldest) = session.queue.pop_front() {
                oldest.receipt.iter().for_each(|receipt| receipt.is_lost.store(true, Ordering::Release));
            }
            self.counts.dropped.fetch_add(1, Ordering::AcqRel);
        }
        session.queue.push_back(queued);
        session.wake.notify_one();
    }

    /// Adds filters, gives the QoS of each (0x80 for one too many), and queues what is retained for them.
    pub(super) fn subscribe(&self, hold: &Hold, filters: Vec<(String, u8)>) -> Vec<u8> {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut codes = Vec::new();
        for (filter, qos) in filters {
            let Some(session) = state.sessions.get_mut(&hold.client).filter(|session| session.generation == hold.generation) else { break };
            if session.filters.len() >= FILTERS_MAX && !session.filters.contains_key(&filter) {
                codes.push(0x80);
                continue;
            }
            let qos = qos.min(1);
            codes.push(qos);
            session.filters.insert(filter.clone(), qos);
            for retained in state.retained.values().filter(|retained| matches(&filter, &retained.topic)) {
                let id = retained.id.filter(|_| qos > 0);
                self.queue(session, Queued { publish: Publish { id, ..retained.clone() }, receipt: None });
            }
            if is_wild(&filter) {
                state.wild.insert((filter, Arc::clone(&hold.client)));
            } else {
                state.exact.entry(filter).or_default().insert(Arc::clone(&hold.client));
            }
        }
        codes
    }

    pub(super) fn unsubscribe(&self, hold: &Hold, filters: &[String]) {
        let mut state = self.state();
        for filter in filters {
            if state.held(hold).is_some_and(|session| session.filters.remove(filter).is_some()) {
                state.forget_filter(filter, &hold.client);
            }
        }
    }

    /// What is next for a client; `Err` when another connection took its session over.
    pub(super) fn next(&self, hold: &Hold) -> Result<Option<Publish>, ()> {
        let mut state = self.state();
        let session = state.held(hold).ok_or(())?;
        if session.in_flight.len() >= IN_FLIGHT_MAX {
            return Ok(None);
        }
        let Some(mut queued) = session.queue.pop_front() else { return Ok(None) };
        if queued.publish.id.is_some() {
            let id = session.free_id();
            queued.publish.id = Some(id);
            session.in_flight.push_back((id, queued.clone()));
        }
        // One waits no longer; it wakes the next by making room in turn.
        self.room.notify_one();
        Ok(Some(queued.publish))
    }

    pub(super) fn acknowledge(&self, hold: &Hold, id: u16) {
        let mut state = self.state();
        let Some(session) = state.held(hold) else { return };
        if let Some(at) = session.in_flight.iter().position(|(known, _)| *known == id) {
            session.in_flight.remove(at);
            session.wake.notify_one();
        }
    }
}

impl State {
    fn held(&mut self, hold: &Hold) -> Option<&mut Session> {
        self.sessions.get_mut(&hold.client).filter(|session| session.generation == hold.generation)
    }

    /// Each session that wants a topic, once, with the best QoS of its filters.
    fn wanting(&self, topic: &str) -> Vec<(Arc<str>, u8)> {
        let mut wanting: BTreeMap<Arc<str>, u8> = BTreeMap::new();
        let wild = self.wild.iter().filter(|(filter, _)| matches(filter, topic)).map(|(filter, client)| (filter.as_str(), client));
        let exact = self.exact.get(topic).into_iter().flatten().map(|client| (topic, client));
        for (filter, client) in wild.chain(exact) {
            let qos = self.sessions.get(client).and_then(|session| session.filters.get(filter)).copied().unwrap_or(0);
            let best = wanting.entry(Arc::clone(client)).or_default();
            *best = qos.max(*best);
        }
        wanting.into_iter().collect()
    }

    fn forget(&mut self, client: &Arc<str>) {
        let Some(session) = self.sessions.remove(client) else { return };
        for queued in session.queue.iter().chain(session.in_flight.iter().map(|(_, queued)| queued)) {
            queued.receipt.iter().for_each(|receipt| receipt.is_lost.store(true, Ordering::Release));
        }
        session.filters.keys().for_each(|filter| self.forget_filter(filter, client));
    }

    fn forget_filter(&mut self, filter: &str, client: &Arc<str>) {
        if is_wild(filter) {
            self.wild.remove(&(filter.to_owned(), Arc::clone(client)));
        } else if let Some(clients) = self.exact.get_mut(filter) {
            clients.remove(client);
            if clients.is_empty() {
                self.exact.remove(filter);
            }
        }
    }
}

impl Session {
    fn new() -> Self {
        Self {
            generation: 0,
            is_connected: false,
            is_clean: true,
            filters: BTreeMap::new(),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            next_id: 0,
            will: None,
            wake: Arc::new(Notify::new()),
        }
    }

    /// Fewer are in use than there are, so that one is always found.
    fn free_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            if !self.in_flight.iter().any(|(id, _)| *id == self.next_id) {
                return self.next_id;
            }
        }
    }
}
