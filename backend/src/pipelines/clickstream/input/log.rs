//! One line of a web server's access log, in the common or the combined format (Apache's `mod_log_config`, nginx's `combined`), or that of a
//! load balancer ([`balancer`]).

use std::net::IpAddr;

use super::balancer;
use crate::pipelines::given::Dates;

/// A request as its line tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) ip: &'a str,
    /// Whom the server has authenticated; `None` for `-`.
    pub(super) user: Option<&'a str>,
    pub(super) at_ms: i64,
    /// As it was sent, which may be no HTTP at all.
    pub(super) request: &'a str,
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// Of the combined format only.
    pub(super) referrer: Option<&'a str>,
    pub(super) agent: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads a line.
    pub(super) fn parse(line: &'a str) -> Result<Self, &'static str> {
        if let Some(request) = balancer::parse(line) {
            return Ok(request);
        }
        if line.starts_with(' ') {
            return Err("the line begins with a space");
        }
        if !line.contains(' ') {
            return Err("there is no host before the first space");
        }
        let (hosts, rest) = line.split_once(" [").ok_or("there is no time in brackets")?;
        let (ip, identity) = client(hosts).ok_or("there is no host before the time")?;
        let (_, user) = identity.split_once(' ').ok_or("there is no identity and user before the time")?;
        let user = Some(user.trim()).filter(|user| !["-", "", "\"\""].contains(user));
        let (time, rest) = rest.split_once("] \"").ok_or("there is no request in quotes after the time")?;
        let at_ms = Dates::default().parse_ms(time).ok_or("the time is none")?;
        let (request, status, rest) = request(rest).ok_or("there is no status after the request")?;
        let (bytes, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let bytes = match bytes.trim_end() {
            "-" => 0,
            bytes => bytes.parse().map_err(|_| "there is no number of bytes after the status")?,
        };
        let rest = rest.trim();
        if rest.is_empty() {
            return Ok(Self { ip, user, at_ms, request, status, bytes, referrer: None, agent: None });
        }
        let (referrer, rest) = quoted(rest).ok_or("there is no referrer in quotes after the bytes")?;
        let (agent, _) = quoted(rest.trim_start()).ok_or("there is no user agent in quotes after the referrer")?;
        let given = |text: &'a str| Some(text).filter(|text| !["-", ""].contains(text));
        Ok(Self { ip, user, at_ms, request, status, bytes, referrer: given(referrer), agent: given(agent) })
    }

    /// Method and target of the request, where it is one; what proxies are sent has the host before the path.
    pub(super) fn method_and_target(&self) -> (&'a str, &'a str) {
        let mut words = self.request.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some(method), Some(target)) => (method, path_of(target)),
            _ => ("", self.request),
        }
    }
}

