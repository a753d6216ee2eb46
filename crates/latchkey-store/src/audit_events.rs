//! Stores the audit events.

use uuid::Uuid;

use super::{Store, StoreError};
use crate::engine::{Row, StoreTransaction, query};
use crate::{AuditEvent, Client, ClientKind, EventKind, NewEvent, UnixSeconds};
use latchkey_types::UserId;

impl NewEvent<'_> {
    pub(super) async fn insert(&self, tx: &mut StoreTransaction) -> Result<(), StoreError> {
        tx.run(query("INSERT INTO events (id, user_id, kind, at, count, client, user_agent, address) SELECT $1, id, $3, $4, 1, $5, $6, $7 FROM users WHERE id = $2")
            .bind(Uuid::now_v7().to_string())
            .bind(&self.user.0)
            .bind(self.kind.as_str())
            .bind(self.at)
            .bind(self.client.kind.as_str())
            .bind(&self.client.user_agent)
            .bind(address(self.client))).await?;
        Ok(())
    }

    /// Counts a failed sign-in to an earlier one from the same address, if there is one within `shared_for` seconds. The
    /// statement spells out the kind, because the database uses the index of failures for no statement that leaves it open.
    pub(super) async fn count_or_insert(&self, tx: &mut StoreTransaction, shared_for: i64) -> Result<(), StoreError> {
        let counted = tx.run(query(
            "UPDATE events SET count = count + 1, at = $1 WHERE id = (SELECT id FROM events WHERE user_id = $2 AND kind = 'sign_in_failed' AND address = $3 AND at > $4 ORDER BY at DESC LIMIT 1)",
        )
        .bind(self.at)
        .bind(&self.user.0)
        .bind(address(self.client))
        .bind(self.at - shared_for)).await?;
        if counted == 0 {
            self.insert(tx).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Returns the latest events of an account, newest first.
    pub async fn events(&self, user: &UserId, limit: i64) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = self
            .database
            .all(
                query("SELECT * FROM events WHERE user_id = (SELECT $1) ORDER BY at DESC, id DESC LIMIT $2")
                    .bind(&user.0)
                    .bind(limit),
            )
            .await?;
        rows.iter().map(event).collect()
    }

    /// Deletes a batch of events older than `before`. Returns how many it deleted.
    pub async fn remove_events_before(&self, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        const OLD: &str = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 LIMIT $2)";
        self.remove(OLD, before, limit).await
    }
}

fn event(row: &Row) -> Result<AuditEvent, StoreError> {
    Ok(AuditEvent {
        kind: EventKind::parse(row.get("kind")?).ok_or(StoreError::Corrupt("kind of event"))?,
        at: row.get("at")?,
        count: row.get("count")?,
        client: client(row)?,
    })
}

/// Reads the client from a row of sessions or events.
pub(super) fn client(row: &Row) -> Result<Client, StoreError> {
    let kind = ClientKind::parse(row.get("client")?).ok_or(StoreError::Corrupt("kind of client"))?;
    let address: &str = row.get("address")?;
    Ok(Client::new(kind, row.get("user_agent")?, address.parse().ok()))
}

/// Returns the address as a row holds it: empty when it is unknown.
pub(super) fn address(client: &Client) -> String {
    client.address.map_or_else(String::new, |address| address.to_string())
}
