//! The name in a client's certificate, as Kafka writes it: `CN=alice,OU=ops,O=Example,C=CH` (RFC 2253, the most specific part first).
//!
//! Only certificates that TLS has verified come here; what can't be read is no name, and the connection is anonymous.

/// The object identifiers with names of their own in RFC 2253.
const NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
/// The certificate's version, which old ones leave out.
const VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String, T61String: close enough to UTF-8 where they are used.
const TEXTS: &[u8] = &[0x0c, 0x13, 0x16, 0x14];

/// The subject of a certificate in DER.
pub(crate) fn distinguished_name(certificate: &[u8]) -> Option<String> {
    let mut certificate = Der(certificate).expect(SEQUENCE)?;
    let mut body = certificate.expect(SEQUENCE)?;
    if body.0.first() == Some(&VERSION) {
        body.next()?;
    }
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        body.next()?;
    }
    let mut subject = body.expect(SEQUENCE)?;
    let mut parts = Vec::new();
    while !subject.0.is_empty() {
        let mut set = subject.expect(SET)?;
        let mut attributes = Vec::new();
        while !set.0.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?;
            let oid = attribute.expect(OID)?;
            let (tag, value) = attribute.next()?;
            let name = NAMES.iter().find(|(known, _)| *known == oid.0)?.1;
            let value = std::str::from_utf8(value.0).ok().filter(|_| TEXTS.contains(&tag))?;
            attributes.push(format!("{name}={}", escaped(value)));
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    (!parts.is_empty()).then(|| parts.join(","))
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let at_edge = (character == ' ' && (index == 0 || index == last)) || (character == '#' && index == 0);
        if at_edge || matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Values of tag, length and content, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, Der<'a>)> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*length) {
            short @ 0..0x80 => (short, rest),
            long => {
                let (length, rest) = rest.split_at_checked(long - 0x80).filter(|(length, _)| (1..=4).contains(&length.len()))?;
                (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, Der(content)))
    }

    fn expect(&mut self, wanted: u8) -> Option<Der<'a>> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn certificate(parts: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_are_written_as_kafka_writes_them() {
        let parts = [(DnType::CountryName, "CH"), (DnType::OrganizationName, "A, B"), (DnType::CommonName, "alice")];
        assert_eq!(distinguished_name(&certificate(&parts)).unwrap(), "CN=alice,O=A\\, B,C=CH");
        assert_eq!(distinguished_name(&certificate(&[])), None);
    }

    #[test]
    fn whatever_bytes_come_there_is_no_panic() {
        let whole = certificate(&[(DnType::CommonName, "alice")]);
        for length in 0..whole.len() {
            let _ = distinguished_name(&whole[..length]);
        }
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[index] ^= 0xff;
            let _ = distinguished_name(&flipped);
        }
    }
}
