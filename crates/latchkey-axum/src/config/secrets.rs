//! Where the secrets come from.

use std::path::{Path, PathBuf};

use super::settings::{DATA_DIR, SECRET, SECRET_FILE, SECRET_PREVIOUS};
use super::{ConfigError, Settings};
use latchkey_core::secret;
use latchkey_core::secret::{Secret, Secrets};

/// Reads the secrets; makes the current one, the first time, where no setting names one. Where it is missing and is not to be
/// made, a random one takes its place: nothing is signed with it.
pub fn read(settings: &Settings, data_dir: &Path, missing: bool) -> Result<Secrets, ConfigError> {
    Ok(Secrets {
        current: if missing { Secret::random() } else { current(settings, data_dir)? },
        previous: SECRET_PREVIOUS.optional(settings)?,
    })
}

/// What to tell the operator of the file that the secret is in.
pub fn warning(settings: &Settings, data_dir: &Path) -> Option<String> {
    secret::warning(&file(settings, data_dir)?)
}

fn current(settings: &Settings, data_dir: &Path) -> Result<Secret, ConfigError> {
    if settings.secret.is_some() && settings.secret_file.is_some() {
        return Err(SECRET_FILE.refused("LATCHKEY_SECRET is set too; keep one of them"));
    }
    if let Some(secret) = SECRET.optional(settings)? {
        return Ok(secret);
    }
    match SECRET_FILE.optional(settings)? {
        Some(file) => Secret::read(&file).map_err(|reason| SECRET_FILE.refused(reason)),
        None => Secret::read_or_make(&data_dir.join("secret")).map_err(|reason| DATA_DIR.refused(reason)),
    }
}

fn file(settings: &Settings, data_dir: &Path) -> Option<PathBuf> {
    match (&settings.secret, &settings.secret_file) {
        (Some(_), _) => None,
        (None, Some(file)) => Some(file.clone()),
        (None, None) => Some(data_dir.join("secret")),
    }
}
