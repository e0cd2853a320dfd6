//! The models: boosted trees over the features, and a logistic regression beside them, small enough to travel in a record.

mod boost;
mod online;
mod trainer;

use serde::{Deserialize, Serialize};

pub use boost::{BoostParams, train};
pub use online::{Online, OnlineRecord};
pub use trainer::TrainerParams;
pub(super) use trainer::{Learnt, Trainer};

use super::features::{FEATURES, Feature, Features};

/// A record of `fraud.models`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ModelRecord", into = "ModelRecord")]
pub struct Model {
    record: ModelRecord,
}

/// A model as it stands in the topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Counts up.
    pub version: u64,
    /// Event time of the newest label it learnt from.
    pub trained_at: i64,
    /// Examples it learnt from.
    pub examples: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// The names of the features, in their order: a model of another list is refused.
    pub features: Vec<String>,
    /// Log-odds before any tree.
    pub base: f32,
    /// The trees.
    pub trees: Vec<Tree>,
}

/// A tree in the order of creation; children come after their parents.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree(pub Vec<Node>);

/// A node: feature, threshold, the child for values up to it (the other is the next one), and the mean of the leaves below in
/// log-odds. A leaf has no children: 0.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Node(pub u8, pub f32, pub u16, pub f32);

/// Why a record is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model can't be used: {0}")]
pub struct ModelError(String);

/// How much of a contribution is worth telling, in log-odds.
const CONTRIBUTION_MIN: f64 = 0.3;
/// Contributions told.
const CONTRIBUTIONS_MAX: usize = 4;

impl Model {
    /// Checks a model before it decides anything.
    ///
    /// # Errors
    /// When it was made for other features, or a tree leads nowhere.
    pub fn new(record: ModelRecord) -> Result<Self, ModelError> {
        is_of_these(&record.features)?;
        let is_whole = |tree: &Tree| {
            let nodes = tree.0.len();
            let leads = |(at, node): (usize, &Node)| {
                node.2 == 0 || (usize::from(node.2) > at && usize::from(node.2) + 1 < nodes && usize::from(node.0) < FEATURES)
            };
            nodes > 0 && tree.0.iter().enumerate().all(leads)
        };
        match record.trees.iter().position(|tree| !is_whole(tree)) {
            Some(at) => Err(ModelError(format!("its tree {at} leads nowhere"))),
            None => Ok(Self { record }),
        }
    }

    /// A model that knows nothing and scores nothing: what stands in the topic while the champion is out of service.
    pub(super) fn blank() -> ModelRecord {
        ModelRecord {
            version: 0,
            trained_at: 0,
            examples: 0,
            frauds: 0,
            features: Feature::ALL.iter().map(|feature| feature.name().to_owned()).collect(),
            base: 0.0,
            trees: Vec::new(),
        }
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.record.version
    }

    /// As it stands in the topic.
    pub fn record(&self) -> &ModelRecord {
        &self.record
    }

    /// How likely a fraud.
    pub fn score(&self, features: &Features) -> f64 {
        let log_odds = self.record.trees.iter().map(|tree| f64::from(tree.leaf(features))).sum::<f64>();
        sigmoid(f64::from(self.record.base) + log_odds)
    }

    /// What each feature did to the score, in log-odds, the largest first: along each tree's path, by how much a step changed the
    /// expectation (A. Saabas, "Interpreting random forests", 2014).
    pub fn contributions(&self, features: &Features) -> Vec<(Feature, f64)> {
        let mut by_feature = [0.0; FEATURES];
        for tree in &self.record.trees {
            let mut at = 0;
            while let Some(next) = tree.next(at, features) {
                by_feature[usize::from(tree.0[at].0)] += f64::from(tree.0[next].3 - tree.0[at].3);
                at = next;
            }
        }
        let mut all: Vec<_> = Feature::ALL.into_iter().zip(by_feature).filter(|(_, by)| by.abs() >= CONTRIBUTION_MIN).collect();
        all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        all.truncate(CONTRIBUTIONS_MAX);
        all
    }
}

impl TryFrom<ModelRecord> for Model {
    type Error = ModelError;

    fn try_from(record: ModelRecord) -> Result<Self, ModelError> {
        Self::new(record)
    }
}

impl From<Model> for ModelRecord {
    fn from(model: Model) -> Self {
        model.record
    }
}

impl Tree {
    fn leaf(&self, features: &Features) -> f32 {
        let mut at = 0;
        while let Some(next) = self.next(at, features) {
            at = next;
        }
        self.0[at].3
    }

    fn next(&self, at: usize, features: &Features) -> Option<usize> {
        let Node(feature, threshold, below, _) = self.0[at];
        let below = usize::from(below);
        (below > 0).then(|| if features.0[usize::from(feature)] <= threshold { below } else { below + 1 })
    }
}

/// Refuses a model whose features are not those of today.
fn is_of_these(features: &[String]) -> Result<(), ModelError> {
    if features.iter().map(String::as_str).eq(Feature::ALL.iter().map(|feature| feature.name())) {
        return Ok(());
    }
    Err(ModelError(format!("it was trained for other features: {}", features.join(", "))))
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
