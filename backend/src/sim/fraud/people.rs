//! Customers and terminals: what stays the same from day to day.

use super::{cities::position, params::WorldParams};
use crate::sim::{Random, hash64};

/// A side of the square in which people live.
const SIDE: f64 = 100.0;

/// A card holder.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// Home.
    pub x: f64,
    /// Home.
    pub y: f64,
    /// The mean of the amounts, in major units.
    pub mean_amount: f64,
    /// Their standard deviation: half the mean.
    pub std_amount: f64,
    /// Payments a day, on average.
    pub payments_per_day: f64,
    /// The terminals within the radius, by index.
    pub terminals: Vec<u32>,
    /// The phone or computer paid with; one in twenty shares it with a neighbour, as households do.
    pub device: u32,
}

/// A place to pay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terminal {
    /// Where it is.
    pub x: f64,
    /// Where it is.
    pub y: f64,
}

/// Who and what there is.
#[derive(Clone, Debug)]
pub struct World {
    /// By number.
    pub customers: Vec<Customer>,
    /// By number.
    pub terminals: Vec<Terminal>,
}

impl World {
    /// The world of these parameters.
    pub fn new(params: &WorldParams) -> Self {
        let mut random = Random::new(hash64(params.seed, 1));
        let mut place = || (random.unit() * SIDE, random.unit() * SIDE);
        let terminals: Vec<_> = (0..params.terminals).map(|_| place()).map(|(x, y)| Terminal { x, y }).collect();
        // Sorted by x, the terminals near a customer lie in one stretch.
        let mut by_x: Vec<_> = (0..params.terminals).collect();
        by_x.sort_by(|a, b| terminals[*a as usize].x.total_cmp(&terminals[*b as usize].x));
        let mut random = Random::new(hash64(params.seed, 2));
        let customers = (0..params.customers).map(|number| customer(number, params.radius, &terminals, &by_x, &mut random)).collect();
        Self { customers, terminals }
    }

    /// Latitude and longitude of a terminal.
    pub fn place_of(&self, terminal: u32) -> (f64, f64) {
        self.terminals.get(terminal as usize).map_or((0.0, 0.0), |terminal| position(terminal.x, terminal.y))
    }
}

fn customer(number: u32, radius: f64, terminals: &[Terminal], by_x: &[u32], random: &mut Random) -> Customer {
    let (x, y) = (random.unit() * SIDE, random.unit() * SIDE);
    let mean_amount = 5.0 + random.unit() * 95.0;
    let payments_per_day = random.unit() * 4.0;
    let from = by_x.partition_point(|terminal| terminals[*terminal as usize].x < x - radius);
    let near = by_x[from..].iter().copied().take_while(|terminal| terminals[*terminal as usize].x <= x + radius);
    let is_near = |terminal: &u32| {
        let terminal = terminals[*terminal as usize];
        (terminal.x - x).hypot(terminal.y - y) < radius
    };
    let device = if number > 0 && random.chance(0.05) { number - 1 } else { number };
    let terminals = near.filter(is_near).collect();
    Customer { x, y, mean_amount, std_amount: mean_amount / 2.0, payments_per_day, terminals, device }
}
