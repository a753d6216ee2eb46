//! Moves all data from one database to another. One transaction on the target makes sure that the data arrives completely or not
//! at all. The source is locked in the meantime, so that the target misses no end of a session.

mod error;
mod tables;

use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::try_join;
use tokio::time::timeout;

pub use self::tables::{Column, Table, tables};
pub use error::TransferError;

use self::tables::MARK;
use super::StoreError;
use crate::DatabaseUrl;
use crate::engine::{Database, ExclusiveConnection, LockMode, OpenMode, Row, Rows, query};

/// The longest wait for a batch of rows to be read or written. A database that takes longer does not answer any more.
const BATCH_TIMEOUT: Duration = Duration::from_mins(1);

/// How far a move has come.
pub enum Progress<'t> {
    /// The rows are being counted.
    Counts,
    /// The rows of a table are being moved.
    Moves {
        /// The name of the table.
        table: &'t str,
        /// How many of its rows were moved so far.
        moved: u64,
        /// How many rows it has.
        of: u64,
    },
    /// The rows that arrived are being checked.
    Checks,
}

/// The result of a move.
pub struct Moved {
    /// Whether the same move had been made before, so that there was nothing to do.
    pub already: bool,
    /// Each table with its number of rows, which is the same on both sides.
    pub rows: Vec<(String, i64)>,
}

/// The row count and the checksum of a table.
#[derive(PartialEq, Eq)]
struct Tally {
    rows: i64,
    sum: i64,
}

