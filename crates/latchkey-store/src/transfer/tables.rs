//! What a move takes along: each table and each column of it by name, and the texts that are made of them.

use sqlx::AssertSqlSafe;

use crate::StoreError;
use crate::engine::{Query, Row, query};

/// Marks, in `meta`, what was moved here. It belongs to the database and is never moved on.
pub const MARK: &str = "moved_from";

/// A table that is moved.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, but for those that the database itself fills.
    pub columns: &'static [Column],
    /// What is read of it, and in which order, where that matters.
    which: &'static str,
}

/// A column and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// TEXT
    Text(&'static str),
    /// BIGINT
    Integer(&'static str),
}

use Column::{Integer, Text};

/// All of them, those first that others refer to.
pub const TABLES: [Table; 6] = [
    Table {
        name: "users",
        columns: &[
            Text("id"),
            Text("username"),
            Text("email"),
            Text("password_hash"),
            Text("role"),
            Integer("epoch"),
            Integer("created_at"),
            Integer("disabled_at"),
            Integer("sessions_from"),
            Integer("sessions_ended_at"),
            Text("sessions_end_reason"),
            Integer("sessions_marked"),
            Integer("password_generation"),
            Integer("removed_at"),
            Text("hash_kind"),
        ],
        which: "",
    },
    Table {
        name: "sessions",
        columns: &[
            Text("id"),
            Text("user_id"),
            Text("client"),
            Text("user_agent"),
            Text("address"),
            Text("salt"),
            Integer("started_at"),
            Integer("expires_at"),
            Integer("ends_at"),
            Integer("ended_at"),
            Text("end_reason"),
            Integer("counter"),
            Integer("rotated_at"),
            Integer("used_counter"),
            Integer("last_used_at"),
            Integer("proved_at"),
            Integer("refreshes_until"),
            Integer("epoch"),
            Integer("token_exp"),
        ],
        which: "",
    },
    Table {
        name: "events",
        columns: &[
            Text("id"),
            Text("user_id"),
            Text("kind"),
            Integer("at"),
            Integer("count"),
            Text("client"),
            Text("user_agent"),
            Text("address"),
        ],
        which: "",
    },
    Table {
        name: "revocations",
        // Numbered anew by the database: in the order of the old numbers.
        columns: &[
            Text("session_id"),
            Text("user_id"),
            Integer("epoch"),
            Integer("at"),
            Integer("expires_at"),
        ],
        which: " ORDER BY seq",
    },
    Table {
        name: "throttles",
        columns: &[Text("key"), Integer("until")],
        which: "",
    },
    Table {
        name: "meta",
        columns: &[Text("key"), Text("value")],
        which: " WHERE key <> 'moved_from'",
    },
];

impl Column {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Text(name) | Integer(name) => name,
        }
    }
}

impl Table {
    /// Reads all of it.
    pub fn select(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("SELECT {} FROM {}{}", self.names(), self.name, self.which))
    }

    /// Writes rows that were read by [`select`](Self::select).
    ///
    /// # Errors
    /// When a row holds something else than its columns do.
    pub fn insert<'r>(&self, rows: &'r [Row]) -> Result<Query<'r>, StoreError> {
        let width = self.columns.len();
        let values = |row: usize| {
            (1..=width)
                .map(|value| format!("${}", row * width + value))
                .collect::<Vec<_>>()
                .join(",")
        };
        let all = (0..rows.len()).map(values).collect::<Vec<_>>().join("),(");
        let text = format!("INSERT INTO {} ({}) VALUES ({all})", self.name, self.names());
        let mut insert = query(AssertSqlSafe(text));
        for row in rows {
            for (number, column) in self.columns.iter().enumerate() {
                insert = match column {
                    Text(_) => insert.bind(row.at::<Option<&str>>(number)?),
                    Integer(_) => insert.bind(row.at::<Option<i64>>(number)?),
                };
            }
        }
        Ok(insert)
    }

    /// Counts its rows, and sums up what is in them: the lengths of texts and the last digits of numbers, each column with
    /// another weight. Both engines come to the same, and a change of a row to something else.
    pub fn tally(&self) -> AssertSqlSafe<String> {
        let terms = self.columns.iter().zip(1..).map(|(column, weight)| match column {
            Text(name) => format!("{weight} * COALESCE(LENGTH({name}), -1)"),
            Integer(name) => format!("{weight} * COALESCE({name} % 1000003, -1)"),
        });
        let sum = terms.collect::<Vec<_>>().join(" + ");
        let which = self.which.strip_suffix(" ORDER BY seq").unwrap_or(self.which);
        AssertSqlSafe(format!(
            "SELECT COUNT(*) AS total, CAST(COALESCE(SUM({sum}), 0) AS BIGINT) AS sum FROM {}{which}",
            self.name
        ))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
    }
}
