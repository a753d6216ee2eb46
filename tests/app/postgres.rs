//! Tests that need PostgreSQL: several nodes on one database, and `latchkey move`. They run with `TEST_ENGINE=postgres`.

mod nodes;
mod transfer;
