//! PostgreSQL: a pool of connections, one more connection that reads revocations, and one more that receives NOTIFY.
//!
//! Transactions run at `READ COMMITTED`. What SQLite's single writer rules out is ruled out here by the row of the account: every
//! transaction that begins or ends sessions of an account locks that row first (`lock_account`).

mod exclusive;
mod notify;
mod pool;

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Inspection, KEY_SALT, OpenMode, Query, Row, TIMEOUT, migrations, query};
use crate::StoreError;
use crate::engine::migrations::Applied;
pub use exclusive::{connect_unlimited, hold};
use pool::{Connection, ConnectionManager, connect};

/// How many revocations one query reads: a page of them arrives well within [`TIMEOUT`].
const REVOCATIONS_PAGE: i64 = 10_000;

/// An open database.
pub struct PostgresStore {
    options: PgConnectOptions,
    pool: Pool<ConnectionManager>,
    revocation_reader: Mutex<Option<PgConnection>>,
    changed: Notify,
}

impl PostgresStore {
    /// Connects and brings the tables up to date if the mode allows it. Any number of nodes may do so at once: one migrates, the
    /// others wait.
    pub async fn open(options: &PgConnectOptions, connections: usize, mode: OpenMode) -> Result<Self, StoreError> {
        let mut connection = within(Instant::now() + TIMEOUT, connect(options)).await?;
        if needs_migration(&mut connection, mode).await? {
            // Waiting for another node, and a migration of many rows, may take longer than a request may.
            sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
                .execute(&mut connection)
                .await?;
            migrate(&mut connection).await?;
        }
        connection.close().await?;
        let pool = Pool::builder(ConnectionManager(options.clone()))
            .max_size(connections)
            .wait_timeout(Some(TIMEOUT))
            .create_timeout(Some(TIMEOUT))
            .recycle_timeout(Some(Duration::from_secs(1)))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Unavailable(sqlx::Error::Configuration(error.into())))?;
        Ok(Self {
            options: options.clone(),
            pool,
            revocation_reader: Mutex::default(),
            changed: Notify::default(),
        })
    }

    /// Reads what can be known about a database without changing it. Returns `None` when there are no tables yet.
    pub async fn inspect(options: &PgConnectOptions) -> Result<Option<Inspection>, StoreError> {
        let mut connection = within(Instant::now() + TIMEOUT, connect(options)).await?;
        let found = inspect_tables(&mut connection).await?;
        connection.close().await?;
        Ok(found)
    }

    /// Returns all rows of a query.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        self.connection().await?.all(query, Instant::now() + TIMEOUT).await
    }

    /// Makes a change of one statement. Returns how many rows it affected. It uses a transaction too, because a single statement
    /// is answered before its commit is.
    pub async fn write(&self, query: Query<'static>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let count = tx.run(query).await?;
        tx.commit().await?;
        Ok(count)
    }

    /// Begins a transaction. All of it has to be done within [`TIMEOUT`].
    pub async fn begin(&self) -> Result<StoreTransaction, StoreError> {
        let mut connection = self.connection().await?;
        let deadline = Instant::now() + TIMEOUT;
        connection.run(query("BEGIN"), deadline).await?;
        Ok(StoreTransaction {
            connection: Some(connection),
            deadline,
        })
    }

    /// Begins a transaction that fails instead of waiting longer than 100 ms for a row that another transaction has locked.
    /// PostgreSQL breaks a deadlock by aborting one transaction; this one gives up first, so that it is none that a response
    /// waits for.
    pub async fn begin_yielding(&self) -> Result<StoreTransaction, StoreError> {
        let mut tx = self.begin().await?;
        tx.run(query("SET LOCAL lock_timeout = 100")).await?;
        Ok(tx)
    }

    /// Passes each revocation after a position to `apply`. Returns the position up to which everything was seen. A new connection
    /// may lead to another server than the one before it, so it reads all revocations from the start. It reads page by page,
    /// because each page has to arrive in time.
    pub async fn revocation_rows_after(&self, from: i64, mut apply: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        // Every running transaction has a number, and later ones get higher numbers. All transactions below the lowest running
        // number are decided and visible. The outer join returns one row even when there are no new revocations.
        const PAGE: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS seen, written_by, seq, session_id, user_id, epoch, at, expires_at FROM (SELECT 1) AS always LEFT JOIN LATERAL (SELECT * FROM revocations WHERE (written_by, seq) > ($1, $2) ORDER BY written_by, seq LIMIT $3) AS page ON TRUE";
        let begun = Instant::now() + TIMEOUT;
        let mut reader = within(begun, async { Ok(self.revocation_reader.lock().await) }).await?;
        let (mut connection, from) = match reader.take() {
            Some(connection) => (connection, from),
            None => (within(begun, connect(&self.options)).await?, 0),
        };
        let mut after = (from, i64::MAX);
        let mut seen = None;
        loop {
            let page = query(PAGE).bind(after.0).bind(after.1).bind(REVOCATIONS_PAGE);
            let rows = within(Instant::now() + TIMEOUT, async {
                Ok(page.prepare::<Postgres>().fetch_all(&mut connection).await?)
            })
            .await?;
            let full = i64::try_from(rows.len()).is_ok_and(|rows| rows == REVOCATIONS_PAGE);
            for row in rows.into_iter().map(Row::Postgres) {
                // The first page decides the position: what commits while later pages are read is read again.
                seen = seen.or(Some(row.get("seen")?));
                if let (Some(transaction), Some(seq)) = (row.get("written_by")?, row.get("seq")?) {
                    after = (transaction, seq);
                    apply(row)?;
                }
            }
            if !full {
                break;
            }
        }
        let seen = seen.unwrap_or(from);
        // Transaction numbers never go backwards on one server. A lower one means another server, or another database in its
        // place.
        if seen >= from {
            *reader = Some(connection);
        }
        Ok(seen)
    }

    /// Waits until there may be new revocations.
    pub async fn wait_for_change(&self) {
        self.changed.notified().await;
    }

    /// Wakes [`wait_for_change`](Self::wait_for_change) whenever there may be new revocations, for as long as the program runs.
    pub async fn listen(&self) {
        notify::listen(&self.options, &self.changed).await;
    }

    /// Returns how many connections are open, how many of these are idle, and how many callers wait for one.
    pub fn connections(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (status.size, status.available, status.waiting)
    }

    /// Closes the pool and the connection that reads revocations.
    pub async fn close(&self) {
        self.pool.close();
        if let Some(connection) = self.revocation_reader.lock().await.take() {
            let _ = timeout(TIMEOUT, connection.close()).await;
        }
    }

    /// Takes a working connection from the pool. Connections that hang are tried one after the other, all of them together within
    /// [`TIMEOUT`].
    async fn connection(&self) -> Result<Object<ConnectionManager>, StoreError> {
        within(Instant::now() + TIMEOUT, async {
            Box::pin(self.pool.get()).await.map_err(|error| match error {
                PoolError::Backend(error) => error,
                _ => StoreError::slow(),
            })
        })
        .await
    }
}

