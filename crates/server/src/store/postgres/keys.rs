//! Signing keys and settings of the service.

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::{PostgresStore, failed};
use crate::store::model::SigningKeyRecord;
use crate::store::{Change, Directory as _, Keys, Pending, StoreError};

impl PostgresStore {
    async fn change_keys(&self, change: Change) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.apply(change).await?;
        transaction.commit().await.map(drop)
    }
}

impl Keys for PostgresStore {
    fn signing_keys(&self) -> Pending<'_, Vec<SigningKeyRecord>> {
        Box::pin(async move {
            let rows = self
                .pool
                .all(|| {
                    sqlx::query(
                        "SELECT kid, alg, certificate, sealed_key, created, signs_from, published_until \
                         FROM signing_keys ORDER BY signs_from, created, kid",
                    )
                })
                .await
                .map_err(failed)?;
            rows.iter().map(|r| key(r).map_err(failed)).collect()
        })
    }

    fn put_signing_key<'a>(&'a self, key: &'a SigningKeyRecord) -> Pending<'a, ()> {
        Box::pin(self.change_keys(Change::PutSigningKey(Box::new(key.clone()))))
    }

    fn put_first_signing_key<'a>(&'a self, key: &'a SigningKeyRecord) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut transaction = self.begin_transaction().await?;
            if transaction.has_signing_key().await? {
                return Ok(());
            }
            let mut transaction = Box::new(transaction) as Box<dyn crate::store::Transaction>;
            transaction.apply(Change::PutSigningKey(Box::new(key.clone()))).await?;
            transaction.commit().await.map(drop)
        })
    }

    fn remove_signing_key<'a>(&'a self, kid: &'a str) -> Pending<'a, ()> {
        Box::pin(self.change_keys(Change::RemoveSigningKey { kid: kid.to_owned() }))
    }

    fn setting<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let row = self
                .pool
                .one(|| sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name))
                .await
                .map_err(failed)?;
            row.map(|r| r.try_get(0)).transpose().map_err(failed)
        })
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Pending<'a, ()> {
        Box::pin(async move {
            let ask = sqlx::query(
                "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            );
            self.pool.run(ask.bind(name).bind(value)).await.map(drop).map_err(failed)
        })
    }

    fn put_first_setting<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Pending<'a, Vec<u8>> {
        Box::pin(async move {
            let ask = sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
            self.pool.run(ask.bind(name).bind(value)).await.map_err(failed)?;
            Ok(self.setting(name).await?.unwrap_or_else(|| value.to_vec()))
        })
    }
}

/// Writes a key within a transaction.
pub(super) async fn put(to: &mut PgConnection, key: &SigningKeyRecord) -> Result<(), StoreError> {
    let ask = sqlx::query(
        "INSERT INTO signing_keys (kid, alg, certificate, sealed_key, created, signs_from, published_until) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kid) DO UPDATE SET sealed_key = excluded.sealed_key, \
         signs_from = excluded.signs_from, published_until = excluded.published_until",
    )
    .bind(&key.kid)
    .bind(&key.alg)
    .bind(&key.certificate)
    .bind(&key.sealed_key)
    .bind(key.created.micros())
    .bind(key.signs_from.micros())
    .bind(key.published_until.map(UnixTime::micros));
    ask.execute(to).await.map(drop).map_err(failed)
}

fn key(row: &PgRow) -> Result<SigningKeyRecord, sqlx::Error> {
    Ok(SigningKeyRecord {
        kid: row.try_get("kid")?,
        alg: row.try_get("alg")?,
        certificate: row.try_get("certificate")?,
        sealed_key: row.try_get("sealed_key")?,
        created: UnixTime::from_micros(row.try_get("created")?),
        signs_from: UnixTime::from_micros(row.try_get("signs_from")?),
        published_until: row.try_get::<Option<i64>, _>("published_until")?.map(UnixTime::from_micros),
    })
}
