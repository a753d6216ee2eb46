//! What a transfer moves: every table that the migrations create, with every column. They are read from an empty database, so
//! that a table that is added later is moved too.

use std::collections::HashSet;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::StoreError;
use crate::engine::{Query, Row, migrations, query};

/// The key in `meta` that records what was moved into this database. It belongs to the database and is never moved on.
pub const MARK: &str = "moved_from";

/// A table to move.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, except one that the database numbers itself.
    pub columns: Vec<Column>,
    /// The column that the database numbers: rows are read in its order and numbered again in the target.
    numbered_by: Option<String>,
}

/// A column and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// TEXT
    Text(String),
    /// BIGINT
    Integer(String),
    /// BLOB or BYTEA
    Bytes(String),
}

/// Returns all tables, each after those that it refers to. Runs the migrations in memory.
pub async fn tables() -> Result<Vec<Table>, StoreError> {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await?;
    migrations::sqlite().run(&mut connection).await.map_err(migrations::error)?;
    let tables = of_schema(&mut connection).await?;
    connection.close().await?;
    Ok(tables)
}

async fn of_schema(connection: &mut SqliteConnection) -> Result<Vec<Table>, StoreError> {
    const NAMES: &str =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> $1 ORDER BY rowid";
    const PARENTS: &str = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)";
    let names: Vec<(String,)> = sqlx::query_as(NAMES).bind(migrations::TABLE).fetch_all(&mut *connection).await?;
    let mut waiting = Vec::with_capacity(names.len());
    for (name,) in names {
        let parents: Vec<(String,)> = sqlx::query_as(PARENTS).bind(&name).fetch_all(&mut *connection).await?;
        let parents: HashSet<String> = parents
            .into_iter()
            .map(|(parent,)| parent)
            .filter(|parent| *parent != name)
            .collect();
        waiting.push((of_table(connection, name).await?, parents));
    }
    let mut tables: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let next = waiting
            .iter()
            .position(|(_, parents)| parents.iter().all(|parent| tables.iter().any(|table| table.name == *parent)))
            .ok_or(StoreError::Corrupt("circle of tables"))?;
        tables.push(waiting.remove(next).0);
    }
    Ok(tables)
}

async fn of_table(connection: &mut SqliteConnection, name: String) -> Result<Table, StoreError> {
    const COLUMNS: &str = "SELECT name, UPPER(type), pk FROM pragma_table_info($1) ORDER BY cid";
    let found: Vec<(String, String, i64)> = sqlx::query_as(COLUMNS).bind(&name).fetch_all(connection).await?;
    let mut table = Table {
        name,
        columns: Vec::with_capacity(found.len()),
        numbered_by: None,
    };
    for (column, kind, key) in found {
        match kind.as_str() {
            // SQLite numbers the rows of such a key itself.
            "INTEGER" if key == 1 => table.numbered_by = Some(column),
            "TEXT" => table.columns.push(Column::Text(column)),
            "BIGINT" | "INTEGER" => table.columns.push(Column::Integer(column)),
            "BLOB" => table.columns.push(Column::Bytes(column)),
            _ => return Err(StoreError::Corrupt("type of column")),
        }
    }
    Ok(table)
}

impl Column {
    /// Returns the name of the column.
    pub fn name(&self) -> &str {
        match self {
            Self::Text(name) | Self::Integer(name) | Self::Bytes(name) => name,
        }
    }
}

impl Table {
    /// Returns the statement that reads the whole table.
    pub fn select(&self) -> AssertSqlSafe<String> {
        let order = self.numbered_by.as_ref().map(|column| format!(" ORDER BY {column}"));
        AssertSqlSafe(format!(
            "SELECT {} FROM {}{}{}",
            self.names(),
            self.name,
            self.filter(),
            order.unwrap_or_default()
        ))
    }

    /// Returns the statement that writes rows that were read by [`select`](Self::select). Fails when a row does not match the
    /// columns.
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
                    Column::Text(_) => insert.bind(row.at::<Option<&str>>(number)?),
                    Column::Integer(_) => insert.bind(row.at::<Option<i64>>(number)?),
                    Column::Bytes(_) => insert.bind(row.at::<Option<Vec<u8>>>(number)?),
                };
            }
        }
        Ok(insert)
    }

    /// Returns the statement that counts the rows and sums up their content: the lengths of texts and bytes and the last digits
    /// of numbers (modulo 1,000,003), each column with its own weight. Both engines return the same sum for the same rows, and
    /// another sum when a row changes.
    pub fn tally(&self) -> AssertSqlSafe<String> {
        let terms = self.columns.iter().zip(1..).map(|(column, weight)| match column {
            Column::Text(name) | Column::Bytes(name) => format!("{weight} * COALESCE(LENGTH({name}), -1)"),
            Column::Integer(name) => format!("{weight} * COALESCE({name} % 1000003, -1)"),
        });
        let sum = terms.collect::<Vec<_>>().join(" + ");
        AssertSqlSafe(format!(
            "SELECT COUNT(*) AS total, CAST(COALESCE(SUM({sum}), 0) AS BIGINT) AS sum FROM {}{}",
            self.name,
            self.filter()
        ))
    }

    fn names(&self) -> String {
        self.columns.iter().map(Column::name).collect::<Vec<_>>().join(", ")
    }

    fn filter(&self) -> &'static str {
        if self.name == "meta" { " WHERE key <> 'moved_from'" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;

    #[tokio::test]
    async fn an_added_table_is_moved_after_the_tables_that_it_refers_to() {
        let mut connection = SqliteConnectOptions::new()
            .in_memory(true)
            .connect()
            .await
            .expect("open a database in memory");
        let added = "CREATE TABLE keys (id INTEGER PRIMARY KEY, user_id TEXT REFERENCES users (id), public_key BLOB, used BIGINT);
             CREATE TABLE users (id TEXT PRIMARY KEY)";
        connection.execute(added).await.expect("create the tables");
        let tables = of_schema(&mut connection).await.expect("read the tables");
        let [users, keys] = &tables[..] else { panic!("{tables:?}") };
        assert_eq!((users.name.as_str(), keys.name.as_str()), ("users", "keys"));
        assert_eq!(
            keys.columns,
            [
                Column::Text("user_id".into()),
                Column::Bytes("public_key".into()),
                Column::Integer("used".into())
            ]
        );
        assert_eq!(keys.select().0, "SELECT user_id, public_key, used FROM keys ORDER BY id");
    }

    #[tokio::test]
    async fn every_table_except_that_of_the_migrations_is_moved() {
        let tables = tables().await.expect("read the tables");
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        for name in ["users", "sessions", "events", "revocations", "throttles", "meta"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(!names.contains(&migrations::TABLE), "{names:?}");
    }
}
