//! Ways to break the processing on purpose: for each, the check that must turn red.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// An impression is billed whenever it is told of.
    BillTwice,
    /// Ads are decided without a lease.
    IgnoreBudgets,
    /// Ads are decided without looking at what the user has seen.
    IgnoreCaps,
    /// Emoji of a heart count twice.
    CountTwice,
    /// Every sign of a viewer is taken for another viewer.
    CountBeats,
    /// Pauses count as watched.
    WatchPauses,
    /// Incidents are blamed on the first attribute of their cause alone.
    BlameWidest,
    /// Nothing is taken for an incident.
    SleepThrough,
    /// No message is hidden.
    TrustEverybody,
    /// Who leaves early is left out of the A/B test.
    ForgetQuitters,
    /// Ads end at half.
    CutAdsShort,
}

impl Sabotage {
    /// Each with its name and the check that it must turn red.
    pub const ALL: [(Self, &str, &str); 11] = [
        (Self::BillTwice, "bill_twice", "impressions_billed_once"),
        (Self::IgnoreBudgets, "ignore_budgets", "spend_within_budget"),
        (Self::IgnoreCaps, "ignore_caps", "frequency_caps_kept"),
        (Self::CountTwice, "count_twice", "room_counts_exact"),
        (Self::CountBeats, "count_beats", "unique_viewers"),
        (Self::WatchPauses, "watch_pauses", "watch_time_exact"),
        (Self::BlameWidest, "blame_widest", "incident_cells_exact"),
        (Self::SleepThrough, "sleep_through", "incidents_found_in_time"),
        (Self::TrustEverybody, "trust_everybody", "moderation"),
        (Self::ForgetQuitters, "forget_quitters", "ab_equals_players"),
        (Self::CutAdsShort, "cut_ads_short", "ad_sessions_equal_batch"),
    ];

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(sabotage, ..)| *sabotage)
    }
}

/// How the applications are built.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the slices of players are about: the run's name.
    pub run: String,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// Whether this is broken.
    pub fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}
