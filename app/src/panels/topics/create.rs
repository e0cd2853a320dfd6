//! What makes a valid new topic. Pure: the rules are Kafka's own (`org.apache.kafka.common.internals.Topic`).

use std::sync::Arc;

use weir_model::{ClusterSnapshot, NewTopic, TopicName};

/// Kafka's longest topic name.
const NAME_CHARS_MAX: usize = 249;
/// Partitions past which a slip of the finger is likelier than a wish.
const PARTITIONS_MAX: i32 = 10_000;

/// The fields of the dialog, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewTopicForm {
    pub(super) name: String,
    pub(super) partitions: String,
    /// Empty for the broker's default.
    pub(super) replication_factor: String,
    /// `name=value`, one a line.
    pub(super) configs: String,
}

impl Default for NewTopicForm {
    fn default() -> Self {
        Self { name: String::new(), partitions: "1".to_owned(), replication_factor: String::new(), configs: String::new() }
    }
}

/// What is wrong, by field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct FormErrors {
    pub(super) name: Option<String>,
    pub(super) partitions: Option<String>,
    pub(super) replication_factor: Option<String>,
    pub(super) configs: Option<String>,
}

impl NewTopicForm {
    /// The topic to ask for, or what to mend first.
    pub(super) fn check(&self, cluster: Option<&ClusterSnapshot>) -> Result<NewTopic, FormErrors> {
        let name = check_name(self.name.trim(), cluster);
        let partitions = match self.partitions.trim().parse::<i32>() {
            Ok(count @ 1..=PARTITIONS_MAX) => Ok(count),
            _ => Err(format!("A whole number from 1 to {PARTITIONS_MAX}")),
        };
        let replication_factor = check_replication(self.replication_factor.trim(), cluster);
        let configs = parse_configs(&self.configs);
        match (name, partitions, replication_factor, configs) {
            (Ok(name), Ok(partitions), Ok(replication_factor), Ok(configs)) => {
                Ok(NewTopic { name, partitions, replication_factor, configs })
            }
            (name, partitions, replication_factor, configs) => Err(FormErrors {
                name: name.err(),
                partitions: partitions.err(),
                replication_factor: replication_factor.err(),
                configs: configs.err(),
            }),
        }
    }
}

fn check_name(name: &str, cluster: Option<&ClusterSnapshot>) -> Result<TopicName, String> {
    if name.is_empty() {
        return Err("Type a name".to_owned());
    }
    if name == "." || name == ".." {
        return Err("A name can't be `.` or `..`".to_owned());
    }
    if let Some(wrong) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        return Err(format!("`{wrong}` can't stand in a name: use letters a-z, digits, `.`, `_` and `-`"));
    }
    if name.len() > NAME_CHARS_MAX {
        return Err(format!("{} characters; Kafka allows {NAME_CHARS_MAX}", name.len()));
    }
    // Kafka's metrics turn dots into underscores, so it refuses two names that differ in nothing else.
    let metric_name = |name: &str| name.replace('.', "_");
    match cluster.and_then(|cluster| cluster.topics.iter().find(|topic| metric_name(topic.name.as_str()) == metric_name(name))) {
        Some(topic) if topic.name.as_str() == name => Err("A topic of that name exists".to_owned()),
        Some(topic) => Err(format!("Collides with `{}`: `.` and `_` count as the same in metric names", topic.name)),
        None => Ok(name.into()),
    }
}

fn check_replication(text: &str, cluster: Option<&ClusterSnapshot>) -> Result<i32, String> {
    if text.is_empty() {
        return Ok(-1); // KIP-464: the broker's default
    }
    let brokers = cluster.map(|cluster| cluster.brokers.len()).filter(|count| *count > 0);
    match text.parse::<i16>() {
        Ok(factor) if factor >= 1 => match brokers {
            Some(brokers) if usize::try_from(factor).is_ok_and(|factor| factor > brokers) => Err(format!(
                "{factor} replicas need {factor} brokers; there {}",
                if brokers == 1 { "is 1".to_owned() } else { format!("are {brokers}") }
            )),
            _ => Ok(factor.into()),
        },
        _ => Err("A whole number from 1 on, or empty for the broker's default".to_owned()),
    }
}

type Configs = Vec<(Arc<str>, Arc<str>)>;

fn parse_configs(text: &str) -> Result<Configs, String> {
    let mut configs: Configs = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("`{line}` is not name=value"))?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            return Err(format!("`{name}` is no configuration name"));
        }
        if configs.iter().any(|(known, _)| **known == *name) {
            return Err(format!("`{name}` stands twice"));
        }
        configs.push((name.into(), value.trim().into()));
    }
    Ok(configs)
}

#[cfg(test)]
mod tests {
    use weir_model::{Broker, BrokerId, Topic};

    use super::*;

    fn cluster() -> ClusterSnapshot {
        let topic = |name: &str| Topic { name: name.into(), is_internal: false, partitions: Vec::new(), rates: None };
        let broker = Broker { id: BrokerId(1), host: "h".into(), port: 9092, rack: None };
        ClusterSnapshot { brokers: vec![broker], topics: vec![topic("orders.eu")], ..ClusterSnapshot::default() }
    }

    #[test]
    fn names_follow_kafkas_rules() {
        let check = |name: &str, expect: Result<(), &str>| {
            let form = NewTopicForm { name: name.to_owned(), ..NewTopicForm::default() };
            match (form.check(Some(&cluster())).map_err(|errors| errors.name.unwrap_or_default()), expect) {
                (Ok(_), Ok(())) => {}
                (Err(text), Err(part)) => assert!(text.contains(part), "{name}: {text}"),
                (got, expect) => panic!("{name}: {got:?}, expected {expect:?}"),
            }
        };
        check("orders", Ok(()));
        check("  orders-2_x.y  ", Ok(()));
        check(&"x".repeat(249), Ok(()));
        check(&"x".repeat(250), Err("249"));
        check("", Err("Type a name"));
        check("..", Err("can't be"));
        check("my topic", Err("` ` can't stand"));
        check("größe", Err("`ö`"));
        check("orders.eu", Err("exists"));
        check("orders_eu", Err("Collides with `orders.eu`"));
    }

    #[test]
    fn every_field_tells_its_own_error() {
        let form = NewTopicForm {
            name: "a/b".to_owned(),
            partitions: "0".to_owned(),
            replication_factor: "3".to_owned(),
            configs: "retention.ms".to_owned(),
        };
        let errors = form.check(Some(&cluster())).expect_err("everything is wrong");
        assert!(errors.name.is_some() && errors.partitions.is_some(), "{errors:?}");
        assert_eq!(errors.replication_factor.as_deref(), Some("3 replicas need 3 brokers; there is 1"));
        assert_eq!(errors.configs.as_deref(), Some("`retention.ms` is not name=value"));
    }

    #[test]
    fn configs_are_lines_of_name_and_value() {
        let form = NewTopicForm {
            name: "a".to_owned(),
            configs: "# comment\ncleanup.policy = compact\n\nretention.ms=-1".to_owned(),
            ..NewTopicForm::default()
        };
        let topic = form.check(None).expect("it is valid");
        let configs: Vec<(&str, &str)> = topic.configs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(configs, [("cleanup.policy", "compact"), ("retention.ms", "-1")]);
        assert_eq!((topic.partitions, topic.replication_factor), (1, -1));
    }
}
