//! The rules of a client assertion (RFC 7521, RFC 7523, Entra ID's certificate credentials).
//!
//! The token service acts on these rules, the doctor reports them, the client builds what satisfies them.
//! Pure: no clock, no files, no network, no database, no global. Time and cryptography are passed in.

pub mod admit;
pub mod assertion;
pub mod authority;
pub mod checks;
pub mod crypto;
pub mod encoding;
pub mod entra;
pub mod facts;
pub mod jose;
pub mod json;
pub mod key_proof;
pub mod keyfile;
pub mod managed_identity;
pub mod oauth;
pub mod profile;
pub mod reason;
pub mod registration;
pub mod request;
pub mod thumbprint;
pub mod time;
pub mod x509;

pub use admit::{VerifiedClient, admit, evaluate};
pub use checks::{CHECKS, Check, Outcome};
pub use facts::Facts;
pub use profile::Profile;
pub use reason::Reason;
pub use time::UnixTime;
