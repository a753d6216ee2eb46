//! The pages of this app. Each file holds the handler of one page, then its view.

mod dashboard;
mod docs;
mod home;

pub use dashboard::dashboard;
pub use docs::docs;
pub use home::home;
