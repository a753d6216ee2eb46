//! TLS in this process, with a certificate and key from files. The files are read again when they change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::time::interval;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use zeroize::Zeroizing;

use crate::config::{ConfigError, TlsFiles};

/// How often to check whether the files have changed.
const EVERY: Duration = Duration::from_secs(10);

/// The certificate in use.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// TLS 1.2 and 1.3 with a certificate file and a key file.
pub struct Tls {
    /// Performs the handshake of a connection.
    pub acceptor: TlsAcceptor,
    current: Arc<Current>,
    files: TlsFiles,
}

impl Tls {
    /// Reads the files. Fails if a file cannot be used or the key does not belong to the certificate.
    pub fn load(files: TlsFiles) -> Result<Self, ConfigError> {
        let current = Arc::new(Current(RwLock::new(Arc::new(read(&files)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| about_certificate(&files.certificate, &error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            current,
            files,
        })
    }

    /// Returns a future that reads the files again whenever they change, and never ends. If the new files cannot be used, it logs an
    /// error and the previous certificate stays in use.
    pub fn keep_fresh(&self) -> impl Future<Output = ()> + use<> {
        let (current, files) = (Arc::clone(&self.current), self.files.clone());
        async move {
            let mut seen = changed_at(&files);
            let mut ticks = interval(EVERY);
            loop {
                ticks.tick().await;
                let now = changed_at(&files);
                if now == seen {
                    continue;
                }
                match read(&files) {
                    Ok(fresh) => {
                        *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                        tracing::info!("the certificate was renewed");
                        seen = now;
                    }
                    Err(error) => tracing::error!(%error, "the new certificate cannot be used; the previous one stays in use"),
                }
            }
        }
    }
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, ConfigError> {
    let certificate = fs::read(&files.certificate).map_err(|error| about_certificate(&files.certificate, &error))?;
    let key = Zeroizing::new(fs::read(&files.key).map_err(|error| about_key(&files.key, &error))?);
    check_contents(files, &certificate, &key)?;
    let certificate = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| about_certificate(&files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| about_key(&files.key, &error))?;
    if certificate.is_empty() {
        return Err(about_certificate(&files.certificate, &"it contains no certificate"));
    }
    CertifiedKey::from_der(certificate, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => not_its_key(files),
        error => about_key(&files.key, &error),
    })
}

/// Detects mistakes for which the parser would only report a file without items.
fn check_contents(files: &TlsFiles, certificate: &[u8], key: &[u8]) -> Result<(), ConfigError> {
    let has_certificate = |pem: &[u8]| contains(pem, "-----BEGIN CERTIFICATE-----");
    let has_key = |pem: &[u8]| contains(pem, "PRIVATE KEY-----");
    let key_file = files.key.display();
    if has_key(certificate) && !has_certificate(certificate) {
        let file = files.certificate.display();
        return Err(refused_certificate(if has_certificate(key) && !has_key(key) {
            format!("{file} holds a private key and {key_file} a certificate; exchange LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY")
        } else {
            format!("{file} holds a private key and no certificate; set this to the file of the certificate and its chain")
        }));
    }
    if contains(key, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(key, "Proc-Type: 4,ENCRYPTED") {
        return Err(refused_key(format!(
            "{key_file} is locked with a passphrase, which the server cannot ask for; write an unlocked copy that only the server's user can read, with `umask 077; openssl pkey -in {key_file} -out unlocked.pem`, and set this to the copy"
        )));
    }
    if has_certificate(key) && !has_key(key) {
        return Err(refused_key(format!(
            "{key_file} holds a certificate and no private key; set this to the file of the private key"
        )));
    }
    Ok(())
}

fn not_its_key(files: &TlsFiles) -> ConfigError {
    refused_key(format!(
        "{} is not the key of the certificate in {}; use a key and a certificate that were made together, and put the server's own certificate first in its file",
        files.key.display(),
        files.certificate.display()
    ))
}

fn contains(pem: &[u8], words: &str) -> bool {
    pem.windows(words.len()).any(|window| window == words.as_bytes())
}

fn changed_at(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    let of = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
    [of(&files.certificate), of(&files.key)]
}

fn about_certificate(file: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    refused_certificate(format!("{} cannot be used: {error}", file.display()))
}

fn about_key(file: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    refused_key(format!("{} cannot be used: {error}", file.display()))
}

fn refused_certificate(reason: String) -> ConfigError {
    ConfigError {
        variable: "LATCHKEY_TLS_CERT",
        reason,
    }
}

fn refused_key(reason: String) -> ConfigError {
    ConfigError {
        variable: "LATCHKEY_TLS_KEY",
        reason,
    }
}
