//! The rules of directory resources: what an application, its certificates, secrets and trusts may be, read from Graph
//! requests, seed and state files alike, and shown as Microsoft Graph shows them.
//!
//! Pure: called by `http::graph`, `seed` and `state` with the time and the old record; storing is the store's business.

pub mod application;
pub mod certificate;
pub mod fault;
pub mod federated;
pub mod fields;
pub mod key_credentials;
pub mod password;
pub mod proof;
pub mod roles;
pub mod service_principal;
pub mod tree;
pub mod trust;

use countersign_core::UnixTime;
use zeroize::Zeroizing;

use fault::{Fault, Path};
use tree::Node;

/// Entries in one credential collection. Entra bounds the manifest as a whole at 1,200 entries
/// (<https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation>).
pub const MAX_CREDENTIALS: usize = 600;

/// Where a value comes from; the two differ in what they may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A request to the Graph subset: ids and secrets of the caller never take effect, ended certificates are refused.
    Graph,
    /// A seed or state file of the operator: ids are kept, and it may hold whatever a real registration holds.
    File,
}

/// What reading needs from outside, so that the rules stay pure.
pub trait Means: Send {
    /// A GUID that never was there.
    fn new_id(&mut self) -> String;
    /// 34 random bytes for a secret; `None` when the system gives none.
    fn random(&mut self) -> Option<Zeroizing<[u8; 34]>>;
    /// Digest of a secret under the server's key.
    fn digest(&self, secret: &str) -> [u8; 32];
    /// Whether keys and secrets that everybody has are refused: in production mode.
    fn refuses_published(&self) -> bool {
        false
    }
    /// A file that a seed names, beside the seed.
    ///
    /// # Errors
    /// Why it cannot be read, with its name.
    fn read_file(&self, name: &str) -> Result<Vec<u8>, String>;
}

/// One act of reading: its rules, its time, and what was noticed on the way.
pub struct Reading<'a> {
    /// Where the values come from.
    pub origin: Origin,
    /// Now.
    pub now: UnixTime,
    /// What was odd and is no fault, with its place; for the operator's terminal.
    pub warnings: Vec<Fault>,
    /// Secrets made on the way, by `keyId`: shown once in the answer, kept nowhere.
    pub made_secrets: Vec<(String, Zeroizing<String>)>,
    means: &'a mut dyn Means,
}

impl<'a> Reading<'a> {
    /// Starts reading.
    pub fn new(origin: Origin, now: UnixTime, means: &'a mut dyn Means) -> Self {
        Self { origin, now, warnings: Vec::new(), made_secrets: Vec::new(), means }
    }

    /// A GUID that never was there.
    pub fn new_id(&mut self) -> String {
        self.means.new_id()
    }

    /// Notes something odd.
    pub fn warn(&mut self, node: &Node, path: &Path<'_>, message: String) {
        self.warnings.push(Fault::at(node.at, path, message));
    }
}

#[cfg(test)]
pub(crate) mod tests_means {
    //! Means for unit tests: ids counted up, a digest that is none.

    use super::*;

    /// Counts ids up; every secret is made of the same bytes plus the count.
    #[derive(Default)]
    pub struct Counting {
        /// Ids given so far.
        pub given: u64,
        /// Files by name.
        pub files: Vec<(String, Vec<u8>)>,
    }

    impl Means for Counting {
        fn new_id(&mut self) -> String {
            self.given += 1;
            format!("00000000-0000-4000-8000-{:012}", self.given)
        }

        fn random(&mut self) -> Option<Zeroizing<[u8; 34]>> {
            self.given += 1;
            let mut bytes = [0xA5; 34];
            bytes[33] = self.given as u8;
            Some(Zeroizing::new(bytes))
        }

        fn digest(&self, secret: &str) -> [u8; 32] {
            countersign_core::thumbprint::sha256(secret.as_bytes())
        }

        fn read_file(&self, name: &str) -> Result<Vec<u8>, String> {
            let found = self.files.iter().find(|(n, _)| n == name);
            found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| format!("{name} cannot be read"))
        }
    }
}
