//! The server's half of SCRAM (RFC 5802, RFC 7677), pure: no sockets, no clock, no randomness of its own.
//!
//! The server keeps no password, but two keys derived from it: one that recognises the client's proof, one that proves the server. Channel
//! binding is not offered, as in Kafka. Names are compared as they come (Kafka does not apply SASLprep either).

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq as _;

/// Fewer make guessing cheap (RFC 7677).
pub(crate) const MIN_ITERATIONS: u32 = 4_096;
/// More let one login cost too much; Kafka's limit.
pub(crate) const MAX_ITERATIONS: u32 = 16_384;
/// A nonce longer than this serves no purpose.
const MAX_NONCE_BYTES: usize = 1_024;

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ScramHash {
    Sha256,
    Sha512,
}

impl ScramHash {
    /// The length of its keys.
    pub(crate) fn bytes(self) -> usize {
        self.digest().output_len()
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.digest(), bytes).as_ref().to_vec()
    }

    /// RFC 5802's `Hi`. Slow on purpose.
    pub(crate) fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.bytes()];
        pbkdf2::derive(algorithm, NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN), salt, password.as_bytes(), &mut salted);
        salted
    }
}

/// What the server keeps of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ScramCredential {
    pub(crate) hash: ScramHash,
    pub(crate) iterations: u32,
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: Vec<u8>,
    pub(crate) server_key: Vec<u8>,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ScramCredential({:?}, {} iterations, ..)", self.hash, self.iterations)
    }
}

impl ScramCredential {
    pub(crate) fn from_password(hash: ScramHash, password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let salted = hash.salted_password(password, &salt, iterations);
        Self::from_salted(hash, &salted, salt, iterations)
    }

    /// From a password that the client has salted, as AlterUserScramCredentials brings it.
    pub(crate) fn from_salted(hash: ScramHash, salted: &[u8], salt: Vec<u8>, iterations: u32) -> Self {
        let client_key = hash.hmac(salted, b"Client Key");
        Self { hash, iterations, salt, stored_key: hash.hash(&client_key), server_key: hash.hmac(salted, b"Server Key") }
    }

    /// Whether this is the password, for PLAIN. Takes as long for a wrong one.
    pub(crate) fn verifies(&self, password: &str) -> bool {
        let salted = self.hash.salted_password(password, &self.salt, self.iterations);
        let stored_key = self.hash.hash(&self.hash.hmac(&salted, b"Client Key"));
        self.stored_key.ct_eq(&stored_key).into()
    }
}

/// A client's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    pub(crate) user: String,
    /// From where "c=" must repeat it.
    gs2_header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads `n,[a=authzid],n=user,r=nonce[,extensions]`.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let (binding, rest) = text.split_once(',').ok_or(ScramError::Malformed)?;
        match binding {
            "n" | "y" => {}
            _ if binding.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed),
        }
        let (authzid, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;
        let mut attributes = bare.split(',');
        let name = attributes.next().and_then(|name| name.strip_prefix("n=")).ok_or(ScramError::Malformed)?;
        let user = unescape(name)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        if user.is_empty() || nonce.is_empty() || nonce.len() > MAX_NONCE_BYTES {
            return Err(ScramError::Malformed);
        }
        let acts_for = authzid.strip_prefix("a=").map(unescape).transpose()?;
        if !authzid.is_empty() && acts_for.as_ref() != Some(&user) {
            return Err(ScramError::OtherIdentity);
        }
        let gs2_header = format!("{binding},{authzid},");
        Ok(Self { user, gs2_header, bare: bare.to_owned(), nonce: nonce.to_owned() })
    }
}

fn unescape(name: &str) -> Result<String, ScramError> {
    let mut parts = name.split('=');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(ScramError::Malformed),
        };
        unescaped.push(character);
        unescaped.push_str(rest);
    }
    Ok(unescaped)
}

/// An exchange after the server's first message.
#[derive(Clone, Debug)]
pub(crate) struct ScramServer {
    user: String,
    credential: ScramCredential,
    gs2_header: String,
    nonce: String,
    /// Client's and server's first message, as signed.
    messages: String,
}

impl ScramServer {
    /// Answers a client's first message. `server_nonce` must be fresh and can't be guessed.
    pub(crate) fn start(first: ClientFirst, credential: ScramCredential, server_nonce: &str) -> (Self, Vec<u8>) {
        let nonce = format!("{}{server_nonce}", first.nonce);
        let reply = format!("r={nonce},s={},i={}", STANDARD.encode(&credential.salt), credential.iterations);
        let messages = format!("{},{reply}", first.bare);
        (Self { user: first.user, credential, gs2_header: first.gs2_header, nonce, messages }, reply.into_bytes())
    }

    /// Checks the client's proof. Returns who he is, and the server's own proof.
    pub(crate) fn finish(self, message: &[u8]) -> Result<(String, Vec<u8>), ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|binding| binding.strip_prefix("c=")).ok_or(ScramError::Malformed)?;
        if STANDARD.decode(binding).ok().as_deref() != Some(self.gs2_header.as_bytes()) {
            return Err(ScramError::ChannelBinding);
        }
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        // librdkafka before 2.10 repeats its own nonce in front, and Apache Kafka lets it. What comes is signed as it comes.
        if !nonce.ends_with(&self.nonce) {
            return Err(ScramError::Nonce);
        }
        let proof = STANDARD.decode(proof).map_err(|_| ScramError::Malformed)?;
        let signed = format!("{},{without_proof}", self.messages);
        let ScramCredential { hash, stored_key, server_key, .. } = &self.credential;
        let signature = hash.hmac(stored_key, signed.as_bytes());
        if proof.len() != signature.len() {
            return Err(ScramError::Proof);
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
        if !bool::from(hash.hash(&client_key).ct_eq(stored_key)) {
            return Err(ScramError::Proof);
        }
        let server_signature = hash.hmac(server_key, signed.as_bytes());
        Ok((self.user, format!("v={}", STANDARD.encode(server_signature)).into_bytes()))
    }
}

/// Why a login did not succeed; for the log. The client learns only that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScramError {
    /// Not a SCRAM message.
    #[error("the SCRAM message is malformed")]
    Malformed,
    /// Something this server does not offer, or not what was agreed.
    #[error("the SCRAM channel binding is not what this broker offers")]
    ChannelBinding,
    /// One user can't act for another here.
    #[error("the SCRAM message asks to act for another user")]
    OtherIdentity,
    /// Not the nonce of this exchange.
    #[error("the SCRAM nonce is not that of this exchange")]
    Nonce,
    /// The password is wrong, or there is no such user.
    #[error("unknown user or wrong password")]
    Proof,
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
