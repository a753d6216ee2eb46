//! What only PostgreSQL has: nodes beside each other, and moving to it. Runs with `TEST_ENGINE=postgres`.

mod nodes;
mod transfer;
