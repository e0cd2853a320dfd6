//! How many different viewers there were, roughly and in little room: HyperLogLog (Flajolet et al., AofA 2007), beside the exact number.

use serde::{Deserialize, Serialize};

/// Bits of the hash that choose a register: 2,048 of them, an error of 2.3 %.
const INDEX_BITS: u32 = 11;
const REGISTERS: usize = 1 << INDEX_BITS;
/// A register as a character: no run of zeroes in 53 bits leads beyond `~`.
const ZERO: u8 = b'0';

/// The sketch, as text of one character for each register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sketch {
    registers: String,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { registers: char::from(ZERO).to_string().repeat(REGISTERS) }
    }
}

impl Sketch {
    /// Takes a viewer in; the same one again changes nothing.
    pub(super) fn add(&mut self, user_id: &str) {
        let hash = hash(user_id);
        let at = (hash >> (u64::BITS - INDEX_BITS)) as usize;
        let rank = ZERO + (((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() + 1) as u8;
        let mut registers = std::mem::take(&mut self.registers).into_bytes();
        if let Some(register) = registers.get_mut(at) {
            *register = rank.max(*register);
        }
        self.registers = String::from_utf8(registers).unwrap_or_default();
    }

    /// The number of different viewers, roughly.
    pub(super) fn count(&self) -> u64 {
        let registers = self.registers.bytes().map(|register| i32::from(register.saturating_sub(ZERO)));
        let (sum, empty) =
            registers.fold((0.0, 0), |(sum, empty), register| (sum + 0.5_f64.powi(register), empty + i32::from(register == 0)));
        let m = REGISTERS as f64;
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        // Few viewers leave registers empty, and their number says more.
        let count = if raw <= 2.5 * m && empty > 0 { m * (m / f64::from(empty)).ln() } else { raw };
        count.round() as u64
    }
}

/// FNV-1a, and the mixing of splitmix64 behind it, as the first bits of FNV alone are poor.
fn hash(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    crate::sim::hash64(hash, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_are_counted_once_and_about_right() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.count(), 0);
        let mut counted = 0_u64;
        for upto in [10, 100, 1_000, 5_000, 20_000] {
            for user in counted..upto {
                sketch.add(&format!("user-{user}"));
            }
            counted = upto;
            let error = (sketch.count() as f64 - upto as f64).abs() / upto as f64;
            assert!(error < 0.07, "{} of {upto}", sketch.count());
        }
        let before = sketch.clone();
        (0..counted).for_each(|user| sketch.add(&format!("user-{user}")));
        assert_eq!(sketch, before);
        assert!(before.registers.bytes().all(|register| (ZERO..=b'~').contains(&register)));
    }
}
