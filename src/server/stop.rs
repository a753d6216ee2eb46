//! Tells whatever would go on for long that the server is asked to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Set once.
#[derive(Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks everybody to stop.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the server is asked to stop.
    pub async fn asked(&self) {
        // The sender is held here: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}
