//! What reading a key file had to mend, and what could not be mended.
//!
//! Filled in by [`super::read`]; the doctor turns them into findings, commands into messages. Nothing here holds key
//! material or a password.

use std::fmt;

use crate::x509::certificate::CertificateError;

/// A deviation that reading could undo; other tools may refuse the file for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// A byte order mark before UTF-8 text.
    Bom,
    /// UTF-16 text.
    Utf16,
    /// CR LF line ends.
    CrLf,
    /// The two characters `\n` stand where line breaks belong.
    EscapedNewlines,
    /// Line breaks are gone or became blanks.
    LineBreaksLost,
    /// Base64 in one line longer than 76 characters, between proper BEGIN and END lines.
    LongLines,
    /// Blanks inside the lines of base64.
    StrayBlanks,
    /// Quotes, commas or plus signs of a program or settings file round or inside the text.
    Quotes,
    /// Characters that cannot be seen: zero-width, no-break, direction marks.
    InvisibleCharacters,
    /// The file is base64 of PEM text.
    Base64OfPem,
    /// The file is base64 text of DER, without BEGIN and END lines.
    Base64OfDer,
    /// The file is base64 text of a PKCS#12.
    Base64OfPkcs12,
    /// The file is hexadecimal text of DER.
    HexOfDer,
    /// HTML entities such as `&#43;`.
    HtmlEscaped,
    /// Percent escapes such as `%2B`.
    PercentEncoded,
    /// JSON escapes other than `\n`, such as `\/` or `\u002b`.
    JsonEscaped,
    /// Lines begin with blanks or quotation marks of a mail.
    Indented,
    /// `-` and `_` instead of `+` and `/`.
    UrlSafeAlphabet,
    /// Padding `=` missing at the end.
    MissingPadding,
    /// The BEGIN or END line has another number or kind of dashes.
    Dashes,
    /// The label says another kind than the contents are.
    LabelDisagrees,
    /// Bytes behind the end of the DER.
    TrailingBytes,
    /// The PKCS#12 uses BER's indefinite lengths; strict DER readers refuse it.
    Ber,
}

impl Repair {
    /// The deviation in words, as a statement about the file.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Bom => "a byte order mark stands before the text",
            Self::Utf16 => "the text is UTF-16, key files are ASCII",
            Self::CrLf => "lines end in CR LF",
            Self::EscapedNewlines => "the characters \\n stand where line breaks belong",
            Self::LineBreaksLost => "the line breaks of the PEM text are lost",
            Self::LongLines => "the base64 stands in one long line, PEM wraps after 64 characters",
            Self::StrayBlanks => "blanks stand inside the base64",
            Self::Quotes => "quotes or other marks of a program stand round or inside the text",
            Self::InvisibleCharacters => "invisible characters stand inside the text",
            Self::Base64OfPem => "the file is base64 of a PEM text",
            Self::Base64OfDer => "the file is base64 text of a binary (DER) file",
            Self::Base64OfPkcs12 => "the file is base64 text of a PKCS#12 (PFX) file",
            Self::HexOfDer => "the file is hexadecimal text of a binary (DER) file",
            Self::HtmlEscaped => "HTML entities such as &#43; stand inside the text",
            Self::PercentEncoded => "percent escapes such as %2B stand inside the text",
            Self::JsonEscaped => "JSON escapes stand inside the text",
            Self::Indented => "the lines are indented or quoted",
            Self::UrlSafeAlphabet => "the text uses base64url, PEM uses standard base64",
            Self::MissingPadding => "the padding at the end of the base64 is missing",
            Self::Dashes => "the BEGIN or END line does not have five hyphens on each side",
            Self::LabelDisagrees => "the label names another kind than the contents are",
            Self::TrailingBytes => "bytes stand behind the end of the data",
            Self::Ber => "the PKCS#12 is BER with indefinite lengths, not DER",
        }
    }
}

/// A variant of the password given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// No password at all: Azure Key Vault, for one, exports PKCS#12 so.
    Empty,
    /// Without the white space round it.
    Trimmed,
    /// Without the quotes round it.
    Unquoted,
    /// With quotes round it.
    Quoted,
    /// With a line feed behind it, as `echo` adds.
    WithNewline,
}

impl Variant {
    /// The variant in words, to go behind "the password works".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Empty => "when it is empty",
            Self::Trimmed => "without the white space round it",
            Self::Unquoted => "without the quotes round it",
            Self::Quoted => "with quotes round it",
            Self::WithNewline => "with a line feed behind it",
        }
    }
}

/// What a file that holds no key and no certificate appears to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LooksLike {
    /// Nothing or white space.
    Empty,
    /// A thumbprint or fingerprint (`SHA256:…`, hex, base64).
    Fingerprint,
    /// A client secret of an application.
    ClientSecret,
    /// A JSON Web Token.
    Jwt,
    /// A GUID.
    Guid,
    /// The name of a file.
    Path,
    /// A web address, such as that of a Key Vault secret.
    Url,
    /// An SSH public key line.
    SshPublicKey,
    /// PuTTY's key format.
    Ppk,
    /// A Java keystore (JKS).
    JavaKeystore,
    /// An HTML page, commonly a failed download.
    Html,
    /// JSON without a key in it.
    Json,
    /// A ZIP archive.
    Zip,
    /// DER of another kind.
    OtherDer,
    /// Other text.
    Text,
    /// Other binary data.
    Binary,
}

