//! The second model: a logistic regression that learns from each labelled payment as it comes, while the trees wait for their next training.
//!
//! Every payment is scored before its label is known, so that its scores are prequential by themselves (Gama et al. 2013). A step is that of
//! an extended Kalman filter: it knows of each weight, and of each pair, how sure it is (W. Penny and S. Roberts, "Dynamic logistic
//! regression", 1999), so that nothing has to be tuned and the order of labels matters little. It advises, and decides nothing: what stops a
//! payment are rules and trees.

use serde::{Deserialize, Serialize};

use super::sigmoid;
use crate::pipelines::fraud::{
    features::{FEATURES, Feature, Features},
    records::Example,
};

/// Features and the bias.
const TERMS: usize = FEATURES + 1;
/// How far from 0 weights may be before anything was seen: their variance.
const PRIOR: f64 = 1.0;
/// Before so many examples and so many frauds it says nothing.
const EXAMPLES_MIN: u64 = 200;
const FRAUDS_MIN: u64 = 10;

/// A record of `fraud.online_models`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OnlineRecord", into = "OnlineRecord")]
pub struct Online(OnlineRecord);

/// The model as it stands in the topic.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct OnlineRecord {
    /// Counts up with the examples.
    pub version: u64,
    /// Event time of the newest label it learnt from.
    pub trained_at: i64,
    /// Examples it learnt from.
    pub examples: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// The names of the features, in their order: a model of another list is refused.
    pub features: Vec<String>,
    /// Log-odds where every feature is 0.
    pub bias: f32,
    /// What each feature does to them, by the logarithm of one more than its value, for amounts and counts have long tails.
    pub weights: Vec<f32>,
}

impl Online {
    /// How likely a fraud.
    pub fn score(&self, features: &Features) -> f64 {
        let weights = squeezed(features).into_iter().zip(&self.0.weights);
        sigmoid(f64::from(self.0.bias) + weights.map(|(value, weight)| value * f64::from(*weight)).sum::<f64>())
    }

    /// As it stands in the topic.
    pub fn record(&self) -> &OnlineRecord {
        &self.0
    }
}

impl TryFrom<OnlineRecord> for Online {
    type Error = super::ModelError;

    fn try_from(record: OnlineRecord) -> Result<Self, super::ModelError> {
        super::is_of_these(&record.features)?;
        if record.weights.len() != FEATURES {
            return Err(super::ModelError(format!("it has {} weights for {FEATURES} features", record.weights.len())));
        }
        Ok(Self(record))
    }
}

impl From<Online> for OnlineRecord {
    fn from(online: Online) -> Self {
        online.0
    }
}

/// The model while it learns. An honest example stands for as many as were left out for it.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    honest_weight: f64,
    examples: u64,
    frauds: u64,
    newest_ms: i64,
    /// Of the features in their order, and the bias.
    weights: [f64; TERMS],
    /// How unsure it is of them.
    covariance: Box<[[f64; TERMS]; TERMS]>,
}

impl Learner {
    pub(super) fn new(honest_weight: f64) -> Self {
        let mut covariance = Box::new([[0.0; TERMS]; TERMS]);
        covariance.iter_mut().enumerate().for_each(|(at, row)| row[at] = PRIOR);
        Self { honest_weight, examples: 0, frauds: 0, newest_ms: 0, weights: [0.0; TERMS], covariance }
    }

    pub(super) fn learn(&mut self, example: &Example) {
        self.examples += 1;
        self.frauds += u64::from(example.is_fraud);
        self.newest_ms = self.newest_ms.max(example.ts);
        let mut terms = [1.0; TERMS];
        terms[..FEATURES].copy_from_slice(&squeezed(&example.features));
        let stands_for = if example.is_fraud { 1.0 } else { self.honest_weight };
        let is = f64::from(u8::from(example.is_fraud));
        let likely = sigmoid(dot(&self.weights, &terms));
        // How much the terms move, and the log-odds by them.
        let mut gain = [0.0; TERMS];
        gain.iter_mut().zip(self.covariance.iter()).for_each(|(gain, row)| *gain = dot(row, &terms));
        let information = stands_for * likely * (1.0 - likely);
        let damped = 1.0 + information * dot(&gain, &terms);
        let step = stands_for * (is - likely) / damped;
        self.weights.iter_mut().zip(gain).for_each(|(weight, gain)| *weight += step * gain);
        for (row, of) in self.covariance.iter_mut().zip(gain) {
            row.iter_mut().zip(gain).for_each(|(known, gain)| *known -= information / damped * of * gain);
        }
    }

    /// The model as of now; `None` before it knows enough.
    pub(super) fn model(&self) -> Option<Online> {
        if self.examples < EXAMPLES_MIN || self.frauds < FRAUDS_MIN {
            return None;
        }
        Some(Online(OnlineRecord {
            version: self.examples,
            trained_at: self.newest_ms,
            examples: self.examples,
            frauds: self.frauds,
            features: Feature::ALL.iter().map(|feature| feature.name().to_owned()).collect(),
            bias: self.weights[FEATURES] as f32,
            weights: self.weights[..FEATURES].iter().map(|weight| *weight as f32).collect(),
        }))
    }
}

fn squeezed(features: &Features) -> [f64; FEATURES] {
    features.0.map(|value| f64::from(value).abs().ln_1p().copysign(f64::from(value)))
}

fn dot(a: &[f64; TERMS], b: &[f64; TERMS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_frauds_from_honest_payments_and_travels_in_a_record() {
        let example = |number: u32| {
            let mut features = Features::default();
            features.set(Feature::Amount, f64::from(number % 100));
            features.set(Feature::TerminalRisk30d, f64::from(number % 7) / 7.0);
            Example { is_fraud: number % 100 >= 80 && number % 7 >= 3, ts: i64::from(number), features, ..Example::default() }
        };
        let mut learner = Learner::new(1.0);
        (0..10).for_each(|number| learner.learn(&example(number)));
        assert_eq!(learner.model(), None, "it knows too little");
        (10..3_000).for_each(|number| learner.learn(&example(number)));
        let model = learner.model().unwrap();
        let judged = (3_000..4_400).map(example).map(|example| (model.score(&example.features), example.is_fraud));
        let scored: Vec<_> = judged.map(|(score, is_fraud)| crate::truth::ranking::Scored { card: 0, day: 0, score, is_fraud }).collect();
        let auc = crate::truth::ranking::roc_auc(&scored).unwrap();
        assert!(auc > 0.9, "{auc}");
        let text = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<Online>(&text).unwrap(), model);
        assert!(
            serde_json::from_str::<Online>(&text.replace("\"amount\"", "\"price\"")).unwrap_err().to_string().contains("other features")
        );
    }
}
