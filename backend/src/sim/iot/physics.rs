//! Soil, air and machines. A demonstration has minutes, not weeks: fields dry and drink some hundred times faster than real ones.

use std::f64::consts::TAU;

use crate::sim::Random;

/// What soil loses in a second at 20 °C, in percent; each degree more adds a thirtieth of it.
const DRYING_PCT_PER_S: f64 = 0.35;
/// What an open valve adds.
const WATERING_PCT_PER_S: f64 = 2.2;
/// No valve stays open longer, whatever it is told.
const OPEN_MAX_S: f64 = 30.0;
/// Where plants wither, and where they drown.
pub(super) const BAND_PCT: (f64, f64) = (22.0, 50.0);
/// A day of this world, and by how much its warmest hour is warmer than the mean.
const DAY_MS: f64 = 900_000.0;
const DAY_SWING_C: f64 = 2.0;
/// How fast a machine warms up and cools down.
const WARMING_S: f64 = 2.5;
/// A machine that was shut down is repaired and runs again after this.
const REPAIR_MS: i64 = 12_000;
/// A worn bearing shakes as much as it can after this.
const WEAR_S: f64 = 4.0;

/// The air of a zone.
pub(super) fn air_c(base_c: f64, now_ms: i64) -> f64 {
    base_c + DAY_SWING_C * (TAU * (now_ms as f64 / DAY_MS).fract()).sin()
}

/// A field's soil, and the same soil without anybody who waters it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) moisture_pct: f64,
    pub(super) unwatered_pct: f64,
    pub(super) is_open: bool,
    /// An open valve closes by itself then: who opened it may have lost its network since.
    closes_ms: i64,
    at_ms: i64,
}

impl Field {
    pub(super) fn new(random: &mut Random, now_ms: i64) -> Self {
        let moisture_pct = 30.0 + 12.0 * random.unit();
        Self { moisture_pct, unwatered_pct: moisture_pct, is_open: false, closes_ms: now_ms, at_ms: now_ms }
    }

    /// Opens the valve for so many seconds, or closes it.
    pub(super) fn turn(&mut self, open_s: Option<f64>, now_ms: i64) {
        self.is_open = open_s.is_some();
        self.closes_ms = now_ms + (open_s.unwrap_or(0.0).clamp(0.0, OPEN_MAX_S) * 1_000.0) as i64;
    }

    pub(super) fn pass(&mut self, air_c: f64, now_ms: i64) {
        let passed_s = (now_ms - self.at_ms).max(0) as f64 / 1_000.0;
        let watered_s = if self.is_open { (self.closes_ms.min(now_ms) - self.at_ms).max(0) as f64 / 1_000.0 } else { 0.0 };
        self.at_ms = now_ms;
        self.is_open &= now_ms < self.closes_ms;
        let lost = DRYING_PCT_PER_S * (1.0 + (air_c - 20.0) / 30.0).max(0.0) * passed_s;
        let gained = WATERING_PCT_PER_S * watered_s;
        self.moisture_pct = (self.moisture_pct - lost + gained).clamp(0.0, 100.0);
        self.unwatered_pct = (self.unwatered_pct - lost).max(0.0);
    }
}

/// A machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) temperature_c: f64,
    load: f64,
    /// Since when its bearing is worn.
    worn_since_ms: Option<i64>,
    /// Since when it stands still.
    stopped_ms: Option<i64>,
    at_ms: i64,
}

impl Machine {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { temperature_c: 60.0, load: 0.0, worn_since_ms: None, stopped_ms: None, at_ms: now_ms }
    }

    pub(super) fn is_running(&self) -> bool {
        self.stopped_ms.is_none()
    }

    pub(super) fn is_worn(&self) -> bool {
        self.worn_since_ms.is_some()
    }

    pub(super) fn wear(&mut self, now_ms: i64) {
        self.worn_since_ms = self.worn_since_ms.or(Some(now_ms));
    }

    pub(super) fn shut_down(&mut self, now_ms: i64) {
        self.stopped_ms = self.stopped_ms.or(Some(now_ms));
    }

    pub(super) fn pass(&mut self, random: &mut Random, now_ms: i64) {
        let passed_s = (now_ms - self.at_ms).max(0) as f64 / 1_000.0;
        self.at_ms = now_ms;
        if self.stopped_ms.is_some_and(|since_ms| now_ms - since_ms >= REPAIR_MS) {
            (self.stopped_ms, self.worn_since_ms) = (None, None);
        }
        let kept = (-passed_s / 2.0).exp();
        self.load = self.load * kept + random.normal(0.0, (1.0 - kept * kept).sqrt());
        let aim_c = if self.is_running() { 60.0 + 1.5 * self.load } else { 25.0 };
        self.temperature_c = aim_c + (self.temperature_c - aim_c) * (-passed_s / WARMING_S).exp();
    }

    /// Load moves vibration and power together; a worn bearing moves vibration alone.
    pub(super) fn vibration_g(&self, now_ms: i64) -> f64 {
        let worn_s = self.worn_since_ms.map_or(0.0, |since_ms| (now_ms - since_ms).max(0) as f64 / 1_000.0);
        if self.is_running() { 0.35 + 0.05 * self.load + 1.8 * (worn_s / WEAR_S).min(1.0) } else { 0.02 }
    }

    pub(super) fn power_kw(&self) -> f64 {
        if self.is_running() { 6.0 + 0.8 * self.load } else { 0.1 }
    }
}
