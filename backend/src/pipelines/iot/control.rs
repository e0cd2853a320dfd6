//! What devices are told: fields are watered while they are dry, machines that shake are shut down.

use serde::{Deserialize, Serialize};

use super::settings::{ACK_MAX_MS, COMMAND_TTL_MS, DRY_PCT, OPEN_MAX_S, REFUSED_PAUSE_MS, WET_PCT};
use crate::sim::iot::{Ack, AckResult, Action, Command, DeviceId, Reading};

/// What was told to a device, and what it answered.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Control {
    told: u64,
    /// The command without an answer, and when it was given.
    waiting: Option<(String, i64)>,
    /// Readings from before this do not show yet what was done.
    settled_ms: i64,
}

/// What is known beside the reading.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The moisture sensor is not to be believed.
    pub is_moisture_wrong: bool,
    /// The machine shakes.
    pub is_shaking: bool,
    /// The cluster's clock.
    pub now_ms: i64,
}

impl Control {
    /// What to tell a device after a reading that is fresh.
    pub fn decide(&mut self, reading: &Reading, known: Known) -> Option<Command> {
        if self.waiting.as_ref().is_some_and(|(_, since_ms)| known.now_ms - since_ms < ACK_MAX_MS) || known.now_ms < self.settled_ms {
            return None;
        }
        let is_on = reading.is_on?;
        let (action, reason) = match reading.soil_moisture_pct {
            Some(pct) if pct < DRY_PCT && !is_on && !known.is_moisture_wrong => {
                (Action::OpenValve, format!("soil moisture {pct:.1} % is below {DRY_PCT} %"))
            }
            Some(pct) if pct > WET_PCT && is_on => (Action::CloseValve, format!("soil moisture {pct:.1} % is above {WET_PCT} %")),
            // Nobody knows how wet it is: better dry for a while than drowned.
            Some(_) if known.is_moisture_wrong && is_on => (Action::CloseValve, "the moisture sensor is not to be believed".to_owned()),
            None if known.is_shaking && is_on => {
                (Action::ShutDown, format!("vibration {:.2} g is not what its power explains", reading.vibration_rms_g.unwrap_or(0.0)))
            }
            _ => return None,
        };
        Some(self.tell(&reading.device_id, reading.boot, action, reason, known.now_ms))
    }

    fn tell(&mut self, device_id: &DeviceId, boot: i64, action: Action, reason: String, now_ms: i64) -> Command {
        self.told += 1;
        let arg = if action == Action::OpenValve { OPEN_MAX_S } else { 0.0 };
        let command_id = format!("{device_id}-{boot:x}-{}", self.told);
        self.waiting = Some((command_id.clone(), now_ms));
        Command { command_id, device_id: device_id.clone(), action, arg, ttl_ms: COMMAND_TTL_MS, reason, ts: now_ms }
    }

    /// Takes an answer in; when the command was given, if it is one that was waited for.
    pub fn answered(&mut self, ack: &Ack, now_ms: i64) -> Option<i64> {
        let (_, told_ms) = self.waiting.take_if(|(command_id, _)| *command_id == ack.command_id)?;
        let pause_ms = if ack.result == AckResult::Refused { REFUSED_PAUSE_MS } else { 1_000 };
        self.settled_ms = now_ms.max(ack.ts) + pause_ms;
        Some(told_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_watered_between_two_marks_and_never_told_twice() {
        let mut control = Control::default();
        let known = |now_ms| Known { is_moisture_wrong: false, is_shaking: false, now_ms };
        let reading = |pct: f64, is_on| Reading { soil_moisture_pct: Some(pct), is_on: Some(is_on), ..Reading::default() };
        assert_eq!(control.decide(&reading(35.0, false), known(0)), None);
        let open = control.decide(&reading(29.0, false), known(1_000)).expect("it is dry");
        assert_eq!(open.action, Action::OpenValve);
        assert_eq!(control.decide(&reading(28.0, false), known(2_000)), None, "it was told");
        let ack = |result| Ack { command_id: open.command_id.clone(), device_id: DeviceId::default(), result, ts: 2_100 };
        let mut answered = |now_ms| control.answered(&ack(AckResult::Refused), now_ms);
        assert_eq!([2_100, 2_200].map(&mut answered), [Some(1_000), None]);
        assert_eq!(control.decide(&reading(27.0, false), known(3_000)), None, "it refuses for a while");
        assert!(control.decide(&reading(27.0, false), known(2_100 + REFUSED_PAUSE_MS)).is_some());
        let mut control = Control::default();
        assert_eq!(control.decide(&reading(43.0, true), known(0)).map(|command| command.action), Some(Action::CloseValve));
        let wrong = Known { is_moisture_wrong: true, ..known(0) };
        assert_eq!(Control::default().decide(&reading(10.0, false), wrong), None, "a broken sensor opens no valve");
    }
}
