//! What a form sent: pairs of a query or a form body (HTML, `application/x-www-form-urlencoded`), parts of a
//! `multipart/form-data` body with files (RFC 7578).
//!
//! Bodies are bounded before they come here. Files are wiped when the form is dropped: somebody may have sent a key.

use countersign_core::request::form_decode;
use zeroize::Zeroizing;

/// Fields of one form; ours have a dozen at most.
const MOST: usize = 40;

/// Pairs in their order.
#[derive(Default)]
pub(super) struct Pairs(Vec<(String, Zeroizing<String>)>);

impl Pairs {
    /// Reads pairs; names and values are decoded.
    pub fn read(text: &str) -> Self {
        let pair = |p: &str| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (form_decode(name), Zeroizing::new(form_decode(value)))
        };
        Self(text.split('&').filter(|p| !p.is_empty()).take(MOST).map(pair).collect())
    }

    /// The first value of that name, without blanks round it; `None` when it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }
}

/// A form body.
pub(super) struct Form {
    pairs: Pairs,
    files: Vec<File>,
}

/// A file of a form.
pub(super) struct File {
    /// Its name as sent; for display only.
    pub name: String,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Form {
    /// Reads a body of either kind.
    ///
    /// # Errors
    /// Another kind, or a body that is not what it says.
    pub fn read(content_type: &str, body: &[u8]) -> Result<Self, &'static str> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = std::str::from_utf8(body).map_err(|_| "The form is no text.")?;
            return Ok(Self { pairs: Pairs::read(text), files: Vec::new() });
        }
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return Err("A form is expected.");
        }
        let boundary = content_type
            .split(';')
            .filter_map(|p| p.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
            .map(|(_, b)| b.trim_matches('"'))
            .filter(|b| !b.is_empty() && b.len() <= 70)
            .ok_or("The form does not say where its parts end.")?;
        multipart(boundary, body).ok_or("The parts of the form cannot be told apart.")
    }

    /// The value of a field, without blanks round it; `None` when it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs.get(name)
    }

    /// Files that have a content.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| !f.bytes.is_empty())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn multipart(boundary: &str, body: &[u8]) -> Option<Form> {
    let mark = format!("--{boundary}");
    let mut form = Form { pairs: Pairs::default(), files: Vec::new() };
    let mut rest = body.strip_prefix(mark.as_bytes())?;
    let end = format!("\r\n{mark}");
    loop {
        if rest.starts_with(b"--") {
            return Some(form);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..head_end]).ok()?;
        rest = &rest[head_end + 4..];
        let length = find(rest, end.as_bytes())?;
        let content = &rest[..length];
        rest = &rest[length + end.len()..];
        let disposition = head.split("\r\n").find(|l| l.to_ascii_lowercase().starts_with("content-disposition:"))?;
        let name = parameter(disposition, "name")?;
        if form.pairs.0.len() + form.files.len() >= MOST {
            return None;
        }
        match parameter(disposition, "filename") {
            Some(file) => form.files.push(File { name: file, bytes: Zeroizing::new(content.to_vec()) }),
            None => form.pairs.0.push((name, Zeroizing::new(String::from_utf8(content.to_vec()).ok()?))),
        }
    }
}

/// A quoted parameter; browsers write `"` in it as `%22` (HTML, "multipart/form-data encoding algorithm").
fn parameter(line: &str, name: &str) -> Option<String> {
    let start = line.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = line.get(start..)?;
    let end = value.find('"')?;
    Some(value[..end].chars().filter(|c| !c.is_control()).take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_forms_are_read() {
        let form = Form::read("application/x-www-form-urlencoded", b"a=1+2&b=%3Cb%3E&a=3").unwrap();
        assert_eq!((form.text("a"), form.text("b"), form.text("c")), (Some("1 2"), Some("<b>"), None));
        let body = b"--X\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nt\r\n--X\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.cer\"\r\nContent-Type: x/y\r\n\r\n\x30\x00\r\n--\r\n--X--\r\n";
        let form = Form::read("multipart/form-data; boundary=X", body).unwrap();
        assert_eq!(form.text("csrf"), Some("t"));
        let files: Vec<_> = form.files().map(|f| (f.name.as_str(), f.bytes.as_slice())).collect();
        assert_eq!(files, [("a.cer", &b"\x30\x00\r\n--"[..])]);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for (kind, body) in [
            ("text/plain", &b"a=1"[..]),
            ("", b""),
            ("application/json", b"{}"),
            ("application/x-www-form-urlencoded", b"\xff"),
            ("multipart/form-data", b"--X--"),
            ("multipart/form-data; boundary=X", b""),
            ("multipart/form-data; boundary=X", b"--X\r\n"),
            ("multipart/form-data; boundary=X", b"--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--"),
            ("multipart/form-data; boundary=X", b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nno end"),
        ] {
            assert!(Form::read(kind, body).is_err(), "{kind} {body:?}");
        }
        let many = b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n".repeat(MOST + 1);
        assert!(Form::read("multipart/form-data; boundary=X", &[&many[..], b"--X--"].concat()).is_err());
    }
}
