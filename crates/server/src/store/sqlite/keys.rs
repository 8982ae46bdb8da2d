//! Signing keys and settings of the service.

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{SqliteStore, failed};
use crate::store::model::SigningKeyRecord;
use crate::store::{Keys, Pending, StoreError};

impl Keys for SqliteStore {
    fn signing_keys(&self) -> Pending<'_, Vec<SigningKeyRecord>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT * FROM signing_keys ORDER BY signs_from, created, kid")
                .fetch_all(&self.readers)
                .await
                .map_err(failed)?;
            rows.iter().map(|r| key(r).map_err(failed)).collect()
        })
    }

    fn put_signing_key<'a>(&'a self, key: &'a SigningKeyRecord) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            put(&mut writers.directory, key).await?;
            Ok(())
        })
    }

    fn put_first_signing_key<'a>(&'a self, key: &'a SigningKeyRecord) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            let there = sqlx::query("SELECT kid FROM signing_keys LIMIT 1")
                .fetch_optional(&mut writers.directory)
                .await
                .map_err(failed)?;
            if there.is_none() {
                put(&mut writers.directory, key).await?;
            }
            Ok(())
        })
    }

    fn remove_signing_key<'a>(&'a self, kid: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            remove(&mut writers.directory, kid).await
        })
    }

    fn setting<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            sqlx::query("SELECT value FROM settings WHERE name = ?1")
                .bind(name)
                .fetch_optional(&self.readers)
                .await
                .and_then(|row| row.map(|r| r.try_get(0)).transpose())
                .map_err(failed)
        })
    }

    fn put_first_setting<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Pending<'a, Vec<u8>> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            sqlx::query("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")
                .bind(name)
                .bind(value)
                .execute(&mut writers.directory)
                .await
                .map_err(failed)?;
            sqlx::query("SELECT value FROM settings WHERE name = ?1")
                .bind(name)
                .fetch_one(&mut writers.directory)
                .await
                .and_then(|row| row.try_get(0))
                .map_err(failed)
        })
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut writers = self.writers().await?;
            sqlx::query("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
                .bind(name)
                .bind(value)
                .execute(&mut writers.directory)
                .await
                .map_err(failed)?;
            Ok(())
        })
    }
}

/// Writes a key within a transaction or by itself.
pub(super) async fn put(to: &mut SqliteConnection, key: &SigningKeyRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO signing_keys (kid, alg, certificate, sealed_key, created, signs_from, published_until) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kid) DO UPDATE SET sealed_key = excluded.sealed_key, \
         signs_from = excluded.signs_from, published_until = excluded.published_until",
    )
    .bind(&key.kid)
    .bind(&key.alg)
    .bind(&key.certificate)
    .bind(&key.sealed_key)
    .bind(key.created.micros())
    .bind(key.signs_from.micros())
    .bind(key.published_until.map(UnixTime::micros))
    .execute(to)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Removes a key within a transaction or by itself.
pub(super) async fn remove(from: &mut SqliteConnection, kid: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM signing_keys WHERE kid = ?1").bind(kid).execute(from).await.map(drop).map_err(failed)
}

fn key(row: &SqliteRow) -> Result<SigningKeyRecord, sqlx::Error> {
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
