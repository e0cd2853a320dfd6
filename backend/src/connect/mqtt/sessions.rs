//! What an MQTT broker knows, and what it therefore sends: pure, so that it can be tested without a network.
//!
//! A publisher is answered once every session that gets the message has acknowledged it, those included that are away: what was
//! acknowledged is in the hands of its receivers, and a broker that dies has nothing that only it knew.

use std::collections::{BTreeMap, VecDeque};

use super::packet::{Message, Packet, Publish};

/// Messages that wait for a session at most; a publisher gets no answer to more.
const WAITING_MAX: usize = 20_000;
/// Sessions, filters of each, and retained messages at most.
const SESSIONS_MAX: usize = 10_000;
const FILTERS_MAX: usize = 64;
const RETAINED_MAX: usize = 10_000;

/// What to send to whom.
pub(super) type Sends = Vec<(String, Packet)>;

/// Who waits to hear that a message has arrived: a publisher, and its packet identifier.
type Asker = (String, u16);

/// A client as far as it outlives its connection.
#[derive(Debug, Default)]
struct Session {
    is_connected: bool,
    is_clean: bool,
    will: Option<Message>,
    filters: Vec<(String, u8)>,
    next_id: u16,
    /// Not acknowledged yet, oldest first; and who waits to hear so.
    waiting: VecDeque<(u16, Message, Option<Asker>)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: BTreeMap<String, Session>,
    retained: BTreeMap<String, Message>,
    /// Receivers that have not acknowledged a publisher's message yet.
    unanswered: BTreeMap<Asker, usize>,
}

impl Sessions {
    /// A client has come.
    pub(super) fn connect(&mut self, client: &str, is_clean: bool, will: Option<Message>) -> Sends {
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(client) {
            return vec![(client.to_owned(), Packet::ConnAck { is_present: false, code: 3 })];
        }
        if is_clean {
            self.forget(client);
        }
        let is_present = self.sessions.contains_key(client);
        let session = self.sessions.entry(client.to_owned()).or_default();
        (session.is_connected, session.is_clean, session.will) = (true, is_clean, will);
        let again = session.waiting.iter().map(|(id, message, _)| Publish { message: message.clone(), id: *id, is_dup: true });
        let again: Vec<_> = again.map(|publish| (client.to_owned(), Packet::Publish(publish))).collect();
        let mut sends = vec![(client.to_owned(), Packet::ConnAck { is_present, code: 0 })];
        sends.extend(again);
        sends
    }

    /// A client has gone, with a word or without; then its last will is published.
    pub(super) fn disconnect(&mut self, client: &str, has_said_so: bool) -> Sends {
        let Some(session) = self.sessions.get_mut(client) else { return Vec::new() };
        session.is_connected = false;
        let will = session.will.take().filter(|_| !has_said_so);
        if session.is_clean {
            self.forget(client);
        }
        will.map_or_else(Vec::new, |will| self.spread(&will, None, 1).0)
    }

    /// All connections have ended with the broker, which tells nobody's will.
    pub(super) fn suspend(&mut self) {
        self.sessions.retain(|_, session| !session.is_clean);
        for session in self.sessions.values_mut() {
            (session.is_connected, session.will) = (false, None);
        }
    }

    /// A packet of a client that is connected.
    pub(super) fn receive(&mut self, client: &str, packet: Packet) -> Sends {
        let answer = |packet| vec![(client.to_owned(), packet)];
        match packet {
            Packet::Publish(publish) => self.publish(client, publish),
            Packet::PubAck(id) => self.acknowledge(client, id),
            Packet::Subscribe(id, filters) => self.subscribe(client, id, filters),
            Packet::Unsubscribe(id, filters) => {
                if let Some(session) = self.sessions.get_mut(client) {
                    session.filters.retain(|(known, _)| !filters.contains(known));
                }
                answer(Packet::UnsubAck(id))
            }
            Packet::PingReq => answer(Packet::PingResp),
            _ => Vec::new(),
        }
    }

