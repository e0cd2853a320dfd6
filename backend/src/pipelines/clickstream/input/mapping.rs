//! Which field of given data means what: known by common names, or as told with `--input 'file?user=ip&time=ts'`.

use std::{borrow::Cow, collections::BTreeMap};

use crate::pipelines::given::Told;

/// What a field can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    User,
    Ip,
    Agent,
    Time,
    Action,
    Page,
    Item,
    Referrer,
    Device,
    Price,
    PriceMinor,
    EventId,
    Session,
    Variant,
}

/// Each with its name in a mapping and the names by which fields are known, best first; case does not matter, and a plus is between fields
/// that make one.
const KNOWN: [(Meaning, &str, &[&str]); 14] = [
    (Meaning::User, "user", &["user_id", "userid", "user", "visitor_id", "visitorid", "customer_id", "client_id", "uid", "remote_user"]),
    (Meaning::Ip, "ip", &["ip", "remote_addr", "client_ip", "remote_ip", "host", "remote_host", "clientip"]),
    (Meaning::Agent, "agent", &["user_agent", "agent", "useragent", "http_user_agent", "user-agent"]),
    (
        Meaning::Time,
        "time",
        &["timestamp", "event_time", "date+time", "time", "ts", "datetime", "@timestamp", "time_local", "date", "time_iso8601"],
    ),
    (Meaning::Action, "action", &["action_type", "event_type", "action", "event", "type", "behavior"]),
    (Meaning::Page, "page", &["page_url", "page", "url", "uri", "path", "request", "request_uri"]),
    (Meaning::Item, "item", &["item_id", "itemid", "product_id", "item", "product"]),
    (Meaning::Referrer, "referrer", &["referrer", "referer", "http_referer"]),
    (Meaning::Device, "device", &["device_type", "device"]),
    (Meaning::Price, "price", &["price", "amount", "value", "revenue"]),
    (Meaning::PriceMinor, "price_minor", &["price_minor"]),
    (Meaning::EventId, "event_id", &["event_id", "eventid"]),
    (Meaning::Session, "session", &["session_id", "user_session", "session", "sessionid"]),
    (Meaning::Variant, "variant", &["variant", "experiment_variant", "ab_variant"]),
];

/// What was told on the command line; several fields may make one, as in `user=ip+agent`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    fields: BTreeMap<Meaning, Vec<String>>,
    /// How dates and numbers are written.
    pub(super) dialect: Told,
}

impl Mapping {
    /// Reads `user=ip+agent&time=ts`; commas separate as well. A meaning without a field is told by none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut told = Self::default();
        for pair in text.split(['&', ',']).filter(|pair| !pair.trim().is_empty()) {
            let (name, fields) = pair.split_once('=').ok_or_else(|| format!("`{pair}` maps nothing; write user=ip"))?;
            if told.dialect.take(name, fields)? {
                continue;
            }
            let meaning = KNOWN.iter().find(|(_, known, _)| *known == name.trim()).map(|(meaning, ..)| *meaning);
            let names: Vec<_> = KNOWN.iter().map(|(_, name, _)| *name).collect();
            let meaning =
                meaning.ok_or_else(|| format!("nothing is called `{}`; there is {}, {}", name.trim(), names.join(", "), Told::NAMES))?;
            told.fields.insert(meaning, fields.split('+').map(|field| field.trim().to_lowercase()).collect());
        }
        Ok(told)
    }

    /// The names of the fields to put together; `None` where nothing was told.
    pub(super) fn told(&self, meaning: Meaning) -> Option<&[String]> {
        self.fields.get(&meaning).map(Vec::as_slice)
    }
}

/// Fields of one row by name.
pub(super) trait Fields {
    /// The text of a field; `None` where there is none, or nothing in it.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;

    /// What the row says of this.
    fn value(&self, mapping: &Mapping, meaning: Meaning) -> Option<Cow<'_, str>> {
        match mapping.told(meaning) {
            Some([name]) => self.field(name),
            Some(names) => {
                let parts: Vec<_> = names.iter().map(|name| self.field(name).unwrap_or_default()).collect();
                Some(parts.join(" ").into()).filter(|text: &Cow<'_, str>| !text.trim().is_empty())
            }
            None => KNOWN.iter().find(|(known, ..)| *known == meaning)?.2.iter().find_map(|name| self.whole(name)),
        }
    }

    /// The text of a field, or of all those with a plus between them.
    fn whole(&self, name: &str) -> Option<Cow<'_, str>> {
        if !name.contains('+') {
            return self.field(name);
        }
        let parts: Vec<_> = name.split('+').map(|name| self.field(name)).collect::<Option<_>>()?;
        Some(parts.join(" ").into())
    }
}

/// The names by which something is known, for people.
pub(super) fn names(meaning: Meaning) -> String {
    KNOWN.iter().find(|(known, ..)| *known == meaning).map(|(.., names)| names.join(", ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Fields for BTreeMap<&str, &str> {
        fn field(&self, name: &str) -> Option<Cow<'_, str>> {
            self.get(name).filter(|text| !text.is_empty()).map(|text| Cow::Borrowed(*text))
        }
    }

    #[test]
    fn date_and_clock_may_stand_apart() {
        let of = |row: &BTreeMap<&str, &str>| row.value(&Mapping::default(), Meaning::Time).map(Cow::into_owned);
        assert_eq!(of(&BTreeMap::from([("date", "29/03/2025"), ("time", "14:05")])), Some("29/03/2025 14:05".to_owned()));
        assert_eq!(of(&BTreeMap::from([("date", "29/03/2025")])), Some("29/03/2025".to_owned()));
        assert_eq!(of(&BTreeMap::from([("time", "5"), ("timestamp", "7"), ("date", "d")])), Some("7".to_owned()));
    }

    #[test]
    fn fields_are_known_or_told() {
        let row = BTreeMap::from([("visitorid", "v"), ("ip", "1.1.1.1"), ("ua", "M"), ("ts", "7"), ("empty", "")]);
        let of = |mapping: &str, meaning| row.value(&Mapping::parse(mapping).expect("a mapping"), meaning).map(Cow::into_owned);
        assert_eq!(of("", Meaning::User), Some("v".to_owned()));
        assert_eq!(of("user=ip", Meaning::User), Some("1.1.1.1".to_owned()));
        assert_eq!(of("user=ip+ua, time=ts", Meaning::User), Some("1.1.1.1 M".to_owned()));
        assert_eq!(of("user=empty", Meaning::User), None, "what was told counts, whatever else there is");
        assert_eq!(of("user=ip+ua&time=ts", Meaning::User), Some("1.1.1.1 M".to_owned()));
        assert_eq!(of("user=", Meaning::User), None);
        assert_eq!(of("", Meaning::Time), Some("7".to_owned()));
        let dialect = Mapping::parse("user=ip&dates=dmy&decimal=comma").expect("a mapping").dialect;
        assert_ne!(dialect, Told::default());
        assert!(Mapping::parse("dates=ymd").is_err_and(|why| why.contains("dates=dmy")));
        assert!(Mapping::parse("usr=ip").is_err_and(|why| why.contains("user, ip")));
        assert!(Mapping::parse("user").is_err());
    }
}
