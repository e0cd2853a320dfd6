//! Card holders, terminals and thieves: payments as the Fraud Detection Handbook simulates them, and crimes it leaves out.
//!
//! The handbook (Le Borgne, Siblini, Lebichot, Bontempi 2022, chapter "Transaction data simulator") fixes who pays where, when and
//! how much, and three kinds of fraud: amounts over 220, terminals that are compromised for 28 days, and cards whose credentials leak
//! for 14. Beyond it, where [`Extras`] ask: rings of mule accounts that share devices and an address, card testing in bursts, cards used far away
//! minutes after a payment at home. Cards, merchants and addresses are drawn apart, so that amounts
//! and places are the handbook's. Pure: equal parameters and commands give equal transactions.

mod arrivals;
mod cities;
mod crimes;
mod generator;
mod names;
mod params;
mod people;
#[cfg(test)]
mod tests;

pub use arrivals::Arrivals;
pub use crimes::Scenario;
pub use generator::{Command, Emitted, Generator, HOLIDAY_FACTOR, Payment, PaymentEvent, Trouble, Truth};
pub use params::{Extras, WorldParams};
pub use people::{Customer, Terminal, World};