    fn publish(&mut self, client: &str, publish: Publish) -> Sends {
        let Publish { message, id, is_dup } = publish;
        if is_dup && self.unanswered.contains_key(&(client.to_owned(), id)) {
            return Vec::new(); // it is on its way, and so is the answer
        }
        if message.is_retained {
            if message.payload.is_empty() {
                self.retained.remove(&message.topic);
            } else if self.retained.len() < RETAINED_MAX || self.retained.contains_key(&message.topic) {
                self.retained.insert(message.topic.clone(), message.clone());
            }
        }
        let asker = (id > 0).then(|| (client.to_owned(), id));
        let (mut sends, waiting, is_full) = self.spread(&message, asker.clone(), u8::from(id > 0));
        if let Some(asker) = asker {
            if waiting > 0 {
                self.unanswered.insert(asker, waiting);
            } else if !is_full {
                sends.push((client.to_owned(), Packet::PubAck(id)));
            }
        }
        sends
    }

    /// Sends a message to all who want it: what to send, how many must acknowledge it, and whether somebody has too much waiting.
    fn spread(&mut self, message: &Message, asker: Option<Asker>, quality: u8) -> (Sends, usize, bool) {
        let (mut sends, mut waiting, mut is_full) = (Vec::new(), 0, false);
        // To those who are there already it is no retained message (3.3.1.3).
        let message = Message { is_retained: false, ..message.clone() };
        for (client, session) in &mut self.sessions {
            let wanted = session.filters.iter().filter(|(filter, _)| matches(filter, &message.topic)).map(|(_, quality)| *quality).max();
            let Some(wanted) = wanted else { continue };
            if wanted.min(quality) == 0 {
                if session.is_connected {
                    sends.push((client.clone(), Packet::Publish(Publish { message: message.clone(), id: 0, is_dup: false })));
                }
                continue;
            }
            if session.waiting.len() >= WAITING_MAX {
                is_full = true;
                continue;
            }
            let id = session.new_id();
            session.waiting.push_back((id, message.clone(), asker.clone()));
            waiting += 1;
            if session.is_connected {
                sends.push((client.clone(), Packet::Publish(Publish { message: message.clone(), id, is_dup: false })));
            }
        }
        (sends, waiting, is_full)
    }

    fn acknowledge(&mut self, client: &str, id: u16) -> Sends {
        let Some(session) = self.sessions.get_mut(client) else { return Vec::new() };
        let Some(at) = session.waiting.iter().position(|(known, ..)| *known == id) else { return Vec::new() };
        let asker = session.waiting.remove(at).and_then(|(.., asker)| asker);
        asker.map_or_else(Vec::new, |asker| self.answered(asker))
    }

    /// One receiver less to wait for.
    fn answered(&mut self, asker: Asker) -> Sends {
        let Some(left) = self.unanswered.get_mut(&asker) else { return Vec::new() };
        *left -= 1;
        if *left > 0 {
            return Vec::new();
        }
        self.unanswered.remove(&asker);
        let (publisher, id) = asker;
        let is_there = self.sessions.get(&publisher).is_some_and(|session| session.is_connected);
        if is_there { vec![(publisher, Packet::PubAck(id))] } else { Vec::new() }
    }

    fn subscribe(&mut self, client: &str, id: u16, filters: Vec<(String, u8)>) -> Sends {
        let Some(session) = self.sessions.get_mut(client) else { return Vec::new() };
        let mut codes = Vec::new();
        let mut retained = Vec::new();
        for (filter, quality) in filters {
            session.filters.retain(|(known, _)| *known != filter);
            if session.filters.len() >= FILTERS_MAX || filter.is_empty() {
                codes.push(0x80);
                continue;
            }
            let quality = quality.min(1);
            codes.push(quality);
            retained.extend(self.retained.values().filter(|message| matches(&filter, &message.topic)).map(|message| {
                let id = if quality == 0 { 0 } else { session.new_id() };
                if id > 0 {
                    session.waiting.push_back((id, message.clone(), None));
                }
                Packet::Publish(Publish { message: message.clone(), id, is_dup: false })
            }));
            session.filters.push((filter, quality));
        }
        let packets = [Packet::SubAck(id, codes)].into_iter().chain(retained);
        packets.map(|packet| (client.to_owned(), packet)).collect()
    }

