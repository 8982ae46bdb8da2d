//! Audit and sign-in rows, and used assertions.

use std::sync::Arc;

use countersign_core::time::UnixTime;
use sqlx::Connection as _;

use super::{SqliteStore, failed, json, record};
use crate::store::model::{AuditRecord, SignInRecord};
use crate::store::{Audit, Journal, LogQuery, Pending, Replay, StoreError};

/// Rows in one statement of a large batch.
const MANY: usize = 32;

impl SqliteStore {
    async fn log<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        query: &LogQuery,
    ) -> Result<Vec<T>, StoreError> {
        let (before, id) = match &query.before {
            Some((time, id)) => (time.micros(), id.as_str()),
            None => (i64::MAX, ""),
        };
        let rows = sqlx::query(sql)
            .bind(&query.tenant_id)
            .bind(before)
            .bind(id)
            .bind(query.since.map_or(i64::MIN, UnixTime::micros))
            .bind(&query.subject)
            .bind(&query.correlation_id)
            .bind(i64::from(query.limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        rows.iter().map(|r| record(r, "record")).collect()
    }
}

impl Audit for SqliteStore {
    fn audits<'a>(&'a self, query: &'a LogQuery) -> Pending<'a, Vec<AuditRecord>> {
        Box::pin(self.log(
            "SELECT record FROM audits WHERE tenant_id = ?1 AND (time, id) < (?2, ?3) AND time >= ?4 \
             AND (?5 IS NULL OR target_id = ?5) AND (?6 IS NULL OR correlation_id = ?6) \
             ORDER BY time DESC, id DESC LIMIT ?7",
            query,
        ))
    }
}

impl Journal for SqliteStore {
    fn put_sign_ins<'a>(&'a self, rows: &'a [Arc<SignInRecord>]) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            // One transaction for the batch, and few statements: a statement a row would cost five times as much. The sizes
            // are fixed, so that each is prepared once.
            let mut transaction = writers.logs.begin().await.map_err(failed)?;
            let mut rest = rows;
            while !rest.is_empty() {
                let size = if rest.len() >= MANY { MANY } else { 1 };
                let (chunk, tail) = rest.split_at(size);
                rest = tail;
                let mut insert = sqlx::QueryBuilder::new(
                    "INSERT INTO sign_ins (tenant_id, time, id, correlation_id, app_id, error_code, record) ",
                );
                let records = chunk.iter().map(|r| Ok((r, json(&**r)?))).collect::<Result<Vec<_>, StoreError>>()?;
                insert.push_values(records, |mut row, (r, record)| {
                    row.push_bind(&r.tenant_id).push_bind(r.time).push_bind(&r.id);
                    row.push_bind(&r.correlation_id)
                        .push_bind(&r.app_id)
                        .push_bind(i64::from(r.error_code))
                        .push_bind(record);
                });
                insert.build().execute(&mut *transaction).await.map_err(failed)?;
            }
            transaction.commit().await.map_err(failed)
        })
    }

    fn sign_ins<'a>(&'a self, query: &'a LogQuery) -> Pending<'a, Vec<SignInRecord>> {
        // One statement for each way to ask, with its index: SQLite takes one only for conditions that always hold, and
        // would walk all rows by time for the sake of the order.
        let sql = match (&query.subject, query.refused) {
            (None, false) => {
                "SELECT record FROM sign_ins WHERE tenant_id = ?1 AND (time, id) < (?2, ?3) AND time >= ?4 \
                 AND ?5 IS NULL AND (?6 IS NULL OR correlation_id = ?6) ORDER BY time DESC, id DESC LIMIT ?7"
            }
            (None, true) if query.correlation_id.is_some() => {
                "SELECT record FROM sign_ins INDEXED BY sign_ins_refused_by_correlation WHERE error_code <> 0 \
                 AND tenant_id = ?1 AND correlation_id = ?6 AND (time, id) < (?2, ?3) AND time >= ?4 AND ?5 IS NULL \
                 ORDER BY time DESC, id DESC LIMIT ?7"
            }
            (None, true) => {
                "SELECT record FROM sign_ins INDEXED BY sign_ins_refused WHERE error_code <> 0 AND tenant_id = ?1 \
                 AND (time, id) < (?2, ?3) AND time >= ?4 AND ?5 IS NULL AND (?6 IS NULL OR correlation_id = ?6) \
                 ORDER BY time DESC, id DESC LIMIT ?7"
            }
            (Some(_), false) if query.newest => {
                "SELECT record FROM (SELECT * FROM sign_ins WHERE tenant_id = ?1 AND (time, id) < (?2, ?3) AND time >= ?4 \
                   ORDER BY time DESC, id DESC LIMIT 10000) \
                 WHERE app_id = ?5 AND (?6 IS NULL OR correlation_id = ?6) ORDER BY time DESC, id DESC LIMIT ?7"
            }
            (Some(_), true) if query.newest => {
                "SELECT record FROM (SELECT * FROM sign_ins INDEXED BY sign_ins_refused WHERE error_code <> 0 \
                   AND tenant_id = ?1 AND (time, id) < (?2, ?3) AND time >= ?4 ORDER BY time DESC, id DESC LIMIT 10000) \
                 WHERE app_id = ?5 AND (?6 IS NULL OR correlation_id = ?6) ORDER BY time DESC, id DESC LIMIT ?7"
            }
            (Some(_), false) => {
                "SELECT record FROM sign_ins WHERE tenant_id = ?1 AND app_id = ?5 AND (time, id) < (?2, ?3) \
                 AND time >= ?4 AND (?6 IS NULL OR correlation_id = ?6) ORDER BY time DESC, id DESC LIMIT ?7"
            }
            (Some(_), true) => {
                "SELECT record FROM sign_ins INDEXED BY sign_ins_refused WHERE error_code <> 0 AND tenant_id = ?1 \
                 AND app_id = ?5 AND (time, id) < (?2, ?3) AND time >= ?4 AND (?6 IS NULL OR correlation_id = ?6) \
                 ORDER BY time DESC, id DESC LIMIT ?7"
            }
        };
        Box::pin(self.log(sql, query))
    }

    fn sign_in<'a>(&'a self, id: &'a str, hint: Option<(&'a str, UnixTime)>) -> Pending<'a, Option<SignInRecord>> {
        Box::pin(async move {
            let one = |row: Option<sqlx::sqlite::SqliteRow>| row.map(|r| record(&r, "record")).transpose();
            let refused = sqlx::query("SELECT record FROM sign_ins WHERE id = ?1 AND error_code <> 0 LIMIT 1")
                .bind(id)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed)?;
            if refused.is_some() {
                return one(refused);
            }
            if let Some((tenant_id, time)) = hint {
                let row = sqlx::query("SELECT record FROM sign_ins WHERE tenant_id = ?1 AND time = ?2 AND id = ?3")
                    .bind(tenant_id)
                    .bind(time.micros())
                    .bind(id)
                    .fetch_optional(&self.readers)
                    .await
                    .map_err(failed)?;
                return one(row);
            }
            // An index of all of them would cost every token request; whoever asks so has just seen it.
            let row = sqlx::query(
                "SELECT record FROM sign_ins WHERE number > (SELECT max(number) FROM sign_ins) - 20000 AND id = ?1 LIMIT 1",
            )
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
            one(row)
        })
    }

    fn prune_sign_ins(&self, before: UnixTime, keep: u64, step: u32) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            // Rows come in the order of time, but for the jumps of a clock: the eldest numbers are looked at, no more.
            let done = sqlx::query(
                "DELETE FROM sign_ins WHERE number IN (SELECT number FROM sign_ins ORDER BY number LIMIT ?3) \
                 AND (time < ?1 OR number <= (SELECT max(number) FROM sign_ins) - ?2)",
            )
            .bind(before.micros())
            .bind(i64::try_from(keep).unwrap_or(i64::MAX))
            .bind(i64::from(step))
            .execute(&mut writers.logs)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected())
        })
    }
}

impl Replay for SqliteStore {
    fn use_once<'a>(&'a self, client: &'a str, jti: &'a str, until: UnixTime, now: UnixTime) -> Pending<'a, bool> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            // A use that has ended may be overwritten: the assertion itself has ended by then, too.
            let done = sqlx::query(
                "INSERT INTO used_assertions (client, jti, until) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (client, jti) DO UPDATE SET until = excluded.until WHERE used_assertions.until < ?4",
            )
            .bind(client)
            .bind(jti)
            .bind(until.micros())
            .bind(now.micros())
            .execute(&mut writers.logs)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn forget_uses(&self, now: UnixTime, step: u32) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            let done = sqlx::query(
                "DELETE FROM used_assertions WHERE (client, jti) IN \
                 (SELECT client, jti FROM used_assertions WHERE until < ?1 ORDER BY until LIMIT ?2)",
            )
            .bind(now.micros())
            .bind(i64::from(step))
            .execute(&mut writers.logs)
            .await
            .map_err(failed)?;
            Ok(done.rows_affected())
        })
    }
}
