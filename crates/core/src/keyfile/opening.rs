//! Opening what is encrypted in a key file, with the password given or a variant of it.
//!
//! Part of the reader. The work spent on guessing is bounded by a budget of key derivation rounds for the whole file.

use zeroize::Zeroizing;

use super::encryption::{self, OpenError};
use super::private_key::PrivateKey;
use super::reader::{Origin, Reader};
use super::repair::{Problem, Repair, Variant};
use super::sniff::{self, DerKind};
use super::{ItemKind, pkcs12};

impl Reader<'_> {
    pub(super) fn encrypted_pkcs8(&mut self, der: &[u8], origin: Origin) {
        let Some(scheme) = encryption::scheme_of(der) else {
            return self.problem(Problem::Malformed { label: origin.label });
        };
        let cost = scheme.cost();
        let closed = ItemKind::EncryptedKey { scheme: scheme.name, traditional: false };
        // No tool writes an encrypted PEM key with an empty password, so without one none is tried.
        self.open_key(closed, origin, cost, |password| encryption::open_pkcs8(der, password));
    }

    pub(super) fn traditional(&mut self, bytes: &[u8], dek_info: Option<(String, String)>, origin: Origin) {
        let (cipher, iv) = dek_info.unwrap_or_default();
        let closed = ItemKind::EncryptedKey { scheme: cipher.clone(), traditional: true };
        self.open_key(closed, origin, 1, |password| encryption::open_traditional(bytes, &cipher, &iv, password));
    }

    fn open_key(
        &mut self,
        closed: ItemKind,
        mut origin: Origin,
        cost: u64,
        open: impl Fn(&str) -> Result<Zeroizing<Vec<u8>>, OpenError>,
    ) {
        let label = origin.label.clone();
        let Some(password) = self.password else {
            self.problem(Problem::EncryptedWithoutPassword { label });
            return self.push(closed, origin);
        };
        match self.try_passwords(password, cost, false, &open) {
            (Ok(plain), variant) => {
                if variant.is_some() {
                    self.problem(Problem::WrongPassword { label: label.clone(), works_with: variant });
                }
                origin.was_encrypted = true;
                match sniff::sniff(&plain) {
                    Some(kind @ (DerKind::Pkcs8 | DerKind::Pkcs1 | DerKind::Sec1)) => self.value(kind, &plain, origin),
                    _ => self.problem(Problem::Malformed { label }),
                }
            }
            (Err(error), _) => {
                self.open_failed(error, label);
                self.push(closed, origin);
            }
        }
    }

    fn open_failed(&mut self, error: OpenError, label: String) {
        self.problem(match error {
            OpenError::WrongPassword => Problem::WrongPassword { label, works_with: None },
            OpenError::Unsupported(scheme) => Problem::UnsupportedEncryption { scheme },
            OpenError::TooManyIterations(found, limit) => Problem::TooManyIterations { found, limit },
            OpenError::Malformed => Problem::Malformed { label },
        });
    }

    /// The password as given, then its variants; which variant opened it, if any did.
    fn try_passwords<T>(
        &mut self,
        password: &str,
        cost: u64,
        empty: bool,
        open: &impl Fn(&str) -> Result<T, OpenError>,
    ) -> (Result<T, OpenError>, Option<Variant>) {
        let first = self.spend(cost).and_then(|()| open(password));
        if !matches!(first, Err(OpenError::WrongPassword)) {
            return (first, None);
        }
        for (variant, other) in variants(password, empty).into_iter().take(self.variants.saturating_sub(1)) {
            if self.budget < cost || self.spend(cost).is_err() {
                break;
            }
            self.budget -= cost;
            if let Ok(opened) = open(&other) {
                return (Ok(opened), Some(variant));
            }
        }
        (first, None)
    }

    /// Takes rounds off what is left, or refuses.
    fn spend(&mut self, cost: u64) -> Result<(), OpenError> {
        self.rounds = self.rounds.checked_sub(cost).ok_or(OpenError::TooManyIterations(cost, self.rounds))?;
        Ok(())
    }

    pub(super) fn pkcs12(&mut self, bytes: &[u8], origin: Origin) {
        let label = "PKCS#12".to_owned();
        let Some((mut about, pfx)) = pkcs12::inspect(bytes) else {
            return self.problem(Problem::Malformed { label });
        };
        if about.ber {
            self.repair(Repair::Ber);
        }
        let cost = about.cost();
        let open = |password: &str| pkcs12::open(&pfx, &about, password);
        let (result, variant) = match self.password {
            None => (self.spend(cost).and_then(|()| open("")), None),
            Some(password) => self.try_passwords(password, cost, true, &open),
        };
        let opened = match result {
            Ok(opened) => opened,
            Err(error) => {
                match (error, self.password) {
                    (OpenError::WrongPassword, None) => self.problem(Problem::EncryptedWithoutPassword { label }),
                    (error, _) => self.open_failed(error, label),
                }
                return self.push(ItemKind::Pkcs12(about), origin);
            }
        };
        about.opened = true;
        about.keys = opened.keys.len();
        about.certificates = opened.certificates.len();
        about.empty_password_works = variant == Some(Variant::Empty) || self.password.is_none_or(str::is_empty);
        let names = opened.keys.iter().map(|k| &k.1).chain(opened.certificates.iter().map(|c| &c.1));
        for name in names.flatten() {
            if !about.aliases.contains(name) {
                about.aliases.push(name.clone());
            }
        }
        if variant.is_some() {
            self.problem(Problem::WrongPassword { label, works_with: variant });
        }
        self.push(ItemKind::Pkcs12(about), origin.clone());
        for (key, alias) in &opened.keys {
            let label = "private key in PKCS#12".to_owned();
            let inner = Origin { label, alias: alias.clone(), was_encrypted: true, ..origin.clone() };
            self.private(PrivateKey::from_pkcs8_der(key), inner);
        }
        for (certificate, alias) in &opened.certificates {
            let label = "certificate in PKCS#12".to_owned();
            let inner = Origin { label, alias: alias.clone(), was_encrypted: true, ..origin.clone() };
            self.value(DerKind::Certificate, certificate, inner);
        }
    }
}

