//! JWS compact serialization (RFC 7515 §7.1): three segments, their bytes and byte spans.
//!
//! Padding is recorded, not refused here: azure-identity's async client pads its segments and signs them so
//! (Entra accepts it, seen 2026). The signature always covers the text as sent.

use std::ops::Range;

use crate::encoding::{self, DecodeError, Oddities};

/// A compact JWS: the text as sent and its three decoded segments.
#[derive(Clone)]
pub struct Compact {
    text: String,
    /// The protected header.
    pub header: Segment,
    /// The payload.
    pub payload: Segment,
    /// The signature.
    pub signature: Segment,
}

/// One segment of a compact JWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it stands in the text.
    pub span: Range<usize>,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// How its encoding differs from canonical base64url.
    pub oddities: Oddities,
}

/// Which segment of a compact JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentName {
    /// The first segment.
    Header,
    /// The second segment.
    Payload,
    /// The third segment.
    Signature,
}

impl SegmentName {
    /// `header`, `payload`, `signature`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        }
    }
}

/// Why a text is no compact JWS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// Not exactly two dots. Five parts are an encrypted JWE, which is no client assertion.
    #[error("expected three segments separated by dots, found {found}")]
    Segments {
        /// Number of parts found.
        found: usize,
    },
    /// A segment is no base64 of any alphabet.
    #[error("the {} segment is no base64url: {error}", segment.name())]
    Base64 {
        /// Which segment.
        segment: SegmentName,
        /// What is wrong with it; offsets count from the segment's start.
        error: DecodeError,
    },
    /// Longer than any assertion may be.
    #[error("{length} bytes are more than the {limit} an assertion may have")]
    TooLong {
        /// Bytes received.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Longest assertion that is looked at. An assertion with a chain of three certificates has about 6 KiB.
pub const MAX_ASSERTION: usize = 64 * 1024;

impl Compact {
    /// Splits and decodes; tolerates padding, the standard alphabet, white space, and records each.
    ///
    /// # Errors
    /// [`CompactError`] when the text does not have three base64 segments.
    pub fn read(text: &str) -> Result<Self, CompactError> {
        if text.len() > MAX_ASSERTION {
            return Err(CompactError::TooLong { length: text.len(), limit: MAX_ASSERTION });
        }
        let mut dots = text.match_indices('.').map(|(i, _)| i);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(CompactError::Segments { found: text.split('.').count() });
        };
        let segment = |name, span: Range<usize>| {
            let decoded = encoding::decode_base64(&text[span.clone()])
                .map_err(|error| CompactError::Base64 { segment: name, error })?;
            Ok(Segment { span, bytes: decoded.bytes, oddities: decoded.oddities })
        };
        Ok(Self {
            header: segment(SegmentName::Header, 0..first)?,
            payload: segment(SegmentName::Payload, first + 1..second)?,
            signature: segment(SegmentName::Signature, second + 1..text.len())?,
            text: text.to_owned(),
        })
    }

    /// The bytes that the signature covers: header and payload as sent, with the dot (RFC 7515 §5.2 step 8).
    pub fn signing_input(&self) -> &[u8] {
        &self.text.as_bytes()[..self.payload.span.end]
    }

    /// Header and payload segment as sent, without the signature: safe to show and to store.
    pub fn without_signature(&self) -> &str {
        &self.text[..self.payload.span.end]
    }

    /// The segments with their names, in order.
    pub fn segments(&self) -> [(SegmentName, &Segment); 3] {
        [
            (SegmentName::Header, &self.header),
            (SegmentName::Payload, &self.payload),
            (SegmentName::Signature, &self.signature),
        ]
    }

    /// The text of a segment as sent. The signature's text together with the rest is a usable assertion: never print it.
    pub fn segment_text(&self, name: SegmentName) -> &str {
        let span = match name {
            SegmentName::Header => &self.header.span,
            SegmentName::Payload => &self.payload.span,
            SegmentName::Signature => &self.signature.span,
        };
        &self.text[span.clone()]
    }
}

impl std::fmt::Debug for Compact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compact({}.[signature of {} bytes])", self.without_signature(), self.signature.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_spans_and_the_text_as_signed() {
        let jws = Compact::read("eyJh.e30=.AQID").unwrap();
        assert_eq!(jws.signing_input(), b"eyJh.e30=");
        assert_eq!(jws.payload.span, 5..9);
        assert!(jws.payload.oddities.padded);
        assert_eq!(jws.signature.bytes, [1, 2, 3]);
        assert!(!format!("{jws:?}").contains("AQID"));
    }

    #[test]
    fn refuses_other_shapes() {
        assert_eq!(Compact::read("a.b").err(), Some(CompactError::Segments { found: 2 }));
        assert_eq!(Compact::read("a.b.c.d.e").err(), Some(CompactError::Segments { found: 5 }));
        assert!(matches!(
            Compact::read("eyJh.e%0.AQID"),
            Err(CompactError::Base64 {
                segment: SegmentName::Payload,
                error: DecodeError::Character { offset: 1, .. }
            })
        ));
        assert!(matches!(Compact::read(&"a".repeat(MAX_ASSERTION + 1)), Err(CompactError::TooLong { .. })));
    }
}