impl LooksLike {
    /// The kind in words, with article.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Fingerprint => "a fingerprint (hash) of a key or certificate",
            Self::ClientSecret => "a client secret",
            Self::Jwt => "a JSON Web Token",
            Self::Guid => "a GUID",
            Self::Path => "the name of a file",
            Self::Url => "a web address",
            Self::SshPublicKey => "an SSH public key",
            Self::Ppk => "a PuTTY key",
            Self::JavaKeystore => "a Java keystore (JKS)",
            Self::Html => "an HTML page",
            Self::Json => "JSON without a key",
            Self::Zip => "a ZIP archive",
            Self::OtherDer => "DER of another kind",
            Self::Text => "other text",
            Self::Binary => "other binary data",
        }
    }
}

/// What is wrong with a key file beyond repair, or needs the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Larger than [`super::MAX_BYTES`].
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes read at most.
        limit: usize,
    },
    /// More parts than [`super::MAX_ITEMS`]; the rest was not read.
    TooManyItems {
        /// Parts read at most.
        limit: usize,
    },
    /// Neither key nor certificate.
    NotAKeyFile {
        /// What it appears to be.
        looks_like: LooksLike,
    },
    /// An encrypted part, and no password was given.
    EncryptedWithoutPassword {
        /// Its PEM label, or `PKCS#12`.
        label: String,
    },
    /// The password does not open an encrypted part.
    WrongPassword {
        /// Its PEM label, or `PKCS#12`.
        label: String,
        /// The variant of the password that does open it.
        works_with: Option<Variant>,
    },
    /// A character that no base64 has.
    BadBase64 {
        /// PEM label.
        label: String,
        /// Byte offset in the given input.
        offset: usize,
    },
    /// Fewer bytes than the data itself announces.
    Truncated {
        /// PEM label, or the kind.
        label: String,
        /// Bytes announced; `None` where only incomplete base64 shows it.
        expected: Option<usize>,
        /// Bytes found.
        received: usize,
    },
    /// A BEGIN line without its END line.
    MissingEnd {
        /// PEM label.
        label: String,
    },
    /// An END line without its BEGIN line.
    MissingBegin {
        /// PEM label.
        label: String,
    },
    /// BEGIN and END lines with different labels.
    LabelsDiffer {
        /// Label of the BEGIN line.
        begin: String,
        /// Label of the END line.
        end: String,
    },
    /// Contents that are not what the label says, nor anything else known.
    Malformed {
        /// PEM label, or the kind.
        label: String,
    },
    /// A certificate that cannot be read.
    MalformedCertificate {
        /// Why not.
        error: CertificateError,
    },
    /// Private key and certificates are there, and no certificate is that of a key.
    KeyCertMismatch,
    /// Encryption that is not supported.
    UnsupportedEncryption {
        /// Its name or dotted OID.
        scheme: String,
    },
    /// A password-based key derivation that would cost too much work.
    TooManyIterations {
        /// Iterations asked for.
        found: u64,
        /// Iterations done at most.
        limit: u64,
    },
    /// A JWK without a member it needs.
    JwkIncomplete {
        /// The member.
        missing: &'static str,
    },
    /// A private key in a format that is recognised and not read.
    UnsupportedFormat {
        /// The format.
        format: &'static str,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(f, "{size} bytes are too many for a key file; at most {limit} are read")
            }
            Self::TooManyItems { limit } => {
                write!(f, "more than {limit} parts; the rest was not read")
            }
            Self::NotAKeyFile { looks_like } => {
                write!(f, "neither key nor certificate; it looks like {}", looks_like.describe())
            }
            Self::EncryptedWithoutPassword { label } => {
                write!(f, "{label} is encrypted and no password was given")
            }
            Self::WrongPassword { label, works_with: None } => {
                write!(f, "the password does not open {label}")
            }
            Self::WrongPassword { label, works_with: Some(variant) } => {
                write!(f, "the password does not open {label} as given; it works {}", variant.describe())
            }
            Self::BadBase64 { label, offset } => {
                write!(f, "the {label} block has a character at byte {offset} that base64 does not know")
            }
            Self::Truncated { label, expected: Some(expected), received } => {
                write!(f, "{label} is cut off: {received} of {expected} bytes are there")
            }
            Self::Truncated { label, expected: None, received } => {
                write!(f, "{label} is cut off after {received} bytes, in the middle of a base64 group")
            }
            Self::MissingEnd { label } => {
                write!(f, "the line -----END {label}----- is missing")
            }
            Self::MissingBegin { label } => {
                write!(f, "the line -----BEGIN {label}----- is missing")
            }
            Self::LabelsDiffer { begin, end } => {
                write!(f, "a block begins as {begin} and ends as {end}")
            }
            Self::Malformed { label } => {
                write!(f, "the contents of {label} are not what the label says")
            }
            Self::MalformedCertificate { error } => write!(f, "{error}"),
            Self::KeyCertMismatch => f.write_str("the private key belongs to none of the certificates beside it"),
            Self::UnsupportedEncryption { scheme } => {
                write!(f, "encryption with {scheme} is not supported")
            }
            Self::TooManyIterations { found, limit } => {
                write!(f, "{found} rounds of key derivation are too many; at most {limit} are done")
            }
            Self::JwkIncomplete { missing } => {
                write!(f, "the JWK has no usable member `{missing}`")
            }
            Self::UnsupportedFormat { format } => write!(f, "{format} is not supported"),
        }
    }
}
