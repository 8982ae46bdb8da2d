//! The PostgreSQL backend: any number of nodes on one database, each with a bounded number of connections.
//!
//! Made by `start`. Directory changes wait for each other at the row that holds the directory's version, so that versions are
//! counted in the order of commits over all nodes. Plain SQL only, no advisory lock: compatible engines take it too.

mod directory;
mod keys;
mod logs;
mod open;
mod pool;
mod transaction;
mod url;
mod watch;

use std::borrow::Cow;
use std::sync::Arc;

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::Mutex;

use super::{Pending, Store, StoreError, Watch};

pub use open::OpenError;
use pool::Pool;
pub use url::PostgresUrl;

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    pool: Arc<Pool>,
    hints: watch::Hints,
    /// Whoever changes the directory on this node.
    turn: Arc<Mutex<()>>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresStore")
    }
}

impl PostgresStore {
    /// Connects with at most so many `connections`, makes the tables when they are not there, and brings them up to date.
    /// `listen` is the way to the database for notifications where `url` leads through a pooler.
    ///
    /// # Errors
    /// [`OpenError`], naming the database without its password, and the cause.
    pub async fn open(url: &PostgresUrl, listen: Option<&PostgresUrl>, connections: u32) -> Result<Self, OpenError> {
        let pool = Pool::new(url.clone(), connections.max(2) as usize);
        open::prepare(&pool, url).await?;
        let hints = watch::Hints::listen(Pool::new(listen.unwrap_or(url).clone(), 1));
        Ok(Self { pool, hints, turn: Arc::new(Mutex::new(())) })
    }
}

impl Store for PostgresStore {
    fn newest_time(&self) -> Pending<'_, Option<UnixTime>> {
        Box::pin(async move {
            // GREATEST leaves out what is NULL, but without a key there is nothing worth to compare a clock with.
            let row = self
                .pool
                .one(|| {
                    sqlx::query(
                        "SELECT CASE WHEN k.created IS NULL THEN NULL ELSE GREATEST(k.created, \
                         (SELECT max(time) FROM audits), (SELECT time FROM sign_ins ORDER BY number DESC LIMIT 1)) END \
                         FROM (SELECT max(created) AS created FROM signing_keys) AS k",
                    )
                })
                .await
                .map_err(failed)?;
            let newest = row.map(|r| r.try_get::<Option<i64>, _>(0)).transpose().map_err(failed)?.flatten();
            Ok(newest.map(UnixTime::from_micros))
        })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            self.pool.one(|| sqlx::query("SELECT version FROM directory WHERE one = 1")).await.map_err(failed)?;
            Ok(())
        })
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(watch::PostgresWatch::new(Arc::clone(&self.pool), self.hints.receiver())))
    }

    fn connections(&self) -> Option<(usize, usize)> {
        Some(self.pool.usage())
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            self.hints.end();
            self.pool.close().await;
            Ok(())
        })
    }
}

/// The error of a statement, as callers of the store know it.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default();
    // Appendix A of PostgreSQL's manual. 53100: disk_full; XX001, XX002: data or index corrupted.
    match &*code {
        "53100" => StoreError::Full,
        "XX001" | "XX002" => StoreError::Damaged(pool::said(&error)),
        _ => StoreError::Unavailable(pool::said(&error)),
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
fn record<T: serde::de::DeserializeOwned>(row: &PgRow, column: &'static str) -> Result<T, StoreError> {
    let text: &str = row.try_get(column).map_err(failed)?;
    serde_json::from_str(text).map_err(|e| StoreError::Damaged(format!("{column}: {e}")))
}

/// Writes a record column.
fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// A text as PostgreSQL can hold and compare it: its texts have no NUL. Records are JSON, which writes it otherwise, and keep
/// the text as it is; what stands in columns of its own is for searching, with the same replacement.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Versions count changes and stay far below 2⁶³.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
