//! Audit and sign-in rows, and used assertions.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_core::encoding::encode_base64url;
use countersign_core::thumbprint::sha256;
use countersign_core::time::UnixTime;
use sqlx::Connection as _;

use super::pool::in_time;
use super::{PostgresStore, failed, json, plain, record};
use crate::store::model::{AuditRecord, SignInRecord};
use crate::store::{Audit, Journal, LogQuery, Pending, Replay, StoreError};

/// Rows in one statement of a large batch; the protocol takes 65,535 values.
const MANY: usize = 128;

impl PostgresStore {
    async fn log<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        query: &LogQuery,
    ) -> Result<Vec<T>, StoreError> {
        let (before, id) = match &query.before {
            Some((time, id)) => (time.micros(), id.as_str()),
            None => (i64::MAX, ""),
        };
        let rows = self
            .pool
            .all(|| {
                sqlx::query(sql)
                    .bind(plain(&query.tenant_id))
                    .bind(before)
                    .bind(plain(id))
                    .bind(query.since.map_or(i64::MIN, UnixTime::micros))
                    .bind(query.subject.as_deref().map(plain))
                    .bind(query.correlation_id.as_deref().map(plain))
                    .bind(i64::from(query.limit))
            })
            .await
            .map_err(failed)?;
        rows.iter().map(|r| record(r, "record")).collect()
    }
}

impl Audit for PostgresStore {
    fn audits<'a>(&'a self, query: &'a LogQuery) -> Pending<'a, Vec<AuditRecord>> {
        Box::pin(self.log(
            "SELECT record FROM audits WHERE tenant_id = $1 AND (time, id) < ($2, $3) AND time >= $4 \
             AND ($5::text IS NULL OR target_id = $5) AND ($6::text IS NULL OR correlation_id = $6) \
             ORDER BY time DESC, id DESC LIMIT $7",
            query,
        ))
    }
}

