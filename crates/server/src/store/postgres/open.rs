//! Makes the tables of an empty database and brings those of an earlier version up to date; one node at a time.
//!
//! Called once at the start. A database that is up to date is only read, so that the service's own role needs no right to make
//! tables.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::PostgresUrl;
use super::pool::{Pool, in_time, said, within};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a node waits while another one changes the tables, and how long that may take.
const MIGRATION: Duration = Duration::from_secs(300);
/// Nodes that make the first table at the same moment get in each other's way, and try again.
const ATTEMPTS: u32 = 20;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No host could be reached and written.
    #[error("the database {url} cannot be used: {cause} (--database)")]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// What each host, or the database, said.
        cause: String,
    },
    /// Its texts are not UTF-8.
    #[error("the database {url} has the encoding {encoding}; create one with ENCODING 'UTF8'")]
    Encoding {
        /// The URL without its password.
        url: String,
        /// Its encoding.
        encoding: String,
    },
    /// A newer version wrote it.
    #[error("the database {0} was written by a later version of this program, which can read it")]
    TooNew(String),
    /// The tables could not be made or changed.
    #[error("the tables of the database {url} cannot be brought up to date: {cause}")]
    Migrate {
        /// The URL without its password.
        url: String,
        /// What it said.
        cause: String,
    },
}

/// Connects and makes sure that the tables are there.
pub(super) async fn prepare(pool: &Pool, url: &PostgresUrl) -> Result<(), OpenError> {
    let unreachable = |e: sqlx::Error| OpenError::Unreachable { url: url.to_string(), cause: said(&e) };
    let mut connection = pool.connect().await.map_err(unreachable)?;
    let encoding: String = in_time(sqlx::query("SHOW server_encoding").fetch_one(&mut connection))
        .await
        .and_then(|r| r.try_get(0))
        .map_err(unreachable)?;
    if !matches!(&*encoding, "UTF8" | "UTF-8" | "utf8") {
        return Err(OpenError::Encoding { url: url.to_string(), encoding });
    }
    if !is_current(&mut connection, url).await? {
        migrate(pool, &mut connection, url).await?;
    }
    let _ = connection.close().await;
    Ok(())
}

/// Whether every migration was applied as it is here. `false` also for an empty database.
async fn is_current(connection: &mut PgConnection, url: &PostgresUrl) -> Result<bool, OpenError> {
    let query = sqlx::query("SELECT version, checksum, success FROM _sqlx_migrations");
    let rows = match in_time(query.fetch_all(connection)).await {
        Ok(rows) => rows,
        // 42P01: undefined_table
        Err(e) if e.as_database_error().and_then(|e| e.code()).as_deref() == Some("42P01") => return Ok(false),
        Err(e) => return Err(OpenError::Unreachable { url: url.to_string(), cause: said(&e) }),
    };
    let mut applied = BTreeMap::new();
    for row in &rows {
        let read = || Ok::<_, sqlx::Error>((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)));
        let (version, state): (i64, (Vec<u8>, bool)) =
            read().map_err(|e| OpenError::Migrate { url: url.to_string(), cause: said(&e) })?;
        applied.insert(version, state);
    }
    if applied.keys().any(|v| !MIGRATIONS.version_exists(*v)) {
        return Err(OpenError::TooNew(url.to_string()));
    }
    Ok(MIGRATIONS.iter().all(|m| applied.get(&m.version).is_some_and(|(sum, done)| *done && **sum == *m.checksum)))
}

/// Applies what is missing while holding the row of a table that exists for this alone.
async fn migrate(pool: &Pool, holder: &mut PgConnection, url: &PostgresUrl) -> Result<(), OpenError> {
    let failed = |cause: String| OpenError::Migrate { url: url.to_string(), cause };
    let stopped = |e: sqlx::Error| failed(said(&e));
    const PATIENT: &str =
        "SET statement_timeout = 300000; SET lock_timeout = 300000; SET idle_in_transaction_session_timeout = 0";
    let mut worker = pool.connect().await.map_err(stopped)?;
    for connection in [&mut *holder, &mut worker] {
        in_time(sqlx::raw_sql(PATIENT).execute(connection)).await.map_err(stopped)?;
    }
    let mut attempt = 0;
    while let Err(error) = in_time(sqlx::raw_sql(TURN_TABLE).execute(&mut *holder)).await {
        attempt += 1;
        // 23505, 42P07, 40001 and the like: another node made it at the same moment.
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        if attempt == ATTEMPTS || !matches!(&*code, "23505" | "42P07" | "40001" | "40P01" | "XX000") {
            return Err(stopped(error));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    const TURN: &str = "BEGIN; SELECT one FROM migration_turn WHERE one = 1 FOR UPDATE";
    within(MIGRATION, sqlx::raw_sql(TURN).execute(&mut *holder)).await.map_err(stopped)?;
    let mut migrations = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    // The library's own lock is an advisory one, which other engines do not have; the row held above serves.
    migrations.set_locking(false);
    let done = tokio::time::timeout(MIGRATION, migrations.run_direct(None, &mut worker, false)).await;
    let _ = in_time(sqlx::raw_sql("ROLLBACK").execute(&mut *holder)).await;
    let _ = worker.close().await;
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..))) => {
            Err(OpenError::TooNew(url.to_string()))
        }
        Ok(Err(MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _))) => Err(stopped(e)),
        Ok(Err(other)) => Err(failed(other.to_string())),
        Err(_) => Err(failed(format!("it took longer than {} s", MIGRATION.as_secs()))),
    }
}

const TURN_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration_turn (one BIGINT PRIMARY KEY); \
     INSERT INTO migration_turn (one) VALUES (1) ON CONFLICT (one) DO NOTHING";
