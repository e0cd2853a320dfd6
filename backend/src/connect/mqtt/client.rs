//! A client: a device, or the bridge. It keeps what is not acknowledged and sends it again when it is back, or after a while.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    runtime::Handle,
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};

use super::{
    broker::next,
    packet::{Message, Packet, Publish},
};

/// Orders a client has not taken yet at most; who gives more waits.
const ORDERS_MAX: usize = 4_096;
/// Messages that were not sent yet at most; then orders wait.
const QUEUE_MAX: usize = 50_000;
/// How long a broker may take to welcome.
const WELCOME_MAX: Duration = Duration::from_secs(5);

/// Who a client is.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The broker, as `host:port`.
    pub address: String,
    /// Its name, unique at the broker.
    pub client_id: String,
    /// What others hear when it goes without a word.
    pub will: Option<Message>,
    /// The topics it wants.
    pub filters: Vec<String>,
    /// It is heard of at least this often.
    pub keep_alive_s: u16,
    /// The time between two attempts to connect.
    pub retry: Duration,
    /// Messages on their way at once.
    pub window: usize,
    /// A message is sent again after so long without an answer: who publishes may, and answers get lost (MQTT 3.1.1, 4.4).
    pub resend: Duration,
    /// It acknowledges what it gets when it is told to, not at once.
    pub acknowledges_itself: bool,
}

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is connected, and has what it wants.
    Connected,
    /// It is not any more.
    Lost,
    /// A message came.
    Received(Publish),
}

/// What a client is told.
#[derive(Debug)]
enum Order {
    Connect,
    /// The network is gone: no word, no packet.
    Drop,
    Publish(Message),
}

/// Acknowledgements on their way: at most as many as there are packet identifiers, so that none is ever lost for want of room.
#[derive(Debug, Default)]
struct Acknowledged {
    ids: Mutex<BTreeSet<u16>>,
    is_some: Notify,
    /// The connection is to be made anew.
    is_stale: Notify,
}

impl Acknowledged {
    fn ids(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a client. It ends when this is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    orders: mpsc::Sender<Order>,
    unacknowledged: Arc<AtomicUsize>,
    acknowledged: Arc<Acknowledged>,
}

impl Client {
    /// Starts a client that waits to be told to connect. `on_event` runs on the runtime's threads and must not block.
    pub fn start(runtime: &Handle, options: ClientOptions, on_event: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let (unacknowledged, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::<Acknowledged>::default());
        let worker = Worker {
            options,
            orders: received,
            on_event: Box::new(on_event),
            is_wanted: false,
            queue: VecDeque::new(),
            sent: VecDeque::new(),
            next_id: 0,
            unacknowledged: Arc::clone(&unacknowledged),
            acknowledged: Arc::clone(&acknowledged),
        };
        runtime.spawn(worker.work());
        Self { orders, unacknowledged, acknowledged }
    }

    /// Connects, and again whenever the connection is lost.
    pub fn connect(&self) {
        self.order(Order::Connect);
    }

    /// Loses its network until it is told to connect.
    pub fn lose(&self) {
        self.order(Order::Drop);
    }

    /// Sends a message at least once. Blocks while the client has too much to do; not for the runtime's threads.
    pub fn publish(&self, message: Message) {
        self.unacknowledged.fetch_add(1, Ordering::AcqRel);
        self.order(Order::Publish(message));
    }

    /// A message that came is safe; for the runtime's threads too.
    pub fn acknowledge(&self, id: u16) {
        self.acknowledged.ids().insert(id);
        self.acknowledged.is_some.notify_one();
    }

    /// Connects anew, so that the broker sends again what was not acknowledged: a broker need not do so before. For the runtime's threads too.
    pub fn reconnect(&self) {
        self.acknowledged.is_stale.notify_one();
    }

    /// Messages that the broker has not acknowledged yet.
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.load(Ordering::Acquire)
    }

    fn order(&self, order: Order) {
        // It ends only when this is dropped, or with its runtime.
        drop(self.orders.blocking_send(order));
    }
}

/// A connection: what was read of it already, and packets that came before they could be looked at.
struct Talk {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    bytes: Vec<u8>,
    early: Vec<Packet>,
}

struct Worker {
    options: ClientOptions,
    orders: mpsc::Receiver<Order>,
    on_event: Box<dyn Fn(Event) + Send + Sync>,
    is_wanted: bool,
    /// Not sent yet.
    queue: VecDeque<Message>,
    /// Not acknowledged yet, oldest first, with when they were sent last.
    sent: VecDeque<(u16, Message, Instant)>,
    next_id: u16,
    unacknowledged: Arc<AtomicUsize>,
    acknowledged: Arc<Acknowledged>,
}