impl Journal for PostgresStore {
    fn put_sign_ins<'a>(&'a self, rows: &'a [Arc<SignInRecord>]) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut inserts = Vec::new();
            let mut rest = rows;
            while !rest.is_empty() {
                // Two sizes, so that each statement is prepared once.
                let (chunk, tail) = rest.split_at(if rest.len() >= MANY { MANY } else { 1 });
                rest = tail;
                let mut insert = sqlx::QueryBuilder::new(
                    "INSERT INTO sign_ins (tenant_id, time, id, correlation_id, app_id, error_code, record) ",
                );
                let records = chunk.iter().map(|r| Ok((r, json(&**r)?))).collect::<Result<Vec<_>, StoreError>>()?;
                insert.push_values(records, |mut row, (r, record)| {
                    row.push_bind(plain(&r.tenant_id).into_owned())
                        .push_bind(r.time)
                        .push_bind(plain(&r.id).into_owned());
                    row.push_bind(plain(&r.correlation_id).into_owned())
                        .push_bind(plain(&r.app_id).into_owned())
                        .push_bind(i64::from(r.error_code))
                        .push_bind(record);
                });
                inserts.push(insert);
            }
            let (mut lease, _) = self.pool.lease().await.map_err(failed)?;
            let done = in_time(async {
                // One transaction for the batch: one wait for the disk.
                let mut transaction = lease.connection()?.begin().await?;
                for insert in &mut inserts {
                    insert.build().execute(&mut *transaction).await?;
                }
                transaction.commit().await
            })
            .await;
            lease.give_back(&done);
            done.map_err(failed)
        })
    }

    fn sign_ins<'a>(&'a self, query: &'a LogQuery) -> Pending<'a, Vec<SignInRecord>> {
        // A condition that holds for no value given is left to the planner; refused rows have indexes of their own.
        let sql = match (&query.subject, query.refused) {
            (None, false) => {
                "SELECT record FROM sign_ins WHERE tenant_id = $1 AND (time, id) < ($2, $3) AND time >= $4 \
                 AND $5::text IS NULL AND ($6::text IS NULL OR correlation_id = $6) \
                 ORDER BY time DESC, id DESC LIMIT $7"
            }
            (None, true) if query.correlation_id.is_some() => {
                "SELECT record FROM sign_ins WHERE error_code <> 0 AND tenant_id = $1 AND correlation_id = $6 \
                 AND (time, id) < ($2, $3) AND time >= $4 AND $5::text IS NULL ORDER BY time DESC, id DESC LIMIT $7"
            }
            (None, true) => {
                "SELECT record FROM sign_ins WHERE error_code <> 0 AND tenant_id = $1 AND (time, id) < ($2, $3) \
                 AND time >= $4 AND $5::text IS NULL AND ($6::text IS NULL OR correlation_id = $6) \
                 ORDER BY time DESC, id DESC LIMIT $7"
            }
            (Some(_), false) if query.newest => {
                "SELECT record FROM (SELECT * FROM sign_ins WHERE tenant_id = $1 AND (time, id) < ($2, $3) AND time >= $4 \
                   ORDER BY time DESC, id DESC LIMIT 10000) AS newest \
                 WHERE app_id = $5 AND ($6::text IS NULL OR correlation_id = $6) ORDER BY time DESC, id DESC LIMIT $7"
            }
            (Some(_), true) if query.newest => {
                "SELECT record FROM (SELECT * FROM sign_ins WHERE error_code <> 0 AND tenant_id = $1 \
                   AND (time, id) < ($2, $3) AND time >= $4 ORDER BY time DESC, id DESC LIMIT 10000) AS newest \
                 WHERE app_id = $5 AND ($6::text IS NULL OR correlation_id = $6) ORDER BY time DESC, id DESC LIMIT $7"
            }
            (Some(_), false) => {
                "SELECT record FROM sign_ins WHERE tenant_id = $1 AND app_id = $5 AND (time, id) < ($2, $3) \
                 AND time >= $4 AND ($6::text IS NULL OR correlation_id = $6) ORDER BY time DESC, id DESC LIMIT $7"
            }
            (Some(_), true) => {
                "SELECT record FROM sign_ins WHERE error_code <> 0 AND tenant_id = $1 AND app_id = $5 \
                 AND (time, id) < ($2, $3) AND time >= $4 AND ($6::text IS NULL OR correlation_id = $6) \
                 ORDER BY time DESC, id DESC LIMIT $7"
            }
        };
        Box::pin(self.log(sql, query))
    }

    fn sign_in<'a>(&'a self, id: &'a str, hint: Option<(&'a str, UnixTime)>) -> Pending<'a, Option<SignInRecord>> {
        Box::pin(async move {
            let id = plain(id);
            let refused = self
                .pool
                .one(|| {
                    sqlx::query("SELECT record FROM sign_ins WHERE id = $1 AND error_code <> 0 LIMIT 1")
                        .bind(id.as_ref())
                })
                .await
                .map_err(failed)?;
            let found = match (refused, hint) {
                (Some(refused), _) => Some(refused),
                (None, Some((tenant_id, time))) => self
                    .pool
                    .one(|| {
                        sqlx::query("SELECT record FROM sign_ins WHERE tenant_id = $1 AND time = $2 AND id = $3")
                            .bind(plain(tenant_id))
                            .bind(time.micros())
                            .bind(id.as_ref())
                    })
                    .await
                    .map_err(failed)?,
                // An index of all of them would cost every token request; whoever asks so has just seen it.
                (None, None) => self
                    .pool
                    .one(|| {
                        sqlx::query(
                            "SELECT record FROM sign_ins WHERE number > (SELECT max(number) FROM sign_ins) - 20000 \
                             AND id = $1 LIMIT 1",
                        )
                        .bind(id.as_ref())
                    })
                    .await
                    .map_err(failed)?,
            };
            found.map(|r| record(&r, "record")).transpose()
        })
    }

    fn prune_sign_ins(&self, before: UnixTime, keep: u64, step: u32) -> Pending<'_, u64> {
        Box::pin(async move {
            // Rows come in the order of time, but for the jumps of clocks: the eldest numbers are looked at, no more. Nodes
            // that prune at the same moment meet at the same rows; one of them finds nothing left.
            let ask = sqlx::query(
                "DELETE FROM sign_ins WHERE number IN (SELECT number FROM sign_ins ORDER BY number LIMIT $3) \
                 AND (time < $1 OR number <= (SELECT max(number) FROM sign_ins) - $2)",
            )
            .bind(before.micros())
            .bind(i64::try_from(keep).unwrap_or(i64::MAX))
            .bind(i64::from(step));
            self.pool.run(ask).await.map(|done| done.rows_affected()).map_err(failed)
        })
    }
}

/// An identifier as it is kept: by digest where it has NUL, which no text here holds, or is longer than an index may hold
/// (a third of a page of 8 KiB).
fn kept(jti: &str) -> Cow<'_, str> {
    if jti.len() <= 512 && !jti.contains('\0') {
        return Cow::Borrowed(jti);
    }
    Cow::Owned(format!("\u{fffe}sha256:{}", encode_base64url(&sha256(jti.as_bytes()))))
}

impl Replay for PostgresStore {
    fn use_once<'a>(&'a self, client: &'a str, jti: &'a str, until: UnixTime, now: UnixTime) -> Pending<'a, bool> {
        Box::pin(async move {
            // One statement, atomic over all nodes. A use that has ended may be overwritten: the assertion itself has ended
            // by then, too.
            let ask = sqlx::query(
                "INSERT INTO used_assertions (client, jti, until) VALUES ($1, $2, $3) \
                 ON CONFLICT (client, jti) DO UPDATE SET until = excluded.until WHERE used_assertions.until < $4",
            )
            .bind(plain(client))
            .bind(kept(jti))
            .bind(until.micros())
            .bind(now.micros());
            self.pool.run(ask).await.map(|done| done.rows_affected() == 1).map_err(failed)
        })
    }

    fn forget_uses(&self, now: UnixTime, step: u32) -> Pending<'_, u64> {
        Box::pin(async move {
            let ask = sqlx::query(
                "DELETE FROM used_assertions WHERE (client, jti) IN \
                 (SELECT client, jti FROM used_assertions WHERE until < $1 ORDER BY until LIMIT $2)",
            )
            .bind(now.micros())
            .bind(i64::from(step));
            self.pool.run(ask).await.map(|done| done.rows_affected()).map_err(failed)
        })
    }
}
