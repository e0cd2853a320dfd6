//! The one application: everything about a device happens where its key lives; sums over nodes go through one repartition.

use super::{
    fleet::{Fleet, Input, Kept, Output, WALL_CLOCK_MS},
    records::{Anomaly, DeviceState, Rollup},
    rollups::{Node, Sum, Told, Totals},
    sabotage::Sabotage,
    series::series,
    settings::{
        ALERTS, ANOMALIES, APP, COMMAND_ACKS, COMMANDS, DEVICE_EVENTS, DEVICE_ROLLUPS, DEVICE_STATE, HIERARCHY, SENSOR_DATA, SITE_ROLLUPS,
    },
};
use crate::{
    pipelines::alert::Alert,
    sim::iot::{Ack, Command, DeviceEvent, Placement, Reading},
    stream::{Store, Stream, Topology, TopologyError},
};

/// Readings, connections, places and answers to twins, anomalies, commands and roll-ups.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(sabotage: Option<Sabotage>) -> Result<Topology, TopologyError> {
    Topology::new(APP, move |builder| {
        let readings = builder.stream::<String, Reading>(SENSOR_DATA).map_values(|record| Input::Reading(record.value.clone()));
        let events = builder.stream::<String, DeviceEvent>(DEVICE_EVENTS).map_values(|record| Input::Event(record.value.clone()));
        let places = builder.stream::<String, Placement>(HIERARCHY).map_values(|record| Input::Place(record.value.clone()));
        let acks = builder.stream::<String, Ack>(COMMAND_ACKS).map_values(|record| Input::Ack(record.value.clone()));
        let inputs = readings.merge(&events).merge(&places).merge(&acks);
        let store = Store::<String, Kept>::expiring(Kept::expires_at);
        let results = inputs.process("fleet", store, Some(WALL_CLOCK_MS), move |store| Fleet::new(store, sabotage));
        of(&results, as_state).to(DEVICE_STATE);
        of(&results, as_anomaly).to(ANOMALIES);
        of(&results, as_command).to(COMMANDS);
        of(&results, as_alert).to(ALERTS);
        of(&results, as_downsampled).to(DEVICE_ROLLUPS);
        series(builder);
        let nodes = Store::<String, Node>::expiring(Node::expires_at);
        let sums = of(&results, as_told).process("nodes", nodes, None, |nodes| Totals { nodes });
        of(&sums, as_rollup).to(SITE_ROLLUPS);
        of(&sums, as_fleet_alert).to(ALERTS);
    })
}

fn of<T: Clone + 'static, V: Clone + 'static>(results: &Stream<String, T>, select: fn(&T) -> Option<V>) -> Stream<String, V> {
    results.flat_map_values(move |record| select(&record.value))
}

fn as_state(output: &Output) -> Option<DeviceState> {
    if let Output::State(state) = output { Some((**state).clone()) } else { None }
}

fn as_anomaly(output: &Output) -> Option<Anomaly> {
    if let Output::Anomaly(anomaly) = output { Some(anomaly.clone()) } else { None }
}

fn as_command(output: &Output) -> Option<Command> {
    if let Output::Command(command) = output { Some(command.clone()) } else { None }
}

fn as_alert(output: &Output) -> Option<Alert> {
    if let Output::Alert(alert) = output { Some(alert.clone()) } else { None }
}

fn as_downsampled(output: &Output) -> Option<Rollup> {
    if let Output::Downsampled(rollup) = output { Some(rollup.clone()) } else { None }
}

fn as_told(output: &Output) -> Option<Told> {
    if let Output::Told(told) = output { Some(told.clone()) } else { None }
}

fn as_rollup(sum: &Sum) -> Option<Rollup> {
    if let Sum::Rollup(rollup) = sum { Some(rollup.clone()) } else { None }
}

fn as_fleet_alert(sum: &Sum) -> Option<Alert> {
    if let Sum::Alert(alert) = sum { Some(alert.clone()) } else { None }
}
