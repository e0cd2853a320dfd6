//! What a payment is judged by: a fixed list of numbers with names, the same for rules, models and the reasons told to people.

use serde::{Deserialize, Serialize};

/// A feature: its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// The amount in major units.
    Amount,
    /// On a Saturday or Sunday.
    Weekend,
    /// Before six in the morning, UTC.
    Night,
    /// The account's payments in a day, this one included; so for those that follow (the handbook's RFM features).
    AccountCount1d,
    /// Their mean amount.
    AccountMean1d,
    /// In seven days.
    AccountCount7d,
    /// Their mean amount.
    AccountMean7d,
    /// In thirty days.
    AccountCount30d,
    /// Their mean amount.
    AccountMean30d,
    /// The amount as a multiple of what is usual for the account.
    AmountRatio,
    /// Payments that say what is usual.
    Known,
    /// Payments of the last 14 days that were far above the usual.
    Unusual14d,
    /// The terminal's payments in a day, a week ago, when frauds of then are known.
    TerminalCount1d,
    /// The share of frauds among them.
    TerminalRisk1d,
    /// In seven days.
    TerminalCount7d,
    /// The share of frauds.
    TerminalRisk7d,
    /// In thirty days.
    TerminalCount30d,
    /// The share of frauds.
    TerminalRisk30d,
    /// Known frauds at the terminal.
    TerminalFrauds,
    /// Days since the first of them; -1 without.
    TerminalFirstFraud,
    /// Days since the last of them; -1 without.
    TerminalLastFraud,
    /// The account's payments in a minute, this one included.
    Count1m,
    /// In ten minutes.
    Count10m,
    /// In an hour.
    Count1h,
    /// In a day.
    Count24h,
    /// Their sum in major units.
    Sum24h,
    /// How fast the card must have travelled since the last payment; 0 for less than 100 km.
    TravelKmh,
    /// A large payment within a minute of a very small one.
    SmallThenLarge,
    /// A device the account never used before, while it is known to use others.
    NewDevice,
    /// Accounts in the ring the account belongs to.
    RingSize,
}

/// How many there are.
pub const FEATURES: usize = 30;

impl Feature {
    /// All, in their order.
    pub const ALL: [Self; FEATURES] = [
        Self::Amount,
        Self::Weekend,
        Self::Night,
        Self::AccountCount1d,
        Self::AccountMean1d,
        Self::AccountCount7d,
        Self::AccountMean7d,
        Self::AccountCount30d,
        Self::AccountMean30d,
        Self::AmountRatio,
        Self::Known,
        Self::Unusual14d,
        Self::TerminalCount1d,
        Self::TerminalRisk1d,
        Self::TerminalCount7d,
        Self::TerminalRisk7d,
        Self::TerminalCount30d,
        Self::TerminalRisk30d,
        Self::TerminalFrauds,
        Self::TerminalFirstFraud,
        Self::TerminalLastFraud,
        Self::Count1m,
        Self::Count10m,
        Self::Count1h,
        Self::Count24h,
        Self::Sum24h,
        Self::TravelKmh,
        Self::SmallThenLarge,
        Self::NewDevice,
        Self::RingSize,
    ];

    /// As it stands in rules and topics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Weekend => "weekend",
            Self::Night => "night",
            Self::AccountCount1d => "account_count_1d",
            Self::AccountMean1d => "account_mean_1d",
            Self::AccountCount7d => "account_count_7d",
            Self::AccountMean7d => "account_mean_7d",
            Self::AccountCount30d => "account_count_30d",
            Self::AccountMean30d => "account_mean_30d",
            Self::AmountRatio => "amount_ratio",
            Self::Known => "known",
            Self::Unusual14d => "unusual_14d",
            Self::TerminalCount1d => "terminal_count_1d",
            Self::TerminalRisk1d => "terminal_risk_1d",
            Self::TerminalCount7d => "terminal_count_7d",
            Self::TerminalRisk7d => "terminal_risk_7d",
            Self::TerminalCount30d => "terminal_count_30d",
            Self::TerminalRisk30d => "terminal_risk_30d",
            Self::TerminalFrauds => "terminal_frauds",
            Self::TerminalFirstFraud => "terminal_first_fraud_d",
            Self::TerminalLastFraud => "terminal_last_fraud_d",
            Self::Count1m => "count_1m",
            Self::Count10m => "count_10m",
            Self::Count1h => "count_1h",
            Self::Count24h => "count_24h",
            Self::Sum24h => "sum_24h",
            Self::TravelKmh => "travel_kmh",
            Self::SmallThenLarge => "small_then_large",
            Self::NewDevice => "new_device",
            Self::RingSize => "ring_size",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }
}

/// The numbers, by [`Feature`].
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features(pub [f32; FEATURES]);

impl Features {
    /// One of them.
    pub fn get(&self, feature: Feature) -> f32 {
        self.0[feature as usize]
    }

    /// Sets one.
    pub fn set(&mut self, feature: Feature, value: f64) {
        self.0[feature as usize] = value as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_stands_at_its_place_under_its_name() {
        for (at, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!((feature as usize, Feature::named(feature.name())), (at, Some(feature)));
        }
    }
}