    fn forget(&mut self, client: &str) {
        let waiting = self.sessions.remove(client).map(|session| session.waiting).unwrap_or_default();
        for asker in waiting.into_iter().filter_map(|(.., asker)| asker) {
            self.unanswered.remove(&asker);
        }
    }
}

impl Session {
    /// A packet identifier that is not in use.
    fn new_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            let id = self.next_id;
            // They are given in order, so that one in use is an old one.
            if self.waiting.front().is_none_or(|(oldest, ..)| *oldest != id)
                && !self.waiting.iter().take(64).any(|(known, ..)| *known == id)
            {
                return id;
            }
        }
    }
}

/// Whether a topic fits a filter (4.7): `+` is any level, `#` all that follow, neither those of `$`.
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str) -> Message {
        Message { topic: topic.to_owned(), payload: b"x".to_vec(), is_retained: false }
    }

    #[test]
    fn filters_fit_as_the_standard_has_it() {
        let cases = [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/load", false),
            ("+/b", "/b", true),
            ("a/b/c", "a/b", false),
        ];
        for (filter, topic, expected) in cases {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn a_publisher_is_answered_when_every_receiver_has_it_also_those_who_were_away() {
        let mut sessions = Sessions::default();
        sessions.connect("bridge", false, None);
        sessions.receive("bridge", Packet::Subscribe(1, vec![("devices/#".to_owned(), 1)]));
        assert!(sessions.disconnect("bridge", false).is_empty());
        sessions.connect("device", true, None);
        let publish = |id| Packet::Publish(Publish { message: message("devices/1/data"), id, is_dup: false });
        assert_eq!(sessions.receive("device", publish(7)), Vec::new(), "nobody has it yet");
        let dup = Packet::Publish(Publish { message: message("devices/1/data"), id: 7, is_dup: true });
        assert_eq!(sessions.receive("device", dup), Vec::new(), "it waits already");
        let back = sessions.connect("bridge", false, None);
        let again = Publish { message: message("devices/1/data"), id: 1, is_dup: true };
        let welcome = Packet::ConnAck { is_present: true, code: 0 };
        assert_eq!(back, [("bridge".to_owned(), welcome), ("bridge".to_owned(), Packet::Publish(again))]);
        assert_eq!(sessions.receive("bridge", Packet::PubAck(1)), [("device".to_owned(), Packet::PubAck(7))]);
        assert_eq!(sessions.receive("bridge", Packet::PubAck(1)), Vec::new(), "once");
        sessions.receive("bridge", Packet::Unsubscribe(2, vec!["devices/#".to_owned()]));
        assert_eq!(sessions.receive("device", publish(8)), [("device".to_owned(), Packet::PubAck(8))], "nobody wants it");
    }

    #[test]
    fn a_last_will_is_published_for_those_who_go_without_a_word() {
        for (has_said_so, expected) in [(true, 0), (false, 1)] {
            let mut sessions = Sessions::default();
            sessions.connect("bridge", false, None);
            sessions.receive("bridge", Packet::Subscribe(1, vec![("+/status".to_owned(), 0)]));
            sessions.connect("device", true, Some(message("device/status")));
            assert_eq!(sessions.disconnect("device", has_said_so).len(), expected);
        }
    }

    #[test]
    fn newcomers_get_what_is_retained() {
        let mut sessions = Sessions::default();
        sessions.connect("device", true, None);
        let retained = Message { is_retained: true, ..message("a/b") };
        sessions.receive("device", Packet::Publish(Publish { message: retained.clone(), id: 0, is_dup: false }));
        let got = sessions.receive("device", Packet::Subscribe(3, vec![("a/+".to_owned(), 0)]));
        assert_eq!(got.len(), 2);
        let nothing = Message { payload: Vec::new(), ..retained };
        sessions.receive("device", Packet::Publish(Publish { message: nothing, id: 0, is_dup: false }));
        assert_eq!(sessions.receive("device", Packet::Subscribe(4, vec![("a/b".to_owned(), 0)])).len(), 1);
    }
}
