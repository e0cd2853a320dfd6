//! The pipelines to come: their cards say so.

use weir_model::{Availability, PipelineMeta};

fn planned(id: &str, title: &str, story: &str) -> PipelineMeta {
    PipelineMeta {
        id: id.into(),
        title: title.into(),
        story: story.into(),
        availability: Availability::Planned,
        topics: Vec::new(),
        groups: Vec::new(),
        params: Vec::new(),
        faults: Vec::new(),
        scenarios: Vec::new(),
        sabotages: Vec::new(),
        checks: Vec::new(),
    }
}

pub(super) fn log_aggregation() -> PipelineMeta {
    planned(
        "log-aggregation",
        "Log aggregation",
        "Services write logs as fast as they fail; Kafka takes the storm, and the index catches up",
    )
}

pub(super) fn change_data_capture() -> PipelineMeta {
    planned(
        "change-data-capture",
        "Change data capture",
        "Every committed row of a database becomes an event, and replicas, search and caches follow",
    )
}

pub(super) fn event_driven_microservices() -> PipelineMeta {
    planned(
        "microservices",
        "Event-driven microservices",
        "Orders, stock, payment and mail talk in events only: kill one, and nothing is lost",
    )
}

pub(super) fn real_time_machine_learning() -> PipelineMeta {
    planned(
        "machine-learning",
        "Real-time machine learning",
        "Features, predictions and late labels as streams; the model learns while it serves",
    )
}

pub(super) fn payments() -> PipelineMeta {
    planned("payments", "Payments, exactly once", "A ledger that balances to the cent while its processors are killed every second")
}

pub(super) fn stateful_stream_processing() -> PipelineMeta {
    planned(
        "stream-lab",
        "Stateful stream processing",
        "Windows, joins and state stores under the glass: see stream time move and state restore",
    )
}
