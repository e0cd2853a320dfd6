//! One client's connection.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::mpsc::{Receiver, Sender, channel},
    time::{Instant, timeout, timeout_at},
};

use super::hub::{Hold, Hub, Receipt, Routed};
use crate::connect::mqtt::{
    framed::{PacketReader, PacketWriter, framed},
    packet::{Packet, Publish},
};

/// Whoever connects must say who it is within this.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A client without keep-alive that says nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(3_600);
/// Messages of one client that wait for their acknowledgement; what is beyond is not read.
const UNACKNOWLEDGED_MAX: usize = 1_024;
/// Looks at a full queue again after this, should nobody say that it has room.
const ROOM_CHECK: Duration = Duration::from_millis(20);
/// Packets sent at once.
const BATCH: usize = 128;
/// Code of CONNACK: the server is unavailable.
const UNAVAILABLE: u8 = 3;
/// Code of CONNACK: a session that shall be kept needs a name.
const NO_NAME: u8 = 2;

/// Serves a client until it goes, is sent away, or sends what is no MQTT.
pub(super) async fn serve(socket: TcpStream, hub: &Arc<Hub>) -> io::Result<()> {
    let (mut reader, mut writer) = framed(socket);
    let first = timeout(CONNECT_MAX, reader.next()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let Packet::Connect(connect) = first else { return Err(refused("the first packet is not CONNECT")) };
    let is_named = connect.clean_session || !connect.client_id.is_empty();
    let Some(hold) = is_named.then(|| hub.connect(&connect)).flatten() else {
        writer.push(&Packet::ConnAck { session_present: false, code: if is_named { UNAVAILABLE } else { NO_NAME } });
        return writer.flush().await;
    };
    hub.counts.connects.fetch_add(1, Ordering::AcqRel);
    // Dropped with the task too, when that is aborted or panics.
    let mut goodbye = Goodbye { hub, hold: &hold, was_said: false };
    writer.push(&Packet::ConnAck { session_present: hold.session_present, code: 0 });
    let (sender, acknowledged) = channel(UNACKNOWLEDGED_MAX);
    // Half as long again as promised (section 3.1.2.10).
    let silent_max = match connect.keep_alive_s {
        0 => SILENT_MAX,
        seconds => Duration::from_millis(u64::from(seconds) * 1_500),
    };
    let mut connection = Connection { hub, hold: &hold, reader, writer, sender, acknowledged, unacknowledged: 0, silent_max };
    let ended = connection.work().await;
    goodbye.was_said = ended.is_ok();
    drop(goodbye);
    ended
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

struct Goodbye<'a> {
    hub: &'a Hub,
    hold: &'a Hold,
    was_said: bool,
}

impl Drop for Goodbye<'_> {
    fn drop(&mut self) {
        self.hub.disconnect(self.hold, self.was_said);
    }
}

struct Connection<'a> {
    hub: &'a Hub,
    hold: &'a Hold,
    reader: PacketReader,
    writer: PacketWriter,
    sender: Sender<u16>,
    /// Never full: no more than [`UNACKNOWLEDGED_MAX`] receipts are out.
    acknowledged: Receiver<u16>,
    unacknowledged: usize,
    silent_max: Duration,
}

impl Connection<'_> {
    /// `Ok` after DISCONNECT.
    async fn work(&mut self) -> io::Result<()> {
        let mut heard_at = Instant::now();
        loop {
            self.writer.flush().await?;
            let may_read = self.unacknowledged < UNACKNOWLEDGED_MAX;
            tokio::select! {
                packet = timeout_at(heard_at + self.silent_max, self.reader.next()), if may_read => {
                    let packet = packet.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                    heard_at = Instant::now();
                    let mut next = Some(packet);
                    while let Some(packet) = next {
                        if self.take(packet).await? {
                            return Ok(());
                        }
                        next = if self.unacknowledged < UNACKNOWLEDGED_MAX { self.reader.buffered()? } else { None };
                    }
                }
                Some(id) = self.acknowledged.recv() => {
                    let mut next = Some(id);
                    while let Some(id) = next {
                        self.unacknowledged -= 1;
                        self.writer.push(&Packet::PubAck(id));
                        next = self.acknowledged.try_recv().ok();
                    }
                    heard_at = Instant::now();
                }
                () = self.hold.wake.notified() => self.send_queued()?,
            }
        }
    }

    fn send_queued(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            match self.hub.next(self.hold) {
                Ok(Some(publish)) => self.writer.push(&Packet::Publish(publish)),
                Ok(None) => return Ok(()),
                Err(()) => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "another connection took the session over")),
            }
        }
        // There may be more.
        self.hold.wake.notify_one();
        Ok(())
    }

    /// Whether the client said goodbye.
    async fn take(&mut self, packet: Packet) -> io::Result<bool> {
        match packet {
            Packet::Publish(publish) => self.publish(publish).await?,
            Packet::PubAck(id) => self.hub.acknowledge(self.hold, id),
            Packet::Subscribe { id, filters } => {
                let codes = self.hub.subscribe(self.hold, filters);
                self.writer.push(&Packet::SubAck { id, codes });
            }
            Packet::Unsubscribe { id, filters } => {
                self.hub.unsubscribe(self.hold, &filters);
                self.writer.push(&Packet::UnsubAck(id));
            }
            Packet::PingReq => self.writer.push(&Packet::PingResp),
            Packet::Disconnect => return Ok(true),
            Packet::Connect(_) | Packet::ConnAck { .. } | Packet::SubAck { .. } | Packet::UnsubAck(_) | Packet::PingResp => {
                return Err(refused("a packet that clients do not send, or not now"));
            }
        }
        Ok(false)
    }

    async fn publish(&mut self, publish: Publish) -> io::Result<()> {
        let Some(id) = publish.id else {
            self.hub.publish(&publish, None);
            return Ok(());
        };
        if !self.hub.is_through(&publish.topic) {
            self.hub.publish(&publish, None);
            self.writer.push(&Packet::PubAck(id));
            return Ok(());
        }
        loop {
            let receipt = Arc::new(Receipt { id, sender: self.sender.clone(), is_lost: false.into() });
            match self.hub.publish(&publish, Some(&receipt)) {
                Routed::Done => {
                    self.unacknowledged += 1;
                    return Ok(());
                }
                Routed::Nobody => return Err(io::Error::new(io::ErrorKind::NotConnected, "nobody takes what must be taken")),
                // Not read meanwhile: the sender's socket fills, and it keeps what it has.
                Routed::Full => {
                    // Time's up or told: look again either way.
                    let _ = timeout(ROOM_CHECK, self.hub.room.notified()).await;
                    self.writer.flush().await?;
                }
            }
        }
    }
}
