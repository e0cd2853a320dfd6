//! The topologies that are compared, as this program runs them; `StreamsBench.java` has the same for Kafka Streams.

use serde::{Deserialize, Serialize};
use weir_backend::stream::{Emission, SessionWindows, StreamsBuilder, TimeWindows, Topology};

/// Names, in the order they are measured.
pub(crate) const NAMES: [&str; 4] = ["map", "count", "join", "sessions"];
pub(crate) const EVENTS: &str = "events";
pub(crate) const USERS: &str = "users";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) user: String,
    pub(crate) page: String,
    pub(crate) price: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) country: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) country: String,
}

/// One of [`NAMES`], whose results go to `output`.
pub(crate) fn topology(application: &str, name: &str, output: &str) -> Topology {
    let (name, output) = (name.to_owned(), output.to_owned());
    Topology::new(application, move |builder| build(builder, &name, &output)).expect("a sound topology")
}

fn build(builder: &StreamsBuilder, name: &str, output: &str) {
    let events = builder.stream::<String, Event>(EVENTS);
    match name {
        "map" => events.map_values(|event| Event { price: event.value.price * 2, ..event.value.clone() }).to(output),
        "count" => events
            .group_by_key("counts")
            .windowed(TimeWindows::tumbling(10_000, 0), Emission::OnUpdate, || 0_u64, |_, count| *count += 1)
            .flat_map(|count| [count.with_key(count.key.key.clone())])
            .to(output),
        "join" => {
            let users = builder.table::<String, User>(USERS, "users");
            events.join_table(&users, |event, user| Event { country: Some(user.country.clone()), ..event.value.clone() }).to(output);
        }
        _ => events
            .group_by_key("sessions")
            .sessions(
                SessionWindows { gap_ms: 5_000, grace_ms: 0 },
                Emission::OnUpdate,
                || 0_u64,
                |_, count| *count += 1,
                |count, more| *count += more,
            )
            .flat_map(|session| [session.with_key(session.key.key.clone())])
            .to(output),
    }
}