impl Worker {
    async fn work(mut self) {
        loop {
            while !self.is_wanted {
                let Some(order) = self.orders.recv().await else { return };
                self.take(order);
            }
            if let Some(talk) = self.welcome().await {
                (self.on_event)(Event::Connected);
                let is_over = self.talk(talk).await;
                (self.on_event)(Event::Lost);
                if is_over {
                    return;
                }
            }
            let pause = sleep(self.options.retry);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    order = self.orders.recv(), if self.queue.len() < QUEUE_MAX => match order {
                        Some(order) => self.take(order),
                        None => return,
                    },
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Connect => self.is_wanted = true,
            Order::Drop => self.is_wanted = false,
            Order::Publish(message) => self.queue.push_back(message),
        }
    }

    async fn welcome(&self) -> Option<Talk> {
        let hello = async {
            let stream = TcpStream::connect(&self.options.address).await.ok()?;
            // Small packets that somebody waits for: what can't be set only delays them.
            drop(stream.set_nodelay(true));
            let (mut read, mut write) = stream.into_split();
            let ClientOptions { client_id, will, keep_alive_s, filters, .. } = self.options.clone();
            let mut out = Vec::new();
            Packet::Connect { client_id, is_clean: false, keep_alive_s, will, is_foreign: false }.encode(&mut out);
            write.write_all(&out).await.ok()?;
            let (mut bytes, mut early) = (Vec::new(), Vec::new());
            match next(&mut read, &mut bytes).await? {
                Packet::ConnAck { code: 0, .. } => {}
                refused => {
                    tracing::warn!("the MQTT broker refuses {}: {refused:?}", self.options.client_id);
                    return None;
                }
            }
            if !filters.is_empty() {
                let mut out = Vec::new();
                Packet::Subscribe(1, filters.into_iter().map(|filter| (filter, 1)).collect()).encode(&mut out);
                write.write_all(&out).await.ok()?;
                // Messages of an earlier connection may come before the answer.
                loop {
                    match next(&mut read, &mut bytes).await? {
                        Packet::SubAck(..) => break,
                        packet => early.push(packet),
                    }
                }
            }
            Some(Talk { read, write, bytes, early })
        };
        timeout(WELCOME_MAX, hello).await.ok().flatten()
    }

    /// Talks until the connection is lost; whether nobody has orders any more.
    async fn talk(&mut self, talk: Talk) -> bool {
        let Talk { mut read, mut write, mut bytes, early } = talk;
        let (mut out, acknowledged) = (Vec::new(), Arc::clone(&self.acknowledged));
        // A broker that has forgotten the session gives identifiers anew; one that has not sends again what it waits for.
        acknowledged.ids().clear();
        early.into_iter().for_each(|packet| self.receive(packet, &mut out));
        self.send_again(Duration::ZERO, &mut out);
        let mut pings = tokio::time::interval(Duration::from_secs(u64::from(self.options.keep_alive_s.max(2)) / 2));
        let mut looks = tokio::time::interval(self.options.resend);
        loop {
            while self.sent.len() < self.options.window
                && let Some(message) = self.queue.pop_front()
            {
                self.next_id = self.next_id.checked_add(1).unwrap_or(1);
                Packet::Publish(Publish { message: message.clone(), id: self.next_id, is_dup: false }).encode(&mut out);
                self.sent.push_back((self.next_id, message, Instant::now()));
            }
            if !out.is_empty() {
                if write.write_all(&out).await.is_err() {
                    return false;
                }
                out.clear();
            }
            tokio::select! {
                order = self.orders.recv(), if self.queue.len() < QUEUE_MAX => {
                    let Some(order) = order else { return true };
                    self.take(order);
                    if !self.is_wanted {
                        return false;
                    }
                }
                packet = next(&mut read, &mut bytes) => {
                    let Some(packet) = packet else { return false };
                    self.receive(packet, &mut out);
                }
                () = acknowledged.is_some.notified() => {
                    std::mem::take(&mut *acknowledged.ids()).into_iter().for_each(|id| Packet::PubAck(id).encode(&mut out));
                }
                () = acknowledged.is_stale.notified() => return false,
                _ = pings.tick() => Packet::PingReq.encode(&mut out),
                _ = looks.tick() => self.send_again(self.options.resend, &mut out),
            }
        }
    }

    /// Sends again what has had no answer for so long.
    fn send_again(&mut self, after: Duration, out: &mut Vec<u8>) {
        for (id, message, sent_at) in self.sent.iter_mut().filter(|(.., sent_at)| sent_at.elapsed() >= after) {
            Packet::Publish(Publish { message: message.clone(), id: *id, is_dup: true }).encode(out);
            *sent_at = Instant::now();
        }
    }

    fn receive(&mut self, packet: Packet, out: &mut Vec<u8>) {
        match packet {
            Packet::PubAck(id) => {
                if let Some(at) = self.sent.iter().position(|(known, ..)| *known == id) {
                    self.sent.remove(at);
                    self.unacknowledged.fetch_sub(1, Ordering::AcqRel);
                }
            }
            Packet::Publish(publish) => {
                if publish.id > 0 && !self.options.acknowledges_itself {
                    Packet::PubAck(publish.id).encode(out);
                }
                (self.on_event)(Event::Received(publish));
            }
            _ => {}
        }
    }
}
