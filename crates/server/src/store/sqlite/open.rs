//! Opens an SQLite file: modes, pragmas, migrations; and says what is wrong with a file that is no store of ours.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::sync::Mutex;

use super::{SqliteStore, Writers};
use crate::files;

/// "CSGN": marks a file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x4353_474e;
const READERS: u32 = 4;
pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made, read or written.
    #[error("the store {path} cannot be used: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is no SQLite database.
    #[error(
        "the store {0} is damaged or no SQLite database; it was left as it is. Bring it back from a backup, or move it away to begin anew"
    )]
    NoDatabase(PathBuf),
    /// The file is a database of another program.
    #[error("{0} is a database of another program; name another file with --database sqlite:PATH")]
    Foreign(PathBuf),
    /// A newer version wrote it.
    #[error("the store {0} was written by a later version of this program, which can read it")]
    TooNew(PathBuf),
    /// Anything else the database said.
    #[error("the store {path} cannot be used: {cause}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: String,
    },
}

pub(super) async fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    let file = |cause| OpenError::File { path: path.to_owned(), cause };
    look_at_header(path)?;
    // The side files get this file's mode.
    files::create_private(path).map_err(file)?;
    std::fs::OpenOptions::new().write(true).open(path).map_err(file)?;
    let said = |error: sqlx::Error| explain(path, &error);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(64)
        .pragma("cache_size", "-2048")
        .disable_statement_logging();
    let mut directory = options.connect().await.map_err(said)?;
    claim(&mut directory, path).await?;
    MIGRATIONS.run_direct(None, &mut directory, false).await.map_err(|e| match e {
        sqlx::migrate::MigrateError::VersionMissing(_) | sqlx::migrate::MigrateError::VersionTooNew(..) => {
            OpenError::TooNew(path.to_owned())
        }
        sqlx::migrate::MigrateError::Execute(e) => explain(path, &e),
        other => OpenError::Database { path: path.to_owned(), cause: other.to_string() },
    })?;
    let logs = options.clone().synchronous(SqliteSynchronous::Normal).connect().await.map_err(said)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(0)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(SqliteStore { readers, writers: Arc::new(Mutex::new(Writers { directory, logs, abandoned: false })) })
}

/// A file that is there, not empty, and does not begin like an SQLite database is not touched at all: SQLite would take
/// some kinds of rubbish for an empty database.
fn look_at_header(path: &Path) -> Result<(), OpenError> {
    let mut start = [0u8; 16];
    let read = match std::fs::File::open(path) {
        Ok(mut file) => {
            let mut read = 0;
            while read < start.len() {
                match file.read(&mut start[read..]) {
                    Ok(0) => break,
                    Ok(n) => read += n,
                    Err(cause) => return Err(OpenError::File { path: path.to_owned(), cause }),
                }
            }
            read
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => 0,
        Err(cause) => return Err(OpenError::File { path: path.to_owned(), cause }),
    };
    if read == 0 || &start == b"SQLite format 3\0" { Ok(()) } else { Err(OpenError::NoDatabase(path.to_owned())) }
}

/// Marks an empty database as ours, or finds the mark.
async fn claim(connection: &mut sqlx::SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let said = |error: sqlx::Error| explain(path, &error);
    let id: i64 = sqlx::query("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(said)?
        .try_get(0)
        .map_err(said)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(said)?
        .try_get(0)
        .map_err(said)?;
    if id != 0 || tables != 0 {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    // 0x4353474e
    sqlx::query("PRAGMA application_id = 1129531214").execute(connection).await.map_err(said)?;
    Ok(())
}

fn explain(path: &Path, error: &sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i32>().ok()).unwrap_or(0);
    match code & 0xff {
        11 | 26 => OpenError::NoDatabase(path),
        5 | 6 => OpenError::Database { path, cause: "another process is using it".to_owned() },
        8 => OpenError::Database { path, cause: "it, or its folder, is read-only".to_owned() },
        13 => OpenError::Database { path, cause: "no space is left on the disk".to_owned() },
        14 => OpenError::Database { path, cause: "it cannot be opened".to_owned() },
        _ => OpenError::Database {
            path,
            cause: error.as_database_error().map_or_else(|| error.to_string(), |e| e.message().to_owned()),
        },
    }
}