/// Passwords that are meant when this one is given, nearest first.
fn variants(password: &str, empty: bool) -> Vec<(Variant, Zeroizing<String>)> {
    let mut out: Vec<(Variant, Zeroizing<String>)> = Vec::new();
    let mut add = |variant, text: String| {
        if text != password && !out.iter().any(|(_, t)| **t == text) {
            out.push((variant, Zeroizing::new(text)));
        }
    };
    let trimmed = password.trim();
    let unquoted = |t: &str| {
        let mut chars = t.chars();
        let (first, last) = (chars.next(), chars.next_back());
        (first == last && matches!(first, Some('"' | '\'' | '`'))).then(|| chars.as_str().to_owned())
    };
    add(Variant::Trimmed, password.trim_end_matches(['\r', '\n']).to_owned());
    add(Variant::Trimmed, trimmed.to_owned());
    if let Some(inner) = unquoted(trimmed) {
        add(Variant::Trimmed, inner.trim().to_owned());
    }
    // Quotes say more than white space: put that variant's name on the text it belongs to.
    if let Some(inner) = unquoted(trimmed) {
        out.retain(|(_, t)| **t != inner);
        out.insert(0, (Variant::Unquoted, Zeroizing::new(inner)));
    }
    let mut add = |variant, text: String| {
        if text != password && !out.iter().any(|(_, t)| **t == text) {
            out.push((variant, Zeroizing::new(text)));
        }
    };
    if empty {
        add(Variant::Empty, String::new());
    }
    add(Variant::Quoted, format!("\"{password}\""));
    add(Variant::Quoted, format!("'{password}'"));
    add(Variant::WithNewline, format!("{password}\n"));
    add(Variant::WithNewline, format!("{password}\r\n"));
    out
}
