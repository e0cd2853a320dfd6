//! What is set on the broker, as a file: `broker-configs`, a line for each value, replaced as a whole.

use std::fmt::Write as _;

use super::BrokerOverrides;

/// Its name inside the data folder.
pub(crate) const BROKER_CONFIGS_FILE: &str = "broker-configs";
const FORMAT: &str = "weir broker configs 1";

impl BrokerOverrides {
    /// The file's content.
    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{FORMAT}\n");
        for (place, overrides) in [("broker", &self.broker), ("cluster", &self.cluster)] {
            for (name, value) in overrides {
                // Writing to a String can't fail.
                let _ = writeln!(text, "{place} {name} {value}");
            }
        }
        text
    }

    /// Reads the file back; `None` if it is not one of ours. Lines that say nothing are left out, and returned as the second part.
    pub(crate) fn decode(text: &str) -> Option<(Self, Vec<&str>)> {
        let lines = text.strip_prefix(FORMAT)?.strip_prefix('\n')?.lines();
        let (mut set, mut unread) = (Self::default(), Vec::new());
        for line in lines {
            let mut words = line.splitn(3, ' ');
            let place = match words.next() {
                Some("broker") => &mut set.broker,
                Some("cluster") => &mut set.cluster,
                _ => {
                    unread.push(line);
                    continue;
                }
            };
            match (words.next(), words.next()) {
                (Some(name), Some(value)) => _ = place.insert(name.to_owned(), value.to_owned()),
                _ => unread.push(line),
            }
        }
        Some((set, unread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut set = BrokerOverrides::default();
        assert_eq!(BrokerOverrides::decode(&set.encode()), Some((set.clone(), vec![])));
        set.broker.insert("log.cleanup.policy".into(), "compact, delete".into());
        set.cluster.insert("log.retention.ms".into(), "5".into());
        assert_eq!(BrokerOverrides::decode(&set.encode()), Some((set.clone(), vec![])));
        let damaged = format!("{}rubbish\nbroker x", set.encode());
        assert_eq!(BrokerOverrides::decode(&damaged), Some((set, vec!["rubbish", "broker x"])));
        assert_eq!(BrokerOverrides::decode(""), None);
    }
}
