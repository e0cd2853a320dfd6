//! What a world is made of.

/// With what a world starts. Equal parameters give equal transactions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorldParams {
    /// The seed.
    pub seed: u64,
    /// Card holders.
    pub customers: u32,
    /// Places to pay.
    pub terminals: u32,
    /// How far from home customers pay; the world is a square of 100 by 100.
    pub radius: f64,
    /// Midnight of the first day, epoch ms.
    pub start_at_ms: i64,
    /// Terminals that fall to thieves each day.
    pub compromised_terminals_per_day: u32,
    /// Customers whose credentials leak each day.
    pub leaked_customers_per_day: u32,
    /// What the handbook does not have.
    pub extras: Extras,
}

/// Crimes beyond the handbook, as how often they happen a day on average.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Extras {
    /// Rings of mule accounts.
    pub rings_per_day: f64,
    /// Bursts of card testing: many small payments, then a large one.
    pub bursts_per_day: f64,
    /// Cards used far away, too soon after a payment at home.
    pub travels_per_day: f64,
}

/// 2018-04-01, a Sunday: where the handbook's data begin.
const HANDBOOK_START_MS: i64 = 1_522_540_800_000;

impl WorldParams {
    /// The handbook's own world: 5,000 customers, 10,000 terminals, radius 5, its three scenarios and nothing else.
    pub fn handbook(seed: u64) -> Self {
        Self {
            seed,
            customers: 5_000,
            terminals: 10_000,
            radius: 5.0,
            start_at_ms: HANDBOOK_START_MS,
            compromised_terminals_per_day: 2,
            leaked_customers_per_day: 3,
            extras: Extras::default(),
        }
    }

    /// A fifth of the handbook's world, so that weeks pass while people watch, with every crime. The radius grows so that a customer
    /// has as many terminals to choose from.
    pub fn demo(seed: u64) -> Self {
        Self {
            customers: 1_000,
            terminals: 2_000,
            radius: 11.0,
            compromised_terminals_per_day: 1,
            leaked_customers_per_day: 1,
            extras: Extras { rings_per_day: 0.2, bursts_per_day: 1.0, travels_per_day: 1.0 },
            ..Self::handbook(seed)
        }
    }
}