/// A transaction. Rolls back on drop unless committed.
pub struct StoreTransaction {
    connection: Option<Object<ConnectionManager>>,
    deadline: Instant,
}

impl StoreTransaction {
    /// Runs a statement. Returns how many rows it affected.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        let deadline = self.deadline;
        self.connection()?.run(query, deadline).await
    }

    /// Runs a statement or a query and returns its rows.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let deadline = self.deadline;
        self.connection()?.all(query, deadline).await
    }

    /// Writes when sessions were last used, except those whose rows others have locked. Returns the ids of the sessions that were
    /// not locked. It waits for no row, so it takes part in no deadlock.
    pub async fn write_last_used(&mut self, uses: &str) -> Result<Vec<Row>, StoreError> {
        const WRITE: &str = "WITH free AS (SELECT sessions.id, CAST(uses.value AS BIGINT) AS at FROM json_each_text(CAST($1 AS JSON)) AS uses JOIN sessions ON sessions.id = uses.key FOR UPDATE OF sessions SKIP LOCKED), written AS (UPDATE sessions SET last_used_at = free.at FROM free WHERE sessions.id = free.id AND last_used_at < free.at) SELECT id FROM free";
        self.all(query(WRITE).bind(uses)).await
    }

    /// Commits the transaction, durably.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let deadline = self.deadline;
        self.connection()?.run(query("COMMIT"), deadline).await?;
        self.connection = None;
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_deref_mut().ok_or_else(StoreError::slow)
    }
}

