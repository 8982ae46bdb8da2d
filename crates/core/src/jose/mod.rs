//! A client assertion taken apart: compact JWS (RFC 7515 §7.1), protected header, claims set (RFC 7519).
//!
//! Everything here is *unverified*: reading tolerates and records, the checks judge.

pub mod alg;
pub mod claims;
pub mod compact;
pub mod header;

use crate::jose::claims::UnverifiedClaims;
use crate::jose::compact::{Compact, CompactError};
use crate::jose::header::UnverifiedHeader;
use crate::json::JsonError;

/// A JWT as received, taken apart but not verified.
#[derive(Clone, Debug)]
pub struct UnverifiedJwt {
    /// The three segments with their byte spans.
    pub compact: Compact,
    /// The protected header.
    pub header: UnverifiedHeader,
    /// The claims set.
    pub claims: UnverifiedClaims,
}

/// Why a text is no JWT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three base64url segments.
    #[error("not a compact JWS: {0}")]
    Compact(#[from] CompactError),
    /// The header is no JSON object.
    #[error("the header is no JSON object: {0}")]
    Header(JsonError),
    /// The claims set is no JSON object.
    #[error("the claims set is no JSON object: {0}")]
    Claims(JsonError),
}

impl UnverifiedJwt {
    /// Takes a compact JWT apart (RFC 7515 §5.2 steps 1 to 4, RFC 7519 §7.2); verifies nothing.
    ///
    /// # Errors
    /// [`JwtError`] naming the part that cannot be read.
    pub fn read(text: &str) -> Result<Self, JwtError> {
        let compact = Compact::read(text)?;
        let header = UnverifiedHeader::read(&compact.header.bytes).map_err(JwtError::Header)?;
        let claims = UnverifiedClaims::read(&compact.payload.bytes).map_err(JwtError::Claims)?;
        Ok(Self { compact, header, claims })
    }
}
