//! Ways to break the processing on purpose: for each, the check that must turn red.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Events that were sent twice count twice.
    DedupeOff,
    /// Windows close at their end.
    GraceOff,
    /// A user's newest row is taken, whether it holds yet or not.
    AsOfOff,
    /// Some events are passed over.
    LoseEvents,
    /// The funnel ends at the cart.
    FunnelEndsEarly,
    /// Robots are people.
    TrustBots,
    /// Who has paid gets an offer too.
    OfferBuyers,
    /// The first advertisement gets what the last one earned.
    FirstTouch,
    /// With an item, the item itself is recommended.
    RecommendItself,
    /// Nobody looks into the catalogue.
    ForgetCatalogue,
    /// Who pays is put on the first side of the A/B test only then.
    AssignBuyers,
    /// Each visit takes part in the A/B test anew.
    CountVisits,
    /// Of a window of pages, its newest hop alone counts.
    ForgetPanes,
    /// Sessions that became part of another one are not withdrawn.
    ForgetAbsorbed,
    /// No purchase is an offer's work.
    ForgetOffers,
}

impl Sabotage {
    /// Each with its name and the check that it must turn red.
    pub(super) const ALL: [(Self, &str, &str); 15] = [
        (Self::DedupeOff, "dedupe_off", "sessions_equal_batch"),
        (Self::GraceOff, "grace_off", "late_drops_equal_oracle"),
        (Self::AsOfOff, "as_of_off", "tiers_as_of_events"),
        (Self::LoseEvents, "lose_events", "no_loss"),
        (Self::FunnelEndsEarly, "funnel_ends_early", "funnel_equal_batch"),
        (Self::TrustBots, "trust_bots", "bots_found"),
        (Self::OfferBuyers, "offer_buyers", "offers_equal_replay"),
        (Self::FirstTouch, "first_touch", "attribution_equal_batch"),
        (Self::RecommendItself, "recommend_itself", "recommendations_beat_popularity"),
        (Self::ForgetCatalogue, "forget_catalogue", "sales_equal_catalogue"),
        (Self::AssignBuyers, "assign_buyers", "ab_interval_covers_truth"),
        (Self::CountVisits, "count_visits", "ab_equals_first_exposures"),
        (Self::ForgetPanes, "forget_panes", "top_pages_equal_batch"),
        (Self::ForgetAbsorbed, "forget_absorbed", "open_sessions_end"),
        (Self::ForgetOffers, "forget_offers", "offers_bring_buyers_back"),
    ];

    /// By name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(sabotage, ..)| *sabotage)
    }
}