impl Drop for StoreTransaction {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            // Roll back now and not when the connection is used next, because others wait for the rows.
            tokio::spawn(async move { connection.run(query("ROLLBACK"), Instant::now() + TIMEOUT).await });
        }
    }
}

/// Returns whether the tables have to be created or migrated. Waits while the number of pending migrations goes down, because
/// another node is migrating then.
async fn needs_migration(connection: &mut PgConnection, mode: OpenMode) -> Result<bool, StoreError> {
    let mut before = usize::MAX;
    loop {
        let pending = inspect_tables(connection).await?.map(|found| found.pending_migrations);
        match (mode.accept(pending), pending) {
            (Err(StoreError::OldSchema), Some(pending)) if pending < before => {
                before = pending;
                sleep(Duration::from_millis(200)).await;
            }
            (accepted, _) => return accepted,
        }
    }
}

async fn inspect_tables(connection: &mut PgConnection) -> Result<Option<Inspection>, StoreError> {
    let steps = migrations::postgres();
    let (applied, renamings) = if has_table(connection, migrations::TABLE).await? {
        (read_applied(connection, migrations::APPLIED).await?, 0)
    } else if has_table(connection, migrations::FORMER_TABLE).await? {
        let applied = read_applied(connection, migrations::FORMERLY_APPLIED).await?;
        if !migrations::are_ours(&steps, &applied) {
            return Ok(None);
        }
        (applied, 1)
    } else {
        return Ok(None);
    };
    // Another program may have just created the table of migrations without having applied one yet.
    if applied.is_empty() {
        return Ok(None);
    }
    let pending_migrations = migrations::pending(&steps, &applied)? + renamings;
    let key_salt: Option<(String,)> = sqlx::query_as(KEY_SALT).fetch_optional(connection).await?;
    Ok(Some(Inspection {
        pending_migrations,
        key_salt: key_salt.map(|(salt,)| salt).unwrap_or_default(),
    }))
}

async fn has_table(connection: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    let (exists,): (bool,) = sqlx::query_as("SELECT to_regclass($1) IS NOT NULL")
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(exists)
}

async fn read_applied(connection: &mut PgConnection, statement: &'static str) -> Result<Vec<Applied>, StoreError> {
    Ok(sqlx::query_as(statement).fetch_all(connection).await?)
}

/// Renames the table of migrations of the first versions, then applies the pending migrations.
async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let steps = migrations::postgres();
    let mut tx = connection.begin().await?;
    // Nodes that start together try the renaming one after the other; the later ones find it done.
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('latchkey migrations'))")
        .execute(&mut *tx)
        .await?;
    if !has_table(&mut tx, migrations::TABLE).await? && has_table(&mut tx, migrations::FORMER_TABLE).await? {
        let applied = read_applied(&mut tx, migrations::FORMERLY_APPLIED).await?;
        if migrations::are_ours(&steps, &applied) {
            sqlx::raw_sql(migrations::RENAME).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    steps.run(connection).await.map_err(migrations::error)
}

/// Fails when the work is not done by the deadline.
async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout_at(deadline, work).await.map_err(|_| StoreError::slow())?
}
