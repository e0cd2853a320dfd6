//! What somebody should look at, in the schema that pipelines share: incidents as they open and close, rooms that are flooded, budgets that
//! are lent out.

use super::{
    records::{Incident, IncidentState, LeaseBook, RoomStats},
    settings::ID,
};
pub(super) use crate::pipelines::alert::Alert;
use crate::sim::media::CampaignId;

/// Messages of a window that are hidden before a room is called flooded, and the share of all that they are.
const FLOOD_HIDDEN_MIN: u64 = 8;
const FLOOD_SHARE_MIN: f64 = 0.5;
/// Millionths in one of the currency.
const MICROS: f64 = 1e6;

/// An incident that has just opened, or closed; `threshold` is the share of bad views beyond the usual that makes one, or ends it.
pub(super) fn of_incident(incident: &Incident, threshold: f64, window_end: i64) -> Alert {
    let cause = &incident.cause;
    let subject = cause.attributes.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" × ");
    let named = cause.attributes.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ");
    let is_over = incident.state == IncidentState::Closed;
    let (rule, severity) = if is_over { ("incident_closed", "info") } else { ("incident_opened", "critical") };
    let evidence = if is_over {
        let peak = format!("{named}: {:.0} % of the views were bad beyond the usual at its worst", incident.peak_share * 100.0);
        [Some(peak), incident.remedy.clone()].into_iter().flatten().collect()
    } else {
        let (failures, total, expected) = (cause.failures, cause.total, cause.expected);
        vec![format!("{named}: {failures:.0} of {total:.0} views were bad, {expected:.0} were to be expected")]
    };
    Alert {
        alert_id: format!("{ID}-{}-{rule}", incident.incident_id),
        pipeline: ID.to_owned(),
        rule: rule.to_owned(),
        severity: severity.to_owned(),
        subject_key: subject,
        window_start: incident.since_ms,
        window_end,
        value: incident.extra_share,
        threshold,
        evidence,
        ts: window_end,
    }
}

/// Whether so much of what a room's window brought was hidden that somebody must be flooding it.
pub(super) fn is_flooded(stats: &RoomStats) -> bool {
    stats.hidden >= FLOOD_HIDDEN_MIN && stats.hidden as f64 >= stats.messages as f64 * FLOOD_SHARE_MIN
}

/// A room that is flooded from this window on.
pub(super) fn of_flood(stats: &RoomStats) -> Alert {
    let (hidden, messages) = (stats.hidden, stats.messages);
    Alert {
        alert_id: format!("{ID}-{}-chat_flood-{}", stats.room, stats.window_start),
        pipeline: ID.to_owned(),
        rule: "chat_flood".to_owned(),
        severity: "warning".to_owned(),
        subject_key: stats.room.to_string(),
        window_start: stats.window_start,
        window_end: stats.window_end,
        value: hidden as f64,
        threshold: (messages as f64 * FLOOD_SHARE_MIN).max(FLOOD_HIDDEN_MIN as f64),
        evidence: vec![format!("{hidden} of {messages} messages were hidden"), format!("{} viewers are in the room", stats.viewers)],
        ts: stats.window_end,
    }
}

/// A campaign whose whole budget is lent since this request came.
pub(super) fn of_budget(campaign_id: &CampaignId, book: &LeaseBook, ts: i64) -> Alert {
    let lent = book.granted_micros.values().sum::<i64>() as f64 / MICROS;
    let holders = book.granted_micros.values().filter(|granted| **granted > 0).count();
    Alert {
        alert_id: format!("{ID}-{campaign_id}-budget_exhausted-{}", book.budget_micros),
        pipeline: ID.to_owned(),
        rule: "budget_exhausted".to_owned(),
        severity: "warning".to_owned(),
        subject_key: campaign_id.to_string(),
        window_start: ts,
        window_end: ts,
        value: lent,
        threshold: book.budget_micros as f64 / MICROS,
        evidence: vec![format!("all of its budget is in the hands of {holders} deciding partitions; nothing is left to lend")],
        ts,
    }
}
