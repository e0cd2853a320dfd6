//! From MQTT to Kafka and back: `devices/<id>/data` becomes `sensor_data` under the key `<id>`, commands go the other way.
//!
//! A message is acknowledged to MQTT once Kafka has acknowledged it, so that whoever dies in between has lost nothing.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;
use weir_model::TimestampMs;

use super::settings::{COMMAND_ACKS, DEVICE_EVENTS, SENSOR_DATA};
use crate::{
    client::{ClientError, Connection, OutgoingRecord, Producer},
    connect::mqtt::{Client, ClientOptions, Event, Message, Publish},
    pipelines::shape::EventHeaders,
    sim::iot::{DeviceEvent, DeviceId},
};

/// What every topic of MQTT begins with.
const ROOT: &str = "devices/";
/// Messages to devices on their way at once.
const WINDOW: usize = 2_000;
/// A message without an answer is sent again after this: while Kafka is there, answers take no second.
pub(super) const RESEND: Duration = Duration::from_secs(15);

/// The topic on which a device tells something.
pub(super) fn mqtt_topic(device: &str, kind: Kind) -> String {
    format!("{ROOT}{device}/{}", kind.name())
}

/// What is told on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Status,
    Acks,
    Commands,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Data, Self::Status, Self::Acks, Self::Commands];

    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Status => "status",
            Self::Acks => "acks",
            Self::Commands => "commands",
        }
    }

    /// The topic of Kafka that it goes to.
    fn kafka(self) -> Option<&'static str> {
        match self {
            Self::Data => Some(SENSOR_DATA),
            Self::Status => Some(DEVICE_EVENTS),
            Self::Acks => Some(COMMAND_ACKS),
            Self::Commands => None,
        }
    }
}

/// The bridge.
pub(super) struct Bridge {
    client: Client,
    passed: Arc<Passed>,
}

/// The way to Kafka. Deliveries hold only what has passed: a producer must not end in one of its own callbacks.
struct Passage {
    producer: Producer,
    /// Event time now: what passes here reached the cluster then.
    now_ms: Arc<AtomicI64>,
    headers: Mutex<EventHeaders>,
    passed: Arc<Passed>,
}

#[derive(Default)]
struct Passed {
    /// The way back to the MQTT broker, once there is one.
    client: OnceLock<Client>,
    delivered: AtomicU64,
    in_flight: AtomicUsize,
    failure: Mutex<Option<ClientError>>,
}

impl Bridge {
    /// Begins to pass on what devices tell.
    pub(super) fn start(
        runtime: &Handle,
        address: &str,
        run: &str,
        connection: &Connection,
        now_ms: Arc<AtomicI64>,
    ) -> Result<Self, ClientError> {
        let passed = Arc::<Passed>::default();
        // What comes by MQTT comes in no certain order, so that ids can't be those of a seed.
        let headers = EventHeaders::new(TimestampMs::now().0.unsigned_abs());
        let passage = Passage { producer: Producer::new(connection)?, now_ms, headers: Mutex::new(headers), passed: Arc::clone(&passed) };
        let filters = [Kind::Data, Kind::Status, Kind::Acks].map(|kind| format!("{ROOT}+/{}", kind.name())).into();
        let options = ClientOptions {
            address: address.to_owned(),
            client_id: format!("weir-bridge-{run}"),
            will: None,
            filters,
            keep_alive_s: 30,
            retry: Duration::from_millis(200),
            window: WINDOW,
            resend: RESEND,
            acknowledges_itself: true,
        };
        let client = Client::start(runtime, options, move |event| {
            if let Event::Received(publish) = event {
                passage.pass(publish);
            }
        });
        drop(passed.client.set(client.clone()));
        client.connect();
        Ok(Self { client, passed })
    }

    /// Passes a command on to its device.
    pub(super) fn command(&self, device: &str, value: &[u8]) {
        self.client.publish(Message { topic: mqtt_topic(device, Kind::Commands), payload: value.to_vec(), is_retained: false });
    }

