//! Which client made the request: told from what it says itself, from the words of its messages, or from the shape of
//! its assertion.
//!
//! Called by [`crate::diagnose`], so that a fix can be given in the client's own words. It proves nothing and changes no
//! verdict.

use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::claims::NumericForm;

use crate::evidence::Evidence;

mod known;

pub use known::CLIENTS;

/// A client, or a language in which clients are written by hand.
#[derive(Debug)]
pub struct Client {
    /// Its name for people.
    pub name: &'static str,
    /// Language of its code, as the blocks of the explanation pages name it.
    pub language: &'static str,
    /// What a block of the pages is marked with when it is for this client, best first. None for code written by hand.
    pub tags: &'static [&'static str],
    /// Pieces of `x-client-SKU` or `User-Agent`, in lower case.
    pub says: &'static [&'static str],
    /// Pieces of its messages and stack traces, in lower case.
    pub words: &'static [&'static str],
    /// The shape of the assertions it makes.
    pub shape: Option<Shape>,
}

/// What is always the same in the assertions of a client.
#[derive(Debug)]
pub struct Shape {
    /// Claims in the order in which they are written; empty when that is not known.
    pub claims: &'static [&'static str],
    /// Members that are in the header.
    pub header: &'static [&'static str],
    /// Members that are not.
    pub not_header: &'static [&'static str],
    /// How `exp` is written.
    pub exp: NumericForm,
    /// Seconds from `iat`, else `nbf`, to `exp`.
    pub lives: Option<i64>,
    /// The thumbprint is in the standard alphabet or padded.
    pub sloppy_thumbprint: bool,
}

/// The client that was told, and by what.
#[derive(Clone, Debug)]
pub struct Told {
    /// The client.
    pub client: &'static Client,
    /// The assertion is not the one that this client makes: somebody built it in the same language.
    pub by_hand: bool,
    /// What told it, in words.
    pub by: String,
}

impl Told {
    /// The name for people.
    pub fn name(&self) -> String {
        match (self.client.tags.is_empty(), self.by_hand) {
            (false, true) => format!("{}, with an assertion made by hand", self.client.name),
            _ => self.client.name.to_owned(),
        }
    }
}

/// Tells the client, when something does.
pub(crate) fn tell(ev: &Evidence<'_>) -> Option<Told> {
    let by_shape = ev.jwt.filter(|_| ev.own_assertion()).and_then(|jwt| of_shape(jwt.it));
    if let Some((client, by)) = said(ev).or_else(|| worded(ev)) {
        // What is sent with a secret or a federated token has no shape of its own.
        let has_shape = client.shape.is_some() || CLIENTS.iter().any(|c| c.shape.is_some() && c.tags == client.tags);
        let other = ev.jwt.is_some_and(|_| ev.own_assertion())
            && has_shape
            && !by_shape.is_some_and(|s| s.language == client.language && !s.tags.is_empty());
        return Some(Told { client, by_hand: other || client.tags.is_empty(), by });
    }
    let client = by_shape?;
    Some(Told { client, by_hand: client.tags.is_empty(), by: "the shape of its assertion".to_owned() })
}

/// By what the client says itself.
fn said(ev: &Evidence<'_>) -> Option<(&'static Client, String)> {
    let texts: Vec<&str> = ev.requests.iter().filter_map(|r| r.it.client.as_deref()).collect();
    CLIENTS.iter().find_map(|c| {
        let text = texts.iter().find(|t| {
            let t = t.to_ascii_lowercase();
            c.says.iter().any(|s| t.contains(s))
        })?;
        Some((c, format!("what it calls itself, `{}`", crate::words::value(text))))
    })
}

/// By the words of its messages.
fn worded(ev: &Evidence<'_>) -> Option<(&'static Client, String)> {
    let round_errors = ev.errors.iter().filter_map(|e| Some((e.artifact, e.it.client?)));
    let (artifact, client) = round_errors.chain(ev.texts().filter_map(|(i, t)| Some((i, of_words(t)?)))).next()?;
    Some((client, format!("the words of {}", ev.file(artifact))))
}

/// The client whose words a text has.
pub(crate) fn of_words(text: &str) -> Option<&'static Client> {
    let text = text.to_ascii_lowercase();
    CLIENTS.iter().find(|c| c.words.iter().any(|w| text.contains(w)))
}

/// By the shape of an assertion: a library's, else the spacing that only one language writes.
fn of_shape(jwt: &UnverifiedJwt) -> Option<&'static Client> {
    CLIENTS.iter().find(|c| c.shape.as_ref().is_some_and(|s| s.fits(jwt))).or_else(|| {
        let raw = &jwt.compact.payload.bytes;
        let has = |piece: &[u8]| raw.windows(piece.len()).any(|w| w == piece);
        // json.dumps writes a blank behind commas and colons by default, and no line feeds; ConvertTo-Json of Windows
        // PowerShell two blanks behind colons.
        let language = match () {
            () if has(b"\":  ") && has(b"\n") => "powershell",
            () if has(b"\": ") && has(b", \"") && !has(b"\n") => "python",
            () => return None,
        };
        CLIENTS.iter().find(|c| c.language == language && c.tags.is_empty())
    })
}

impl Shape {
    fn fits(&self, jwt: &UnverifiedJwt) -> bool {
        let (header, claims) = (&jwt.header, &jwt.claims);
        let order: Vec<&str> = claims.members().iter().map(|m| m.name.as_str()).collect();
        let countersign_core::jose::claims::NumericDate::At { form, .. } = &claims.exp else { return false };
        let thumbprint = header.x5t_s256.as_ref().or(header.x5t.as_ref());
        let sloppy = thumbprint.is_some_and(|t| t.text.contains(['+', '/', '=']));
        (self.claims.is_empty() || self.claims == order)
            && self.header.iter().all(|m| header.has(m))
            && !self.not_header.iter().any(|m| header.has(m))
            && *form == self.exp
            && (!self.sloppy_thumbprint || sloppy)
            && self.lives.is_none_or(|seconds| {
                let from = claims.iat.time().or(claims.nbf.time());
                let exp = claims.exp.time();
                from.zip(exp).is_some_and(|(from, exp)| (exp.secs_since(from) - seconds).abs() <= 1)
            })
    }
}
