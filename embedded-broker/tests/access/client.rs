//! A client that shakes hands and logs in, and a workshop of certificates.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion as _, Request, StrBytes};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ring::{digest, hmac, pbkdf2};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use weir_broker::{Broker, BrokerConfig, Credential, Listener, Secret, SecurityProtocol, TlsFiles};

/// Longer than anything here should take, shorter than a test runner's patience.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const ADMIN: &str = "admin";
pub(crate) const ADMIN_PASSWORD: &str = "the admin's password";

/// A folder with an authority, and certificates it has signed.
pub(crate) struct Workshop {
    pub(crate) folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let workshop = Self { folder: tempfile::tempdir().unwrap(), authority };
        std::fs::write(workshop.path("authority.pem"), workshop.authority.pem()).unwrap();
        workshop.sign("localhost");
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate and key for this name, as `<name>.pem` and `<name>.key`.
    pub(crate) fn sign(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    pub(crate) fn tls_files(&self) -> TlsFiles {
        TlsFiles { certificate_chain: self.path("localhost.pem"), private_key: self.path("localhost.key"), client_authorities: None }
    }

    /// A broker with these listeners on loopback, each named after its protocol, and the admin as first user.
    pub(crate) fn config(&self, protocols: &[SecurityProtocol]) -> BrokerConfig {
        let mut config = BrokerConfig::new(self.path("data"));
        let listener = |protocol: &SecurityProtocol| Listener::new(*protocol, "127.0.0.1:0".parse().unwrap());
        config.listeners = protocols.iter().map(listener).collect();
        config.security.tls = Some(self.tls_files());
        config.security.bootstrap_admin = Some(Credential { user: ADMIN.into(), password: Secret::new(ADMIN_PASSWORD) });
        config.security.failed_login_delay = Duration::from_millis(1);
        config
    }

    pub(crate) fn start(&self, protocols: &[SecurityProtocol]) -> Broker {
        Broker::start(self.config(protocols)).unwrap()
    }

    /// Trusts the authority; shows this certificate when asked.
    pub(crate) fn client_tls(&self, certificate: Option<&str>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate_of(&self.path("authority.pem"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        match certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate_of(&self.path(&format!("{name}.pem")))], key).unwrap()
            }
        }
    }
}

fn certificate_of(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

pub(crate) fn address(broker: &Broker, protocol: SecurityProtocol) -> SocketAddr {
    broker.listeners().find(|listener| listener.1 == protocol).unwrap().2
}

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    next_id: i32,
}

impl Client {
    pub(crate) fn plain(broker: &Broker, protocol: SecurityProtocol) -> Self {
        Self { stream: Box::new(socket(address(broker, protocol))), next_id: 0 }
    }

    pub(crate) fn tls(broker: &Broker, protocol: SecurityProtocol, config: ClientConfig) -> Self {
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        Self { stream: Box::new(StreamOwned::new(connection, socket(address(broker, protocol)))), next_id: 0 }
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).unwrap_or_else(|error| panic!("the broker answers key {}: {error}", R::KEY))
    }

    /// An error when the broker ends the connection instead.
    pub(crate) fn try_call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.next_id += 1;
        self.write(&frame(version, self.next_id, request))?;
        let mut frame = Bytes::from(self.read_frame()?);
        assert_eq!(frame.get_i32(), self.next_id, "answers come in the order of the questions");
        if R::Response::header_version(version) >= 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields");
        }
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes too many in version {version} of key {}", frame.len(), R::KEY);
        Ok(response)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    pub(crate) fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    /// Logs in by this mechanism; the answer to the last token.
    pub(crate) fn log_in(&mut self, mechanism: &str, user: &str, password: &str) -> io::Result<SaslAuthenticateResponse> {
        let handshake = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.to_owned()));
        let chosen = self.try_call(1, &handshake)?;
        assert_eq!(chosen.error_code, 0, "{:?}", chosen.mechanisms);
        let mut login = Login::new(mechanism, user, password);
        let mut token = login.first();
        loop {
            let answer = self.try_call(2, &SaslAuthenticateRequest::default().with_auth_bytes(token.into()))?;
            if answer.error_code != 0 {
                return Ok(answer);
            }
            match login.next(&answer.auth_bytes) {
                Some(next) => token = next,
                None => return Ok(answer),
            }
        }
    }
}

fn socket(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A whole frame, length included.
pub(crate) fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> BytesMut {
    try_frame(version, correlation_id, request).unwrap()
}

/// The same; `None` when this version can't say what is asked.
pub(crate) fn try_frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Option<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header.encode(&mut frame, R::header_version(version)).ok()?;
    request.encode(&mut frame, version).ok()?;
    let length = (frame.len() - 4) as i32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Some(frame)
}

/// The client's half of PLAIN and SCRAM.
pub(crate) struct Login {
    mechanism: String,
    user: String,
    password: String,
    first_bare: String,
    /// What the server must prove itself with.
    server_signature: Option<Vec<u8>>,
}

impl Login {
    pub(crate) fn new(mechanism: &str, user: &str, password: &str) -> Self {
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={name},r=fyko+d2lbbFgONRv9qkxdawL");
        Self { mechanism: mechanism.into(), user: user.into(), password: password.into(), first_bare, server_signature: None }
    }

    pub(crate) fn first(&self) -> Vec<u8> {
        match self.mechanism.as_str() {
            "PLAIN" => format!("\0{}\0{}", self.user, self.password).into_bytes(),
            _ => format!("n,,{}", self.first_bare).into_bytes(),
        }
    }

    /// The next token; `None` when there is nothing left to say, the server's proof being right.
    pub(crate) fn next(&mut self, answer: &[u8]) -> Option<Vec<u8>> {
        if self.mechanism == "PLAIN" {
            return None;
        }
        let answer = std::str::from_utf8(answer).unwrap();
        if let Some(signature) = &self.server_signature {
            assert_eq!(answer, format!("v={}", STANDARD.encode(signature)), "the server proves itself");
            return None;
        }
        let mut attributes = answer.split(',').map(|attribute| &attribute[2..]);
        let (nonce, salt, iterations) = (attributes.next().unwrap(), attributes.next().unwrap(), attributes.next().unwrap());
        let is_long = self.mechanism == "SCRAM-SHA-512";
        let salted = salted_password(is_long, &self.password, &STANDARD.decode(salt).unwrap(), iterations.parse().unwrap());
        let algorithm = if is_long { hmac::HMAC_SHA512 } else { hmac::HMAC_SHA256 };
        let sign = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(algorithm, key), text.as_bytes()).as_ref().to_vec();
        let client_key = sign(&salted, "Client Key");
        let stored_key = digest::digest(if is_long { &digest::SHA512 } else { &digest::SHA256 }, &client_key);
        let last = format!("c=biws,r={nonce}");
        let signed = format!("{},{answer},{last}", self.first_bare);
        let signature = sign(stored_key.as_ref(), &signed);
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        self.server_signature = Some(sign(&sign(&salted, "Server Key"), &signed));
        Some(format!("{last},p={}", STANDARD.encode(proof)).into_bytes())
    }
}

pub(crate) fn salted_password(is_long: bool, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    let algorithm = if is_long { pbkdf2::PBKDF2_HMAC_SHA512 } else { pbkdf2::PBKDF2_HMAC_SHA256 };
    let mut salted = vec![0; if is_long { 64 } else { 32 }];
    pbkdf2::derive(algorithm, iterations.try_into().unwrap(), salt, password.as_bytes(), &mut salted);
    salted
}