    /// Messages that Kafka has acknowledged.
    pub(super) fn delivered(&self) -> u64 {
        self.passed.delivered.load(Ordering::Acquire)
    }

    /// Nothing is on its way to Kafka.
    pub(super) fn is_idle(&self) -> bool {
        self.passed.in_flight.load(Ordering::Acquire) == 0
    }

    /// What could not be written.
    pub(super) fn failure(&self) -> Option<ClientError> {
        self.passed.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Passage {
    /// Writes a message to Kafka and acknowledges it when that has. What is not for Kafka is acknowledged at once; for what can't be
    /// written now the connection is made anew, with which it comes again.
    fn pass(&self, publish: Publish) {
        let id = publish.id;
        let Some((topic, device)) = target(&publish.message.topic) else { return self.passed.acknowledge(id) };
        let now_ms = self.now_ms.load(Ordering::Acquire);
        let value = if topic == DEVICE_EVENTS { timed(publish.message.payload, device, now_ms) } else { publish.message.payload };
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        let [sent_at, event, trace, seq, schema] = headers.next(topic, now_ms, TimestampMs::now());
        let headers = [sent_at, event, trace, seq, schema, ("mqtt_topic", Some(publish.message.topic.as_bytes()))];
        let record = OutgoingRecord {
            topic,
            key: Some(device.as_bytes()),
            value: Some(&value),
            headers: &headers,
            timestamp_ms: Some(now_ms),
            ..OutgoingRecord::default()
        };
        let passed = Arc::clone(&self.passed);
        let on_delivery = move |result: Result<_, ClientError>| {
            match result {
                Ok(_) => {
                    passed.delivered.fetch_add(1, Ordering::AcqRel);
                    passed.acknowledge(id);
                }
                Err(error) => passed.fail(error),
            }
            passed.in_flight.fetch_sub(1, Ordering::AcqRel);
        };
        self.passed.in_flight.fetch_add(1, Ordering::AcqRel);
        match self.producer.send_with(record, on_delivery) {
            Ok(Ok(())) => return,
            Ok(Err(_full)) => {
                tracing::warn!("Kafka takes no more; what {device} told comes again");
                self.passed.client.get().into_iter().for_each(Client::reconnect);
            }
            Err(error) => self.passed.fail(error),
        }
        self.passed.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Passed {
    fn acknowledge(&self, id: u16) {
        if let Some(client) = self.client.get().filter(|_| id > 0) {
            client.acknowledge(id);
        }
    }

    fn fail(&self, error: ClientError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// The topic of Kafka for a topic of MQTT, and the device.
fn target(topic: &str) -> Option<(&'static str, &str)> {
    let (device, kind) = topic.strip_prefix(ROOT)?.split_once('/')?;
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
    Some((kind.kafka()?, device))
}

/// A last will was written when its device connected; when it is read is when it holds.
fn timed(payload: Vec<u8>, device: &str, now_ms: i64) -> Vec<u8> {
    match serde_json::from_slice::<DeviceEvent>(&payload) {
        Ok(event) if event.ts == 0 => {
            let event = DeviceEvent { ts: now_ms, device_id: DeviceId(device.to_owned()), ..event };
            serde_json::to_vec(&event).unwrap_or(payload)
        }
        _ => payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_devices_have_their_topic_and_key() {
        assert_eq!(target(&mqtt_topic("field-1", Kind::Data)), Some((SENSOR_DATA, "field-1")));
        assert_eq!(target("devices/x/status"), Some((DEVICE_EVENTS, "x")));
        for other in ["devices/x/commands", "devices/x", "other/x/data", "devices/x/data/more"] {
            assert_eq!(target(other), None, "{other}");
        }
    }

    #[test]
    fn a_last_will_gets_the_time_it_is_read() {
        let will = br#"{"device_id":"x","kind":"offline","ts":0}"#.to_vec();
        let event: DeviceEvent = serde_json::from_slice(&timed(will, "x", 7)).expect("an event");
        assert_eq!(event.ts, 7);
        assert_eq!(timed(b"nonsense".to_vec(), "x", 7), b"nonsense");
    }
}
