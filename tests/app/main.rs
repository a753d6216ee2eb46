//! Tests of the whole application in one process, on a real SQLite file or, with `TEST_ENGINE=postgres`, on a real PostgreSQL server.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]
#![expect(clippy::print_stdout, reason = "people read the measurements")]

mod account;
mod api;
mod cost;
mod databases;
mod ending;
mod every_route;
mod first_use;
mod fixture;
mod forms;
mod guard;
mod hashes;
mod hostile;
mod hostile_strings;
mod known_devices;
mod lasting_ends;
mod metrics;
mod new_accounts;
mod new_passwords;
mod news;
mod opening;
mod pages;
mod paging;
mod postgres;
mod races;
mod refresh;
mod requests;
mod sameness;
mod services;
mod shared_limits;
mod sign_in_limits;
mod size;
mod support;
mod throttle;
