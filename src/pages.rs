//! The pages of this app: one file each, its handler, then its view.

mod dashboard;
mod docs;
mod home;

pub use dashboard::dashboard;
pub use docs::docs;
pub use home::home;
