//! The contract on PostgreSQL: the same tests as on SQLite, from the same files, and what only PostgreSQL has.

#![expect(clippy::expect_used, reason = "a test may expect what it wants")]
#![expect(clippy::print_stdout, reason = "measurements are for people to read")]

/// What the tests run on.
const ENGINE: databases::Engine = databases::Engine::Postgres;

#[path = "../app/account.rs"]
mod account;
#[path = "../app/api.rs"]
mod api;
#[path = "../app/cost.rs"]
mod cost;
#[path = "../app/databases.rs"]
mod databases;
#[path = "../app/ending.rs"]
mod ending;
#[path = "../app/every_route.rs"]
mod every_route;
#[path = "../app/first_use.rs"]
mod first_use;
#[path = "../app/fixture.rs"]
mod fixture;
#[path = "../app/forms.rs"]
mod forms;
#[path = "../app/guard.rs"]
mod guard;
#[path = "../app/hashes.rs"]
mod hashes;
#[path = "../app/hostile.rs"]
mod hostile;
#[path = "../app/hostile_strings.rs"]
mod hostile_strings;
#[path = "../app/known_devices.rs"]
mod known_devices;
#[path = "../app/lasting_ends.rs"]
mod lasting_ends;
#[path = "../app/metrics.rs"]
mod metrics;
#[path = "../app/new_accounts.rs"]
mod new_accounts;
#[path = "../app/new_passwords.rs"]
mod new_passwords;
#[path = "../app/news.rs"]
mod news;
mod nodes;
#[path = "../app/opening.rs"]
mod opening;
#[path = "../app/pages.rs"]
mod pages;
#[path = "../app/paging.rs"]
mod paging;
#[path = "../app/races.rs"]
mod races;
#[path = "../app/refresh.rs"]
mod refresh;
#[path = "../app/requests.rs"]
mod requests;
#[path = "../app/sameness.rs"]
mod sameness;
#[path = "../app/services.rs"]
mod services;
#[path = "../app/shared_limits.rs"]
mod shared_limits;
#[path = "../app/sign_in_limits.rs"]
mod sign_in_limits;
#[path = "../app/size.rs"]
mod size;
#[path = "../app/support.rs"]
mod support;
#[path = "../app/throttle.rs"]
mod throttle;
mod transfer;
