//! What stands on a payment besides who, where and how much: holder, card, merchant, address. It is drawn apart from the payments, so that
//! it changes none of them.

use super::{
    generator::{Party, Payment},
    people::World,
};
use crate::sim::{Random, hash64};

/// How likely a customer lives with the one before, where they don't share a device anyway.
const NEIGHBOUR_CHANCE: f64 = 0.3;
/// People of a household: more than some rings have, on one address.
const HOME_MAX: u32 = 5;
/// One customer in so many has a second card.
const SECOND_CARD_OF: u64 = 4;
/// One payment in so many is made on the way, …
const MOBILE_OF: u64 = 5;
/// … where so many customers leave their carrier's network by one address.
const CUSTOMERS_PER_CARRIER_ADDRESS: u32 = 50;
/// One mule in so many brings a phone that nobody else of the ring uses.
const OWN_PHONE_OF: u32 = 4;
/// Terminals of a merchant, on average.
const TERMINALS_PER_MERCHANT: u64 = 4;
/// What merchants sell (ISO 18245): groceries, petrol, restaurants, medicine, clothes, electronics, taxis, furniture, books, cinemas.
const MCCS: [&str; 10] = ["5411", "5541", "5812", "5912", "5651", "5732", "4121", "5712", "5942", "7832"];
/// What thieves buy abroad: electronics.
const MCC_ABROAD: &str = "5732";

/// The streams that names are drawn from, so that none hangs on another.
const HOMES: u64 = 4;
const CARDS: u64 = 5;
const MERCHANTS: u64 = 6;
const LINES: u64 = 7;

/// Knows the names.
#[derive(Debug)]
pub(super) struct Names {
    seed: u64,
    /// The household of each customer.
    homes: Vec<u32>,
    merchants: u64,
}

impl Names {
    pub(super) fn new(seed: u64, world: &World) -> Self {
        let mut random = Random::new(hash64(seed, HOMES));
        let (mut homes, mut people) = (Vec::with_capacity(world.customers.len()), 0);
        for (number, customer) in (0_u32..).zip(&world.customers) {
            let is_neighbour = random.chance(NEIGHBOUR_CHANCE) || customer.device != number;
            let home = match homes.last().copied() {
                Some(home) if is_neighbour && people < HOME_MAX => home,
                last => {
                    people = 0;
                    last.map_or(0, |home| home + 1)
                }
            };
            people += 1;
            homes.push(home);
        }
        Self { seed, homes, merchants: (world.terminals.len() as u64 / TERMINALS_PER_MERCHANT).max(1) }
    }

    /// Whose account it is.
    pub(super) fn user(party: Party) -> String {
        match party {
            Party::Customer(number) => format!("u{number}"),
            Party::Mule { ring, member } => format!("um{ring}-{member}"),
        }
    }

    /// The card; `number` is that of the payment. What is stolen or copied is one card.
    pub(super) fn card(&self, payment: &Payment, number: u64) -> String {
        match payment.party {
            Party::Customer(customer) => {
                let has_second = self.draw(CARDS, u64::from(customer)).is_multiple_of(SECOND_CARD_OF);
                let takes_second = has_second && !payment.is_first_card && self.draw(CARDS, !number).is_multiple_of(2);
                format!("k{customer}-{}", 1 + u32::from(takes_second))
            }
            Party::Mule { ring, member } => format!("km{ring}-{member}-1"),
        }
    }

    /// The merchant of a terminal, and what is sold there.
    pub(super) fn merchant(&self, terminal: u32) -> (String, &'static str) {
        let merchant = self.draw(MERCHANTS, u64::from(terminal)) % self.merchants;
        let mcc = MCCS[(self.draw(MERCHANTS, !merchant) % MCCS.len() as u64) as usize];
        (format!("s{merchant}"), mcc)
    }

    /// The merchant in a city far away.
    pub(super) fn merchant_abroad(city: &str) -> (String, &'static str) {
        (format!("s-{city}"), MCC_ABROAD)
    }

    pub(super) fn device(payment: &Payment) -> String {
        match payment.party {
            Party::Mule { ring, member } if member % OWN_PHONE_OF == OWN_PHONE_OF - 1 => format!("ring{ring}-own{member}"),
            _ => payment.device.clone(),
        }
    }

    /// The address the payment came from; `number` is that of the payment. All of a ring hide behind one.
    pub(super) fn ip(&self, payment: &Payment, number: u64) -> String {
        match (payment.party, payment.city) {
            (Party::Mule { ring, .. }, _) => address(198 << 24 | 18 << 16, ring),
            (Party::Customer(_), Some(city)) => address(192 << 24 | 2 << 8, city as u32),
            // A thief's, and nobody else's.
            (Party::Customer(_), None) if payment.is_online => {
                let of = payment.device.bytes().fold(0, |hash, byte| hash64(hash, u64::from(byte)));
                address(198 << 24 | 19 << 16, of as u32 % (1 << 16))
            }
            (Party::Customer(customer), None) if self.draw(LINES, number).is_multiple_of(MOBILE_OF) => {
                address(100 << 24 | 64 << 16, customer / CUSTOMERS_PER_CARRIER_ADDRESS)
            }
            (Party::Customer(customer), None) => address(10 << 24, self.homes.get(customer as usize).copied().unwrap_or_default()),
        }
    }

    fn draw(&self, stream: u64, of: u64) -> u64 {
        hash64(hash64(self.seed, stream), of)
    }
}

/// An address by its number in a network.
fn address(network: u32, number: u32) -> String {
    core::net::Ipv4Addr::from_bits(network | number).to_string()
}