fn path_of(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://").filter(|(scheme, _)| ["http", "https", "ws", "wss"].contains(scheme)) else {
        return target;
    };
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// Whom a request came from, and what follows of identity and user. Hosts that are passed over: the server it was sent to, which Apache's
/// `vhost_combined` names first, and proxies, which follow the client where `X-Forwarded-For` stands first.
fn client(hosts: &str) -> Option<(&str, &str)> {
    let (first, mut rest) = hosts.split_once(' ')?;
    let mut client = first.trim_end_matches(',');
    let mut is_list = first.ends_with(',');
    while let Some((next, after)) = rest.split_once(' ').filter(|(_, after)| after.contains(' ')) {
        let host = next.trim_end_matches(',');
        if is_list || is_address(host) {
            // Through no proxy, the server itself is named before the client, or nobody is.
            client = if is_address(client) { client } else { host };
        } else if is_server(client) && is_name(host) {
            client = host;
        } else {
            break;
        }
        (is_list, rest) = (next.ends_with(','), after);
    }
    Some((client, rest))
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// A name with a port, which no client has: IPv6 addresses have more colons than one.
fn is_server(host: &str) -> bool {
    let port = host.split_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name of a host, if it is no identity.
fn is_name(text: &str) -> bool {
    text != "-" && (text.contains('.') || text.contains(':'))
}

/// The request, the status and what follows. Old servers do not escape quotes within: the request ends where a status follows.
fn request(text: &str) -> Option<(&str, u16, &str)> {
    let end_of = |at: usize| {
        let after = &text[at + 2..];
        let (status, rest) = after.split_once(' ')?;
        let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        Some((&text[..at], is_status.then(|| status.parse().ok())??, rest))
    };
    text.match_indices("\" ").find_map(|(at, _)| end_of(at))
}

/// A text in quotes, in which a backslash protects a quote, and what follows.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut is_protected = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_protected => is_protected = false,
            b'\\' => is_protected = true,
            b'"' => return Some((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let common = Request::parse(r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#);
        let common = common.expect("Apache's own example");
        assert_eq!(
            (common.ip, common.user, common.at_ms, common.status, common.bytes),
            ("127.0.0.1", Some("frank"), 971_211_336_000, 200, 2_326)
        );
        assert_eq!((common.method_and_target(), common.agent), (("GET", "/apache_pb.gif"), None));
        let line = r#"2001:db8::7 - - [10/Oct/2000:13:55:36 +0000] "POST /cart?a=1 HTTP/2" 302 - "https://x.example/\"q\"" "Mozilla/5.0 \"odd\" (X)" "-""#;
        let combined = Request::parse(line).expect("nginx, with one more field");
        assert_eq!((combined.user, combined.bytes, combined.referrer), (None, 0, Some(r#"https://x.example/\"q\""#)));
        assert_eq!(combined.agent, Some(r#"Mozilla/5.0 \"odd\" (X)"#));
    }

    #[test]
    fn what_real_logs_hold_is_read() {
        for (line, request) in [
            (r#"host.example - - [01/Jul/1995:00:00:01 -0400] "GET /a"b" HTTP/1.0" 404 -"#, r#"GET /a"b" HTTP/1.0"#),
            (r#"10.0.0.1 - - [01/Jul/2015:00:00:01 +0000] "-" 408 0 "-" "-""#, "-"),
            (r#"10.0.0.1 - - [01/Jul/2015:00:00:01 +0000] "" 400 0 "-" "-""#, ""),
            (r#"10.0.0.1 - - [01/Jul/2015:00:00:01 +0000] "\x16\x03\x01" 400 226 "-" "-""#, r"\x16\x03\x01"),
            (r#"10.0.0.1 - my name [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5"#, "GET / HTTP/1.1"),
        ] {
            assert_eq!(Request::parse(line).map(|read| read.request), Ok(request), "{line}");
        }
    }

    #[test]
    fn servers_before_clients_are_passed_over() {
        let check = |line: &str, ip: &str, user: Option<&str>| {
            let read = Request::parse(line).expect(line);
            assert_eq!((read.ip, read.user, read.request), (ip, user, "GET / HTTP/1.1"), "{line}");
        };
        let rest = r#"[01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5"#;
        check(&format!("shop.example:443 10.0.0.5 - - {rest}"), "10.0.0.5", None);
        check(&format!("shop:80 2001:db8::7 - bob {rest}"), "2001:db8::7", Some("bob"));
        check(&format!("shop:443 host.example - - {rest}"), "host.example", None);
        check(&format!("shop.example 10.0.0.5 - - {rest}"), "10.0.0.5", None);
        check(&format!("shop.example 10.0.0.5 - two words {rest}"), "10.0.0.5", Some("two words"));
        check(&format!("10.0.0.5 - bob {rest}"), "10.0.0.5", Some("bob"));
        check(&format!("10.0.0.5 - 10.0.0.6 {rest}"), "10.0.0.5", Some("10.0.0.6"));
        check(&format!("2001:db8::7 - - {rest}"), "2001:db8::7", None);
        check(&format!("proxy:8080 - - {rest}"), "proxy:8080", None);
    }

    #[test]
    fn proxies_after_clients_are_passed_over() {
        let check = |hosts: &str, ip: &str, user: Option<&str>| {
            let line = format!(r#"{hosts} [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5"#);
            let read = Request::parse(&line).expect(&line);
            assert_eq!((read.ip, read.user), (ip, user), "{line}");
        };
        check("203.0.113.5, 10.0.0.1 - -", "203.0.113.5", None);
        check("203.0.113.5, 198.51.100.7, 10.0.0.1 - bob", "203.0.113.5", Some("bob"));
        check("203.0.113.5, 198.51.100.7 10.0.0.1 - -", "203.0.113.5", None);
        check("203.0.113.5 10.0.0.1 - -", "203.0.113.5", None);
        check("- 10.0.0.1 - -", "10.0.0.1", None);
        check("unknown, 2001:db8::7 - -", "2001:db8::7", None);
        check("shop.example:443 203.0.113.5, 10.0.0.1 - -", "203.0.113.5", None);
    }

    #[test]
    fn what_is_no_request_says_why() {
        for (line, why) in [
            ("", "host"),
            ("garbage", "host"),
            ("a b c", "time"),
            (r#"1.1.1.1 - - [32/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5"#, "the time is none"),
            (r#"1.1.1.1 - - [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1"#, "status"),
            (r#"1.1.1.1 - - [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 x"#, "bytes"),
            (r#"1.1.1.1 - - [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozil"#, "agent"),
            (r#"1.1.1.1 [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5"#, "time"),
        ] {
            let error = Request::parse(line).expect_err(line);
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
