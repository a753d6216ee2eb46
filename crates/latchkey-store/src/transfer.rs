//! Moves everything from one database to another: in one transaction on the target, so that it is there whole or not at all,
//! and with the source held still, so that no end of a session is left behind.

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

/// Longest wait for a batch of rows to come or to be taken. What takes longer does not come any more.
const SILENCE: Duration = Duration::from_mins(1);

/// How far a move is.
pub enum Progress<'t> {
    /// Counts what there is.
    Counts,
    /// Moves the rows of a table.
    Moves {
        /// Its name.
        table: &'t str,
        /// Its rows so far.
        moved: u64,
        /// All of its rows.
        of: u64,
    },
    /// Reads what arrived.
    Checks,
}

/// How it went.
pub struct Moved {
    /// Nothing had to be done: the same move was made before.
    pub already: bool,
    /// Each table with its rows, the same on both sides.
    pub rows: Vec<(String, i64)>,
}

/// What a table holds.
#[derive(PartialEq, Eq)]
struct Tally {
    rows: i64,
    sum: i64,
}

/// Moves everything; `watch` is told of each step and each batch.
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
    let already = is_there(&mut target, &tables, &mark, &tallies).await?;
    if already {
        target.release().await.map_err(TransferError::Target)?;
    } else {
        clear_budgets(&mut target).await.map_err(TransferError::Target)?;
        for (table, tally) in tables.iter().zip(&tallies) {
            copy(&mut source, &mut target, table, tally.rows.unsigned_abs(), &mut watch).await?;
        }
        watch(Progress::Checks);
        check(&mut target, &tables, &tallies).await?;
        set_mark(&mut target, &mark).await.map_err(TransferError::Target)?;
        target.commit().await.map_err(TransferError::Target)?;
    }
    // Until here nobody could change it: what the target has is what it had.
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

/// Creates the target where there is none and holds it.
async fn hold_target(to: &DatabaseUrl, tables: &[Table]) -> Result<ExclusiveConnection, TransferError> {
    // Accounts of an older version are told apart from empty tables of one. Where there is no such table yet, there are none.
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

/// Whether the target holds this very move. It is refused when it holds anything else.
async fn is_there(target: &mut ExclusiveConnection, tables: &[Table], mark: &str, expected: &[Tally]) -> Result<bool, TransferError> {
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

/// Whoever guessed at names before there were accounts left budgets here; those of the source count.
async fn clear_budgets(target: &mut ExclusiveConnection) -> Result<(), StoreError> {
    target.run(query("DELETE FROM throttles")).await?;
    Ok(())
}

/// While a batch is written, the next one is read.
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
            let done = timeout(SILENCE, target.run(insert)).await;
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
    let read = timeout(SILENCE, read).await.unwrap_or(Err(StoreError::Silent));
    read.map_err(TransferError::Source)?;
    Ok(batch)
}

/// Whether each table arrived, read back within the transaction that wrote it.
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

/// What tells this source, as it is now, from any other: its first account, and what its tables hold.
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
