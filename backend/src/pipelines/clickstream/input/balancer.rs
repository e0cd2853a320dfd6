//! One line of the access log of a load balancer of AWS: of applications (ALB), or of the classic kind (ELB).

use super::log::{Request, quoted};
use crate::pipelines::given::Dates;

/// Words between the time and the request: the balancer, client and target, three durations, both status codes, bytes in and out.
const WORDS: usize = 10;

/// Reads a line; `None` where it is none of these.
pub(super) fn parse(line: &str) -> Option<Request<'_>> {
    let (first, after) = line.split_once(' ')?;
    let is_time = |word: &str| word.as_bytes().first().is_some_and(u8::is_ascii_digit) && word.contains('T');
    let (time, mut rest) = if is_time(first) { (first, after) } else { after.split_once(' ').filter(|(word, _)| is_time(word))? };
    let at_ms = Dates::default().parse_ms(time)?;
    let mut words = [""; WORDS];
    for word in &mut words {
        (*word, rest) = rest.split_once(' ')?;
    }
    let [_, client, _, _, _, _, status, _, _, bytes] = words;
    let (ip, port) = client.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let (request, rest) = quoted(rest)?;
    let agent = quoted(rest.trim_start()).map(|(agent, _)| agent).filter(|agent| !["-", ""].contains(agent));
    // No status came of what broke off.
    let (status, bytes) = (status.parse().unwrap_or(0), bytes.parse().ok()?);
    Some(Request { ip: ip.trim_matches(['[', ']']), user: None, at_ms, request, status, bytes, referrer: None, agent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let alb = r#"https 2018-07-02T22:23:00.186641Z app/my-lb/50 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/a?b=c HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 arn "Root=1" "www.example.com" "arn" 1 2018-07-02T22:22:48Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#;
        let read = parse(alb).expect("a request");
        assert_eq!(
            (read.ip, read.at_ms, read.status, read.bytes, read.agent),
            ("192.168.131.39", 1_530_570_180_187, 200, 57, Some("curl/7.46.0"))
        );
        assert_eq!(read.method_and_target(), ("GET", "/a?b=c"));
        let elb = r#"2015-05-13T23:39:43.945958Z my-lb 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "-" - -"#;
        let read = parse(elb).expect("a request");
        assert_eq!((read.ip, read.status, read.agent, read.method_and_target()), ("192.168.131.39", 200, None, ("GET", "/")));
        let six = elb.replace("192.168.131.39", "[2001:db8::7]").replace("200 200", "- -");
        assert_eq!(parse(&six).map(|read| (read.ip, read.status)), Some(("2001:db8::7", 0)));
        for none in ["", "a b", r#"10.0.0.1 - - [01/Jul/2015:00:00:01 +0000] "GET / HTTP/1.1" 200 5"#, "2015-05-13T23:39:43Z my-lb x y"] {
            assert!(parse(none).is_none(), "{none}");
        }
    }
}
