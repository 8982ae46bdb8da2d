//! Distinguished names as text.
//!
//! Used by [`super::certificate`]. Names are for people: comparing goes by their DER, never by this text.

use x509_parser::x509::X509Name;

use crate::encoding;

/// The last common name, as text.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    let last = name.iter_common_name().last()?;
    attribute_text(last.attr_value().tag().0, last.attr_value().data)
}

/// RFC 4514 §2 in the certificate's own order, `, ` between names, `+` inside a multi-valued one.
pub(super) fn name_text(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    for (i, rdn) in name.iter_rdn().enumerate() {
        for (j, attribute) in rdn.iter().enumerate() {
            if j > 0 {
                out.push('+');
            } else if i > 0 {
                out.push_str(", ");
            }
            let oid = attribute.attr_type().to_id_string();
            out.push_str(attribute_name(&oid).unwrap_or(&oid));
            out.push('=');
            let value = attribute.attr_value();
            match attribute_text(value.tag().0, value.data) {
                Some(text) => escape_into(&mut out, &text),
                None => {
                    out.push('#');
                    out.push_str(&encoding::encode_hex_lower(value.data));
                }
            }
        }
    }
    out
}

/// Short names of RFC 4514 §3 and those that openssl and Windows print.
fn attribute_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.17" => "postalCode",
        "2.5.4.42" => "GN",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// Text of a DirectoryString by its tag (RFC 5280 §4.1.2.4); Teletex is read as Latin-1, as everybody writes it.
fn attribute_text(tag: u32, data: &[u8]) -> Option<String> {
    match tag {
        12 | 18 | 19 | 22 | 26 => String::from_utf8(data.to_vec()).ok(),
        20 => Some(data.iter().map(|b| char::from(*b)).collect()),
        28 => {
            let units =
                data.chunks_exact(4).map(|c| c.try_into().ok().map(u32::from_be_bytes).and_then(char::from_u32));
            (data.len().is_multiple_of(4)).then(|| units.collect())?
        }
        30 => {
            let units: Vec<u16> = data.chunks_exact(2).map(|c| u16::from(c[0]) << 8 | u16::from(c[1])).collect();
            if data.len().is_multiple_of(2) { String::from_utf16(&units).ok() } else { None }
        }
        _ => None,
    }
}

fn escape_into(out: &mut String, text: &str) {
    let last = text.chars().count().saturating_sub(1);
    for (i, c) in text.chars().enumerate() {
        let edge_blank = c == ' ' && (i == 0 || i == last);
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => {
                out.push('\\');
                out.push(c);
            }
            '#' if i == 0 => out.push_str("\\#"),
            _ if edge_blank => out.push_str("\\ "),
            _ if c.is_control() => push_hex_pairs(out, c),
            _ => out.push(c),
        }
    }
}

/// A control character as `\0A`, so that a name can never forge a line of output.
fn push_hex_pairs(out: &mut String, c: char) {
    let mut buffer = [0; 4];
    for b in c.encode_utf8(&mut buffer).bytes() {
        out.push('\\');
        out.push_str(&encoding::encode_hex_upper(&[b]));
    }
}

/// Text with its control characters made visible.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { push_hex_pairs(&mut out, c) } else { out.push(c) }
    }
    out
}
