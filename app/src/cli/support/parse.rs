//! Arguments as clap reads them: addresses, properties, places to start, sizes. Each error says how to write it.

use weir_model::{ClusterProperty, Offset, Secret, Start, TimestampMs};

use super::time;

/// Kafka's port, for addresses that name none.
const DEFAULT_PORT: u16 = 9092;
/// Pictures beyond this need more memory than a picture of a screen should.
const PICTURE_SIDE_MAX: u32 = 8_192;
const PICTURE_SIDE_MIN: u32 = 200;

/// `HOST:PORT[,HOST:PORT …]`; a host alone gets Kafka's port.
pub(crate) fn bootstrap(text: &str) -> Result<String, String> {
    let servers: Result<Vec<String>, String> = text.split(',').map(|server| host_and_port(server.trim())).collect();
    Ok(servers?.join(","))
}

/// Where to listen: `HOST:PORT`, port 0 for any free one.
pub(crate) fn listen(text: &str) -> Result<std::net::SocketAddr, String> {
    let text = if let Some(port) = text.strip_prefix("localhost:") { format!("127.0.0.1:{port}") } else { text.to_owned() };
    text.parse()
        .map_err(|_| format!("`{text}` is not an address to listen on; write it like 127.0.0.1:9092, or :0 at the end for any free port"))
}

/// `NAME=VALUE`. The value may be a password: no message repeats it.
pub(crate) fn property(text: &str) -> Result<ClusterProperty, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("a property is written NAME=VALUE, such as security.protocol=SASL_SSL".to_owned());
    };
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err("a property's name has letters, digits, dots and dashes, such as security.protocol".to_owned());
    }
    if matches!(name, "bootstrap.servers" | "metadata.broker.list") {
        return Err(format!("the address goes into --bootstrap, not into {name}"));
    }
    Ok(ClusterProperty { name: name.into(), value: Secret::new(value) })
}

/// Where reading begins, in kcat's and rpk's ways of writing it.
pub(crate) fn start(text: &str) -> Result<Start, String> {
    let wrong = || {
        format!(
            "`{text}` is no place to start; write beginning, end, newest, an offset such as 42, -10 for the last ten of each partition, \
             or a time such as @2026-05-09T07:30:00Z, @-1h or s@1700000000000"
        )
    };
    match text {
        "beginning" | "earliest" | "oldest" => return Ok(Start::Beginning),
        "end" | "latest" => return Ok(Start::End),
        "newest" => return Ok(Start::Newest),
        _ => {}
    }
    if let Some(timestamp) = text.strip_prefix("s@").or_else(|| text.strip_prefix('@')) {
        return time::parse_timestamp(timestamp, TimestampMs::now()).map(Start::Timestamp);
    }
    if let Some(count) = text.strip_prefix('-') {
        return count.parse().map(Start::Last).map_err(|_| wrong());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(|offset| Start::Offset(Offset(offset))).map_err(|_| wrong());
    }
    time::parse_timestamp(text, TimestampMs::now()).map(Start::Timestamp).map_err(|_| wrong())
}

/// `WIDTHxHEIGHT` in points.
pub(crate) fn size(text: &str) -> Result<[u32; 2], String> {
    let wrong = || format!("`{text}` is not a size from {PICTURE_SIDE_MIN} to {PICTURE_SIDE_MAX}; write it like 1280x800");
    let (width, height) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let side = |text: &str| text.parse().ok().filter(|side| (PICTURE_SIDE_MIN..=PICTURE_SIDE_MAX).contains(side)).ok_or_else(wrong);
    Ok([side(width)?, side(height)?])
}

/// A length of time other than none, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Result<u64, String> {
    match time::parse_duration_ms(text)? {
        0 => Err("a run of no length does nothing; write it like 30s".to_owned()),
        duration_ms => Ok(duration_ms),
    }
}

fn host_and_port(server: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("`{server}` is not HOST:PORT: {why}; write it like 127.0.0.1:9092 or [::1]:9092");
    // An IPv6 address stands in brackets, else its colons and the port's can't be told apart.
    let host_end = if server.starts_with('[') { server.find(']').ok_or_else(|| wrong("the bracket is not closed"))? + 1 } else { 0 };
    let (host, port) = match server[host_end..].find(':') {
        Some(at) => (&server[..host_end + at], Some(&server[host_end + at + 1..])),
        None => (server, None),
    };
    if host.is_empty() {
        return Err(wrong("the host is missing"));
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || "/@\"'".contains(c)) {
        return Err(wrong("a host has no such character"));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("the port is a number from 1 to 65535"))?,
    };
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_addresses() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(bootstrap(text).ok().as_deref(), expect, "{text}");
        check("localhost:9092", Some("localhost:9092"));
        check("kafka", Some("kafka:9092"));
        check("a:1, b:2", Some("a:1,b:2"));
        check("[::1]:9092", Some("[::1]:9092"));
        check("[::1]", Some("[::1]:9092"));
        for wrong in ["", ":9092", "a:0", "a:70000", "a:b", "a:1,", "::1", "http://a:1", "[::1", "a b:1"] {
            check(wrong, None);
        }
    }

    #[test]
    fn properties_never_repeat_their_value() {
        assert_eq!(property("sasl.password=a=b").map(|it| it.value.reveal().to_owned()), Ok("a=b".to_owned()));
        for wrong in ["secret", "=secret", "a b=secret", "bootstrap.servers=secret"] {
            let message = property(wrong).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn places_to_start() {
        let check = |text: &str, expect: Start| assert_eq!(start(text), Ok(expect), "{text}");
        check("beginning", Start::Beginning);
        check("end", Start::End);
        check("newest", Start::Newest);
        check("42", Start::Offset(Offset(42)));
        check("-5", Start::Last(5));
        check("@1700000000123", Start::Timestamp(TimestampMs(1_700_000_000_123)));
        check("s@1700000000123", Start::Timestamp(TimestampMs(1_700_000_000_123)));
        check("@1700000000", Start::Timestamp(TimestampMs(1_700_000_000_000)));
        check("2023-11-14T22:13:20Z", Start::Timestamp(TimestampMs(1_700_000_000_000)));
        for wrong in ["", "middle", "--5", "-", "@", "@x", "99999999999999999999", "1.5"] {
            assert!(start(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_and_addresses_to_listen_on() {
        assert_eq!(size("1280x800"), Ok([1280, 800]));
        for wrong in ["", "1280", "0x0", "1280x", "99999x10", "-1x5", "1280x800x3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(listen("localhost:0").map(|it| it.to_string()), Ok("127.0.0.1:0".to_owned()));
        assert!(listen("9092").is_err());
        assert!(duration_ms("0s").is_err());
    }
}
