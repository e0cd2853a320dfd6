//! Who takes part in the A/B test: each user once, on the side of the first event that tells one, whatever later events tell.
//!
//! A conversion is a purchase soon after that first event. Who comes back another day, or for an offer, was brought by something else, and
//! would blur what the side itself did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Kept, Work};
use crate::{
    pipelines::clickstream::{
        records::{Activity, Exposures, Outcome, Side},
        sabotage::Sabotage,
        settings::{EXPERIMENT, EXPOSED_MAX},
    },
    sim::clickstream::{Action, VARIANTS},
};

/// What is known of one user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::pipelines::clickstream) struct Exposed {
    /// Event time of the first event that told a side; nobody's before 1970.
    at: i64,
    variant: String,
    is_converted: bool,
    is_bot: bool,
}

/// What a partition counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    users: u64,
    sides: BTreeMap<String, Side>,
}

impl Work<'_, '_> {
    /// The event's user may see a side for the first time, or buy.
    pub(super) fn expose(&mut self, activity: &Activity<'_>) {
        let sabotage = self.visits.sabotage;
        let who = if sabotage == Some(Sabotage::CountVisits) { &activity.session_id } else { &activity.user_id };
        let mut store = self.visits.store.borrow_mut();
        let key = key(who);
        let mut exposed = match store.get(&key).as_deref() {
            Some(Kept::Exposed(exposed)) => exposed.clone(),
            _ if activity.variant.is_empty() || self.figures.exposed.users >= EXPOSED_MAX => return,
            _ => {
                let (at, variant) = (activity.timestamp, activity.variant.to_string());
                self.figures.exposed.users += 1;
                self.figures.exposed.side(&variant).n += 1;
                let exposed = Exposed { at, variant, is_converted: false, is_bot: false };
                store.put(key.clone(), Kept::Exposed(exposed.clone()));
                exposed
            }
        };
        let is_soon = activity.timestamp <= exposed.at + self.visits.windows.conversion_ms();
        if activity.action_type != Action::Purchase || exposed.is_converted || exposed.is_bot || !is_soon {
            return;
        }
        if sabotage == Some(Sabotage::AssignBuyers) {
            self.figures.exposed.side(&exposed.variant).n -= 1;
            VARIANTS[0].clone_into(&mut exposed.variant);
            self.figures.exposed.side(VARIANTS[0]).n += 1;
        }
        exposed.is_converted = true;
        self.figures.exposed.side(&exposed.variant).conversions += 1;
        store.put(key, Kept::Exposed(exposed));
    }

    /// The user is a robot: it takes part in nothing.
    pub(super) fn withdraw(&mut self, user_id: &str) {
        let mut store = self.visits.store.borrow_mut();
        let key = key(user_id);
        let exposed = match store.get(&key).as_deref() {
            Some(Kept::Exposed(exposed)) if exposed.is_bot => return,
            Some(Kept::Exposed(exposed)) => exposed.clone(),
            _ => return,
        };
        let side = self.figures.exposed.side(&exposed.variant);
        side.n -= 1;
        side.conversions -= u64::from(exposed.is_converted);
        store.put(key, Kept::Exposed(Exposed { is_bot: true, ..exposed }));
    }

    /// Tells what was counted, if there is news.
    pub(super) fn publish_exposures(&mut self) {
        if self.figures.exposed == self.figures.exposed_told {
            return;
        }
        let (run, partition, experiment) = (self.visits.run.to_string(), self.partition, EXPERIMENT.to_owned());
        let exposures = Exposures { run, partition, experiment, sides: self.figures.exposed.sides.clone() };
        self.publish(EXPERIMENT.to_owned(), Outcome::Exposures(exposures));
        self.figures.exposed_told = self.figures.exposed.clone();
    }
}

impl Counted {
    fn side(&mut self, variant: &str) -> &mut Side {
        self.sides.entry(variant.to_owned()).or_default()
    }
}

fn key(user_id: &str) -> String {
    format!("e{user_id}")
}
