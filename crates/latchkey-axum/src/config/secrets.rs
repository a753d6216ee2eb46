//! Where the secrets come from.

use std::path::{Path, PathBuf};

use super::{ConfigError, Settings, refused};
use latchkey_core::secret;
use latchkey_core::secret::{Secret, Secrets};

/// Reads the secrets; makes the current one, the first time, where no setting names one. Where it is missing and is not to be
/// made, a random one takes its place: nothing is signed with it.
pub fn read(settings: &Settings, data_dir: &Path, missing: bool) -> Result<Secrets, ConfigError> {
    Ok(Secrets {
        current: if missing { Secret::random() } else { current(settings, data_dir)? },
        previous: previous(settings)?,
    })
}

/// What to tell the operator of the file that the secret is in.
pub fn warning(settings: &Settings, data_dir: &Path) -> Option<String> {
    secret::warning(&file(settings, data_dir)?)
}

fn current(settings: &Settings, data_dir: &Path) -> Result<Secret, ConfigError> {
    match (&settings.secret, &settings.secret_file) {
        (Some(_), Some(_)) => Err(refused("LATCHKEY_SECRET_FILE", "LATCHKEY_SECRET is set too; keep one of them")),
        (Some(text), None) => Secret::parse(text).map_err(|reason| refused("LATCHKEY_SECRET", reason)),
        (None, Some(file)) => Secret::read(file).map_err(|reason| refused("LATCHKEY_SECRET_FILE", reason)),
        (None, None) => Secret::read_or_make(&data_dir.join("secret")).map_err(|reason| refused("LATCHKEY_DATA_DIR", reason)),
    }
}

fn previous(settings: &Settings) -> Result<Option<Secret>, ConfigError> {
    let previous = settings.secret_previous.as_deref().map(Secret::parse).transpose();
    previous.map_err(|reason| refused("LATCHKEY_SECRET_PREVIOUS", reason))
}

fn file(settings: &Settings, data_dir: &Path) -> Option<PathBuf> {
    match (&settings.secret, &settings.secret_file) {
        (Some(_), _) => None,
        (None, Some(file)) => Some(file.clone()),
        (None, None) => Some(data_dir.join("secret")),
    }
}
