//! TLS from PEM files, by rustls with the `ring` provider.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::settings::TlsFiles;

/// Takes TLS handshakes with the broker's certificate.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// Every client must show a certificate.
    pub(crate) verifies_clients: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tls(verifies clients: {})", self.verifies_clients)
    }
}

impl Tls {
    /// Reads the files. What is wrong with them is told with the file's name, never with its content.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&files.certificate_chain)?;
        let key = PrivateKeyDer::from_pem_file(&files.private_key).map_err(|error| TlsError::File {
            path: files.private_key.clone(),
            what: "private key",
            reason: error.to_string(),
        })?;
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(TlsError::Identity)?;
        let builder = match &files.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let wrong = |reason: String| TlsError::File { path: path.clone(), what: "authorities of clients", reason };
                let mut authorities = RootCertStore::empty();
                for certificate in certificates(path)? {
                    authorities.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| wrong(error.to_string()))?)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(TlsError::Identity)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), verifies_clients: files.client_authorities.is_some() })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason: String| TlsError::File { path: path.to_owned(), what: "certificates", reason };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(certificates) }
}

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read, or holds something else.
    #[error("{} can't be used as {what}: {reason}; give a PEM file that the broker may read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Key and certificate are no identity.
    #[error(
        "the certificate and the private key can't be used together: {0}; give the key that belongs to the first certificate of the chain"
    )]
    Identity(#[source] rustls::Error),
}
