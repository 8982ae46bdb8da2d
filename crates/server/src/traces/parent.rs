//! The header `traceparent` (W3C Trace Context, level 1, §3.2): which trace a request belongs to, and whether it is recorded.
//!
//! Read by [`super::Traces::begin`]. What is malformed counts as absent, as the recommendation demands (§4.3).

/// What a caller says about its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The caller's span.
    pub span_id: [u8; 8],
    /// Whether the caller records.
    pub sampled: bool,
}

impl Parent {
    /// Reads the header's value.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(5, '-');
        let [version, trace_id, span_id, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let version = hex::<1>(version)?[0];
        // Later versions may have more behind it; version 0 has not, and 255 is none.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let parent = Self { trace_id: hex(trace_id)?, span_id: hex(span_id)?, sampled: hex::<1>(flags)?[0] & 1 == 1 };
        (parent.trace_id != [0; 16] && parent.span_id != [0; 8]).then_some(parent)
    }
}

/// Hex in lower case, of exactly this many bytes.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    countersign_core::encoding::decode_hex(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_recommendation_shows() {
        let parent = Parent::read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert!(
            parent.sampled && parent.trace_id[0] == 0x0a && parent.span_id == 0xb7ad_6b71_6920_3331_u64.to_be_bytes()
        );
        assert!(!Parent::read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02").unwrap().sampled);
        assert!(Parent::read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later").is_some());
    }

    #[test]
    fn what_is_malformed_is_absent() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
        ] {
            assert_eq!(Parent::read(wrong), None, "{wrong}");
        }
    }
}
