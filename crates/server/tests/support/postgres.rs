//! One PostgreSQL for a test process, and a database of its own for each test.
//!
//! Used by the store's suite and by the tests of several nodes. Where PostgreSQL is not installed, a test has nothing to do.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_testkit::postgres::Cluster;

/// The cluster that tests share who do not stop it.
pub fn shared() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    // A crash of the machine is not what these tests are about.
    CLUSTER.get_or_init(|| Cluster::start("fsync = off")).as_ref()
}

/// The URL of an empty database.
pub fn postgres_url() -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Some(shared()?.database(&format!("t{number}")))
}