/// Moves all data and calls `watch` at each step and after each batch. After an error the target is as it was, except that its
/// tables may have been created.
pub async fn run(from: &DatabaseUrl, to: &DatabaseUrl, mut watch: impl FnMut(Progress<'_>)) -> Result<Moved, TransferError> {
    let tables = tables().await.map_err(TransferError::Source)?;
    let mut source = hold_source(from, &tables).await?;
    if source.is_at(to).await.map_err(TransferError::Target)? {
        return Err(TransferError::Same);
    }
    watch(Progress::Counts);
    let tallies = tallies(&mut source, &tables).await.map_err(TransferError::Source)?;
    let mark = mark_of(&mut source, &tables, &tallies).await?;
    let mut target = hold_target(to, &tables).await?;
    let already = is_already_moved(&mut target, &tables, &mark, &tallies).await?;
    if already {
        target.release().await.map_err(TransferError::Target)?;
    } else {
        clear_throttles(&mut target).await.map_err(TransferError::Target)?;
        for (table, tally) in tables.iter().zip(&tallies) {
            copy(&mut source, &mut target, table, tally.rows.unsigned_abs(), &mut watch).await?;
        }
        watch(Progress::Checks);
        check(&mut target, &tables, &tallies).await?;
        set_mark(&mut target, &mark).await.map_err(TransferError::Target)?;
        target.commit().await.map_err(TransferError::Target)?;
    }
    // Until here no one could change the source, so the target has exactly what the source had.
    source.release().await.map_err(TransferError::Source)?;
    Ok(Moved {
        already,
        rows: tables
            .into_iter()
            .zip(tallies)
            .map(|(table, tally)| (table.name, tally.rows))
            .collect(),
    })
}

async fn hold_source(from: &DatabaseUrl, tables: &[Table]) -> Result<ExclusiveConnection, TransferError> {
    match pending(from).await.map_err(TransferError::Source)? {
        None => Err(TransferError::NoSource),
        Some(0) => ExclusiveConnection::hold(from, LockMode::Reading, &names(tables))
            .await
            .map_err(TransferError::Source),
        Some(_) => Err(TransferError::OldSource),
    }
}

/// Creates the target if it does not exist, and locks it.
async fn hold_target(to: &DatabaseUrl, tables: &[Table]) -> Result<ExclusiveConnection, TransferError> {
    // Tells a target of an older version with accounts (`Foreign`) from an empty one, which cannot be opened below (`OldSchema`).
    // If the table `meta` does not exist yet, there are no accounts.
    if pending(to).await.map_err(TransferError::Target)?.is_some_and(|steps| steps > 0)
        && let Ok(mut old) = ExclusiveConnection::hold(to, LockMode::Reading, &["meta"]).await
        && old
            .one(query("SELECT key FROM meta LIMIT 1"))
            .await
            .map_err(TransferError::Target)?
            .is_some()
    {
        return Err(TransferError::Foreign);
    }
    let target = Database::open(to, 1, OpenMode::CreateIfMissing)
        .await
        .map_err(TransferError::Target)?;
    target.close().await;
    ExclusiveConnection::hold(to, LockMode::Writing, &names(tables))
        .await
        .map_err(TransferError::Target)
}

async fn pending(url: &DatabaseUrl) -> Result<Option<usize>, StoreError> {
    Ok(Database::inspect(url).await?.map(|found| found.pending_migrations))
}

/// Returns whether the target already holds this very move. Fails when it holds anything else.
async fn is_already_moved(
    target: &mut ExclusiveConnection,
    tables: &[Table],
    mark: &str,
    expected: &[Tally],
) -> Result<bool, TransferError> {
    let found = meta(target, MARK).await.map_err(TransferError::Target)?;
    let there = tallies(target, tables).await.map_err(TransferError::Target)?;
    let used = tables
        .iter()
        .zip(&there)
        .any(|(table, tally)| table.name != "throttles" && tally.rows > 0);
    match found {
        None if used => Err(TransferError::Foreign),
        None => Ok(false),
        Some(found) if found != mark => Err(TransferError::AnotherMove),
        Some(_) if there != expected => Err(TransferError::Used),
        Some(_) => Ok(true),
    }
}

/// Deletes the limits of the target. Sign-in attempts may have been charged there before it had accounts; the limits of the
/// source apply.
async fn clear_throttles(target: &mut ExclusiveConnection) -> Result<(), StoreError> {
    target.run(query("DELETE FROM throttles")).await?;
    Ok(())
}

/// Copies a table; reads the next batch while one is written.
async fn copy(
    source: &mut ExclusiveConnection,
    target: &mut ExclusiveConnection,
    table: &Table,
    of: u64,
    watch: &mut impl FnMut(Progress<'_>),
) -> Result<(), TransferError> {
    let (mut moved, size) = (0, target.rows_at_once());
    let mut rows = source.rows(query(table.select()));
    let mut batch = next(&mut rows, size).await?;
    loop {
        watch(Progress::Moves {
            table: &table.name,
            moved,
            of,
        });
        if batch.is_empty() {
            return Ok(());
        }
        let insert = table.insert(&batch).map_err(TransferError::Source)?;
        let written = async {
            let done = timeout(BATCH_TIMEOUT, target.run(insert)).await;
            done.unwrap_or(Err(StoreError::Silent)).map_err(TransferError::Target)
        };
        let (written, following) = try_join(written, next(&mut rows, size)).await?;
        moved += written;
        batch = following;
    }
}

async fn next(rows: &mut Rows<'_>, size: usize) -> Result<Vec<Row>, TransferError> {
    let mut batch = Vec::with_capacity(size);
    let read = async {
        while batch.len() < size {
            match rows.try_next().await? {
                Some(row) => batch.push(row),
                None => break,
            }
        }
        Ok(())
    };
    let read = timeout(BATCH_TIMEOUT, read).await.unwrap_or(Err(StoreError::Silent));
    read.map_err(TransferError::Source)?;
    Ok(batch)
}

/// Checks that each table arrived, by reading it within the transaction that wrote it.
async fn check(target: &mut ExclusiveConnection, tables: &[Table], expected: &[Tally]) -> Result<(), TransferError> {
    let there = tallies(target, tables).await.map_err(TransferError::Target)?;
    let mut pairs = tables.iter().zip(expected).zip(&there);
    match pairs.find(|((_, expected), there)| expected != there) {
        None => Ok(()),
        Some(((table, expected), there)) => Err(TransferError::Differs {
            table: table.name.clone(),
            here: expected.rows,
            there: there.rows,
        }),
    }
}

async fn tallies(database: &mut ExclusiveConnection, tables: &[Table]) -> Result<Vec<Tally>, StoreError> {
    let mut tallies = Vec::with_capacity(tables.len());
    for table in tables {
        let row = database.one(query(table.tally())).await?.ok_or(StoreError::Silent)?;
        tallies.push(Tally {
            rows: row.get("total")?,
            sum: row.get("sum")?,
        });
    }
    Ok(tallies)
}

/// Returns a mark that identifies this source in its present state: its first account and the tallies of its tables.
async fn mark_of(source: &mut ExclusiveConnection, tables: &[Table], tallies: &[Tally]) -> Result<String, TransferError> {
    let first = meta(source, "first_account").await.map_err(TransferError::Source)?;
    let mut mark = vec![first.ok_or(TransferError::EmptySource)?];
    mark.extend(
        tables
            .iter()
            .zip(tallies)
            .map(|(table, Tally { rows, sum })| format!("{}={rows}/{sum}", table.name)),
    );
    Ok(mark.join(" "))
}

async fn set_mark(target: &mut ExclusiveConnection, mark: &str) -> Result<(), StoreError> {
    target
        .run(query("INSERT INTO meta (key, value) VALUES ($1, $2)").bind(MARK).bind(mark))
        .await?;
    Ok(())
}

async fn meta(database: &mut ExclusiveConnection, key: &str) -> Result<Option<String>, StoreError> {
    let row = database.one(query("SELECT value FROM meta WHERE key = $1").bind(key)).await?;
    row.map(|row| row.get("value")).transpose()
}

fn names(tables: &[Table]) -> Vec<&str> {
    tables.iter().map(|table| table.name.as_str()).collect()
}
