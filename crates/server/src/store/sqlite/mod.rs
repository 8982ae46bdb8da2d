//! The SQLite backend: one file in write-ahead mode, two writing connections behind one gate, several readers.
//!
//! Made by `start`. Directory changes are written with synchronous=FULL: what was acknowledged is on the disk. Sign-ins
//! and used assertions go through a connection with synchronous=NORMAL: they survive kill -9, not a power cut.

mod directory;
mod keys;
mod logs;
mod open;
mod transaction;
#[cfg(test)]
mod upgrade;

use std::sync::Arc;

use countersign_core::time::UnixTime;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Connection as _, Row as _};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Pending, Store, StoreError};

pub use open::OpenError;

/// A store in an SQLite file.
pub struct SqliteStore {
    readers: SqlitePool,
    writers: Arc<Mutex<Writers>>,
}

/// The connections that write. SQLite lets one write at a time; waiting here is fair and wakes at once, waiting in its
/// busy handler is neither.
struct Writers {
    directory: SqliteConnection,
    logs: SqliteConnection,
    /// A transaction on `directory` was abandoned and must be rolled back before the connection is used.
    abandoned: bool,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Opens a store, making it if the file is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`OpenError`], naming the file and the cause.
    pub async fn open(path: &std::path::Path) -> Result<Self, OpenError> {
        open::open(path).await
    }

    async fn writers(&self) -> Result<OwnedMutexGuard<Writers>, StoreError> {
        let mut writers = Arc::clone(&self.writers).lock_owned().await;
        writers.roll_back_abandoned().await?;
        Ok(writers)
    }
}

impl Writers {
    async fn roll_back_abandoned(&mut self) -> Result<(), StoreError> {
        if self.abandoned {
            // SQLite may have rolled back by itself, as it does when the disk is full.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.directory).await;
            self.abandoned = false;
        }
        Ok(())
    }
}

impl Store for SqliteStore {
    fn newest_time(&self) -> Pending<'_, Option<UnixTime>> {
        Box::pin(async move {
            let row = sqlx::query(
                "SELECT max((SELECT max(created) FROM signing_keys), (SELECT max(time) FROM audits), \
                 (SELECT time FROM sign_ins ORDER BY number DESC LIMIT 1)) AS a, \
                 (SELECT max(created) FROM signing_keys) AS b",
            )
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
            // max() of several values is NULL as soon as one of them is.
            let newest = row.try_get::<Option<i64>, _>("a").map_err(failed)?;
            let key = row.try_get::<Option<i64>, _>("b").map_err(failed)?;
            Ok(newest.max(key).map(UnixTime::from_micros))
        })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            sqlx::query("SELECT version FROM directory").fetch_one(&self.readers).await.map_err(failed)?;
            Ok(())
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            self.readers.close().await;
            // Leaves one file behind instead of three; it is no loss if it fails.
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut writers.directory).await;
            let _ = writers.directory.clear_cached_statements().await;
            Ok(())
        })
    }
}

/// The error of a statement, as callers of the store know it.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i32>().ok()).unwrap_or(0);
    // Primary result codes are the low byte of the extended ones (https://sqlite.org/rescode.html).
    match code & 0xff {
        13 => StoreError::Full,
        11 | 26 => StoreError::Damaged(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// As [`failed`], with a broken uniqueness rule told apart.
fn conflict(what: &'static str, value: &str) -> impl FnOnce(sqlx::Error) -> StoreError {
    let value = value.to_owned();
    move |error| match error.as_database_error() {
        Some(e) if e.is_unique_violation() => StoreError::Conflict { what, value },
        _ => failed(error),
    }
}

/// Reads a record column.
fn record<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    let text: &str = row.try_get(column).map_err(failed)?;
    serde_json::from_str(text).map_err(|e| StoreError::Damaged(format!("{column}: {e}")))
}

/// Writes a record column.
fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}
