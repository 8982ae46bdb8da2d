//! How a node learns what others changed: the directory's version, what each version touched, and a hint that one came.
//!
//! `nodes` asks [`PostgresWatch`] several times a second on a connection of its own. Notifications only make it ask sooner;
//! they may be lost, or be missing in an engine, and nothing is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::pool::{Pool, away, in_time, said, within};
use super::{failed, record, signed};
use crate::store::{News, Pending, Touched, Watch};

/// The channel of the notifications; it belongs to one database.
const CHANNEL: &str = "countersign";
/// A question about the version that takes longer is given up: the connection may be dead.
const ANSWER: Duration = Duration::from_secs(1);
/// Pause before a lost connection for notifications is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// The same where the database does not know notifications.
const MUCH_LATER: Duration = Duration::from_secs(300);
/// How often the connection for notifications is tried when nothing comes.
const QUIET: Duration = Duration::from_secs(30);

/// What was touched, as a row of `directory_changes` holds it.
pub(super) fn write(touched: &[Touched]) -> String {
    let items: Vec<Value> = touched
        .iter()
        .filter_map(|t| match t {
            Touched::Nothing => None,
            Touched::All => Some(json!("all")),
            Touched::Keys => Some(json!("keys")),
            Touched::Application { tenant_id, app_id, uris } => Some(json!([tenant_id, app_id, uris])),
        })
        .collect();
    Value::Array(items).to_string()
}

fn read(item: &Value) -> Option<Touched> {
    match item {
        Value::String(word) if word == "all" => Some(Touched::All),
        Value::String(word) if word == "keys" => Some(Touched::Keys),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(tenant_id), Value::String(app_id), Value::Bool(uris)] => {
                Some(Touched::Application { tenant_id: tenant_id.clone(), app_id: app_id.clone(), uris: *uris })
            }
            _ => None,
        },
        _ => None,
    }
}

/// Everything may have changed.
fn everything() -> Vec<Touched> {
    vec![Touched::All, Touched::Keys]
}

/// Tells all nodes that there is a version they do not know.
pub(super) async fn tell(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("NOTIFY countersign").await.map(drop)
}

/// The question for news, and its connection.
pub(super) struct PostgresWatch {
    pool: Arc<Pool>,
    connection: Option<PgConnection>,
    hints: watch::Receiver<u64>,
}

impl PostgresWatch {
    pub(super) fn new(pool: Arc<Pool>, hints: watch::Receiver<u64>) -> Self {
        Self { pool, connection: None, hints }
    }

    async fn ask(&mut self, since: u64) -> Result<News, sqlx::Error> {
        let (mut connection, fresh) = match self.connection.take() {
            Some(connection) => (connection, false),
            None => (self.pool.connect().await?, true),
        };
        let ask = sqlx::query(
            "SELECT version, current_setting('transaction_read_only') AS read_only FROM directory WHERE one = 1",
        );
        let row = within(ANSWER, ask.fetch_one(&mut connection)).await?;
        // A host that became a standby goes on answering, and learns of nothing that the new primary is told.
        if row.try_get::<&str, _>("read_only")? == "on" {
            return Err(away("the host has become read-only".to_owned()));
        }
        let version = row.try_get::<i64, _>("version")?.unsigned_abs();
        let news = match version {
            // Another host may have come into office that never saw what this node knows, at the same number.
            _ if fresh => News { version, touched: everything() },
            v if v == since => News { version, touched: Vec::new() },
            v if v < since => News { version, touched: everything() },
            _ => Self::changes(&mut connection, since).await?.unwrap_or(News { version, touched: everything() }),
        };
        self.connection = Some(connection);
        Ok(news)
    }

    /// What was touched since; `None` when the rows do not tell, or not all.
    async fn changes(connection: &mut PgConnection, since: u64) -> Result<Option<News>, sqlx::Error> {
        let ask = sqlx::query("SELECT version, touched FROM directory_changes WHERE version > $1 ORDER BY version");
        let rows = within(ANSWER, ask.bind(signed(since)).fetch_all(connection)).await?;
        let mut news = News { version: since, touched: Vec::new() };
        for row in &rows {
            let version: i64 = row.try_get("version")?;
            if version != signed(news.version + 1) {
                return Ok(None);
            }
            news.version += 1;
            let items: Vec<Value> = record(row, "touched").unwrap_or_else(|_| vec![json!("all"), json!("keys")]);
            // What a later version of this program wrote is not understood, so it may be anything.
            news.touched.extend(items.iter().flat_map(|i| read(i).map_or_else(everything, |t| vec![t])));
        }
        Ok((news.version > since).then_some(news))
    }
}

impl Watch for PostgresWatch {
    fn news(&mut self, since: u64) -> Pending<'_, News> {
        Box::pin(async move {
            let was_connected = self.connection.is_some();
            let asked = self.ask(since).await;
            asked.map_err(|error| {
                // A connection that could not be made says nothing of those that there are.
                if was_connected {
                    self.pool.judge(&error);
                }
                failed(error)
            })
        })
    }

    fn hint(&mut self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if self.hints.changed().await.is_err() {
                // Nobody listens any more: time alone is left.
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Listens for notifications in a task of its own.
pub(super) struct Hints {
    receiver: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Hints {
    pub(super) fn listen(pool: Arc<Pool>) -> Self {
        let (sender, receiver) = watch::channel(0);
        Self { receiver, task: tokio::spawn(listen(pool, sender)) }
    }

    pub(super) fn receiver(&self) -> watch::Receiver<u64> {
        self.receiver.clone()
    }

    pub(super) fn end(&self) {
        self.task.abort();
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(pool: Arc<Pool>, hints: watch::Sender<u64>) {
    loop {
        let pause = match listen_once(&pool, &hints).await {
            // Class 0A: feature_not_supported; 42: syntax error or access rule.
            Err(error) if code(&error).starts_with("0A") || code(&error).starts_with("42") => {
                tracing::info!(
                    cause = said(&error),
                    "the database has no notifications; its version is asked for instead"
                );
                MUCH_LATER
            }
            Err(error) => {
                tracing::debug!(cause = said(&error), "the connection for notifications ended; it is opened again");
                AGAIN
            }
            Ok(()) => AGAIN,
        };
        tokio::time::sleep(pause).await;
    }
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned()
}

async fn listen_once(pool: &Pool, hints: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    // The library's listener makes its own connection; this one finds the host that can be written.
    let found = pool.connect().await?;
    let _ = found.close().await;
    let one = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let own = one.acquire_timeout(Duration::from_secs(5)).connect_lazy_with(pool.leader());
    let mut listener = in_time(PgListener::connect_with(&own)).await?;
    listener.eager_reconnect(false);
    in_time(listener.listen(CHANNEL)).await?;
    // Whatever came before this was listened for.
    hints.send_modify(|n| *n += 1);
    loop {
        match tokio::time::timeout(QUIET, listener.try_recv()).await {
            Ok(Ok(Some(_))) => hints.send_modify(|n| *n += 1),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => in_time(listener.execute("SELECT 1")).await.map(drop)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_comes_back() {
        let touched = vec![
            Touched::Application { tenant_id: "t".into(), app_id: "a\"b".into(), uris: true },
            Touched::All,
            Touched::Keys,
        ];
        let back: Vec<Value> = serde_json::from_str(&write(&touched)).unwrap();
        assert_eq!(back.iter().map(|i| read(i).unwrap()).collect::<Vec<_>>(), touched);
        assert_eq!(write(&[Touched::Nothing]), "[]");
        assert_eq!(read(&json!({"later": 1})), None);
    }
}
