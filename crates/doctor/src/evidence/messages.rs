//! Messages of local tools and of other servers, recognised by the words that they really print.
//!
//! Called by the evidence for every text. A message names what a tool objected to; only together with the file it
//! objected to does a cause become sure.

/// What a tool said, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The key container is missing or may not be read.
    KeyNotAccessible,
    /// No certificate in the store that was searched.
    NotInStore,
    /// A CNG key through an interface for CSP keys only.
    CngKey,
    /// A provider that cannot do SHA-256.
    NoSha256,
    /// A PKCS#12 with algorithms that the reader does not know yet.
    ModernPkcs12,
    /// A PKCS#12 with algorithms that the reader no longer takes.
    LegacyPkcs12,
    /// The password of a PKCS#12 or key does not fit.
    WrongPassword,
    /// A password is wanted.
    PasswordMissing,
    /// More entries than expected in a PKCS#12.
    ManyAliases,
    /// A private key is missing.
    NoPrivateKey,
    /// A public part stands where a private key is wanted.
    PublicPart,
    /// A PEM file lacks a block that is wanted.
    PemIncomplete,
    /// Blocks of a PEM file in the wrong order.
    PemOrder,
    /// A text that is no key at all.
    NotAKey,
    /// PEM where PKCS#12 is wanted, or the reverse.
    PemNotPkcs12,
    /// Private key and certificate do not belong together.
    KeyMismatch,
    /// A key service wants a digest, not a message.
    DigestWanted,
    /// The key set of the client cannot be fetched.
    JwksUnreachable,
    /// `iat` is missing.
    IatMissing,
    /// `exp` is too far away.
    ExpTooFar,
    /// A `jti` was used before.
    JtiReused,
    /// `kid` is missing.
    KidMissing,
    /// A library insists on `iss` being `sub`.
    IssMustBeSub,
    /// App-only tokens of a secret are refused.
    SecretTokenRefused,
    /// Permission missing on this resource.
    PermissionMissing,
    /// Consent is missing.
    ConsentMissing,
    /// The JWT of a Snowflake user is refused.
    SnowflakeJwt,
    /// The algorithm is refused.
    AlgRefused,
    /// The audience is refused.
    AudienceRefused,
    /// The audience must be the token endpoint.
    AudienceMustBeEndpoint,
    /// The audience must be the issuer.
    AudienceMustBeIssuer,
    /// A library is known to compute wrong signatures.
    LibraryBug,
    /// No credential was found or sent.
    NoCredential,
}

use Message::*;

/// Words, all of which must stand in the text (lower case), and what they mean. The first match of each kind counts.
static PATTERNS: &[(Message, &[&str])] = &[
    (KeyNotAccessible, &["keyset does not exist"]),
    (KeyNotAccessible, &["key set does not exist"]),
    (KeyNotAccessible, &["keyset as registered is invalid"]),
    (KeyNotAccessible, &["0x80090016"]),
    (KeyNotAccessible, &["-2146893802"]),
    (KeyNotAccessible, &["schlüsselsatz nicht vorhanden"]),
    (KeyNotAccessible, &["access is denied", "private key"]),
    (KeyNotAccessible, &["access denied", "private key"]),
    (KeyNotAccessible, &["permission denied", ".pem"]),
    (KeyNotAccessible, &["permission denied", ".pfx"]),
    (KeyNotAccessible, &["permission denied", ".key"]),
    (KeyNotAccessible, &["unauthorizedaccessexception", "private key"]),
    (KeyNotAccessible, &["cryptographicexception", "access denied"]),
    (KeyNotAccessible, &["cryptographicexception", "access is denied"]),
    (KeyNotAccessible, &["the system cannot find the file specified", "x509certificate"]),
    (KeyNotAccessible, &["the system cannot find the file specified", "cryptographicexception"]),
    (NotInStore, &["certificate", "not found in", "store"]),
    (NotInStore, &["certificate", "was not found", "currentuser"]),
    (NotInStore, &["certificate", "was not found", "localmachine"]),
    (NotInStore, &["could not find", "certificate", "thumbprint"]),
    (NotInStore, &["cannot find", "certificate", "thumbprint"]),
    (NotInStore, &["cannot find certificate"]),
    (NotInStore, &["no certificate was found", "thumbprint"]),
    (NotInStore, &["certificate with thumbprint", "not found"]),
    (NotInStore, &["certificate with thumbprint", "could not be found"]),
    (NotInStore, &["no certificate", "found in", "store"]),
    (NotInStore, &["was not found or has expired", "certificate"]),
    (NotInStore, &["certificate", "could not be found in the", "store"]),
    (CngKey, &["invalid provider type specified"]),
    (CngKey, &["0x80090014"]),
    (CngKey, &["certificate key algorithm is not supported"]),
    (CngKey, &["unable to cast", "rsacng"]),
    (CngKey, &["rsacng", "rsacryptoserviceprovider"]),
    (CngKey, &["ungültiger anbietertyp"]),
    (NoSha256, &["invalid algorithm specified"]),
    (NoSha256, &["0x80090008"]),
    (NoSha256, &["ungültiger algorithmus"]),
    (ModernPkcs12, &["unknown digest algorithm"]),
    (ModernPkcs12, &["algorithm 2.16.840.1.101"]),
    (ModernPkcs12, &["pkcs12: unknown algorithm"]),
    (ModernPkcs12, &["pkcs12", "unknown certificate type"]),
    (ModernPkcs12, &["unknown", "algorithm", "1.2.840.113549.1.5.13"]),
    (ModernPkcs12, &["hmacpbesha256"]),
    (ModernPkcs12, &["integrity check failed", "algorithm"]),
    (ModernPkcs12, &["only pkcs12 encryption", "supported"]),
    (LegacyPkcs12, &["digital envelope routines", "unsupported"]),
    (LegacyPkcs12, &["rc2-40-cbc"]),
    (LegacyPkcs12, &["unsupported", "rc2"]),
    (LegacyPkcs12, &["unsupported pkcs12 pfx"]),
    (LegacyPkcs12, &["err_osslevp_unsupported"]),
    (LegacyPkcs12, &["err_ossl_evp_unsupported"]),
    (LegacyPkcs12, &["inner_evp_generic_fetch", "unsupported"]),
    (LegacyPkcs12, &["pkcs12 routines", "unsupported"]),
    (WrongPassword, &["mac verify error"]),
    (WrongPassword, &["mac verify failure"]),
    (WrongPassword, &["mac could not be verified"]),
    (WrongPassword, &["mac invalid - wrong password"]),
    (WrongPassword, &["network password is not correct"]),
    (WrongPassword, &["netzwerkkennwort ist falsch"]),
    (WrongPassword, &["keystore password was incorrect"]),
    (WrongPassword, &["password may be incorrect"]),
    (WrongPassword, &["password is incorrect"]),
    (WrongPassword, &["decryption password incorrect"]),
    (WrongPassword, &["invalid password or pkcs12"]),
    (WrongPassword, &["incorrect password"]),
    (WrongPassword, &["failed to decrypt safe contents"]),
    (WrongPassword, &["wrong password"]),
    (WrongPassword, &["bad decrypt"]),
    (WrongPassword, &["padding is invalid and cannot be removed"]),
    (PasswordMissing, &["password was not given but private key is encrypted"]),
    (PasswordMissing, &["private key is encrypted"]),
    (PasswordMissing, &["passphrase required"]),
    (PasswordMissing, &["no passphrase"]),
    (PasswordMissing, &["passphrase", "encrypted key"]),
    (PasswordMissing, &["bad password read"]),
    (PasswordMissing, &["interrupted or cancelled", "pem"]),
    (PasswordMissing, &["err_missing_passphrase"]),
    (ManyAliases, &["more than one certificate alias"]),
    (ManyAliases, &["multiple certificate aliases"]),
    (ManyAliases, &["more than one alias"]),
    (ManyAliases, &["multiple aliases"]),
    (ManyAliases, &["expected exactly two safe bags"]),
    (ManyAliases, &["expected exactly two items in the authenticated safe"]),
    (ManyAliases, &["expected exactly one", "safe bag"]),
    (ManyAliases, &["pkcs12", "more than", "bag"]),
    (ManyAliases, &["more than one", "private key", "pfx"]),
    (NoPrivateKey, &["does not have a private key"]),
    (NoPrivateKey, &["doesn't have a private key"]),
    (NoPrivateKey, &["does not contain a private key"]),
    (NoPrivateKey, &["doesn't contain a private key"]),
    (NoPrivateKey, &["must have a private key"]),
    (NoPrivateKey, &["must contain a private key"]),
    (NoPrivateKey, &["must include a private key"]),
    (NoPrivateKey, &["no private key"]),
    (NoPrivateKey, &["without a private key"]),
    (NoPrivateKey, &["without private key"]),
    (NoPrivateKey, &["private key is not available"]),
    (NoPrivateKey, &["private key not found"]),
    (NoPrivateKey, &["private key is missing"]),
    (NoPrivateKey, &["private key property of the certificate", "null"]),
    (NoPrivateKey, &["hasprivatekey", "false"]),
    (PublicPart, &["expected a private key"]),
    (NoPrivateKey, &["failed to find any private key"]),
    (PublicPart, &["not a private key"]),
    (NoPrivateKey, &["privatekey", "null", "certificate"]),
    (PublicPart, &["expecting: any private key"]),
    (PublicPart, &["secretorprivatekey must be an asymmetric key"]),
    (PublicPart, &["valid key data", "certificate"]),
    (PemIncomplete, &["no start line"]),
    (PemIncomplete, &["pem_read_bio:no start line"]),
    (PemIncomplete, &["unable to load pem"]),
    (PemIncomplete, &["unable to load certificate"]),
    (PemIncomplete, &["unable to load key file"]),
    (PemIncomplete, &["not pem-encoded"]),
    (PemIncomplete, &["malformedframing"]),
    (PemIncomplete, &["pem", "does not contain", "certificate"]),
    (PemIncomplete, &["pem", "doesn't contain", "certificate"]),
    (PemIncomplete, &["no certificate", "pem"]),
    (PemIncomplete, &["pem", "must contain both"]),
    (PemIncomplete, &["must contain a certificate"]),
    (PemIncomplete, &["doesn't contain a pem-encoded certificate"]),
    (PemIncomplete, &["does not contain a pem-encoded certificate"]),
    (PemIncomplete, &["found no certificate"]),
    (PemIncomplete, &["failed to find any pem"]),
    (PemIncomplete, &["no certificates found"]),
    (PemIncomplete, &["pem lib"]),
    (PemOrder, &["private key", "must be first"]),
    (PemOrder, &["private key", "first", "pem"]),
    (PemOrder, &["private key", "before", "certificate"]),
    (PemOrder, &["pem", "order"]),
    (PemOrder, &["expected private key", "found certificate"]),
    (NotAKey, &["asn1 encoding routines", "wrong tag"]),
    (NotAKey, &["could not parse the provided public key"]),
    (NotAKey, &["could not deserialize key data"]),
    (NotAKey, &["unable to parse the key"]),
    (NotAKey, &["invalid key format"]),
    (NotAKey, &["invalid pem formatted message"]),
    (NotAKey, &["key must be pem encoded"]),
    (NotAKey, &["not a valid private key"]),
    (NotAKey, &["unsupported key format"]),
    (PemNotPkcs12, &["not a valid pfx"]),
    (PemNotPkcs12, &["not a valid pkcs"]),
    (PemNotPkcs12, &["tag mismatch", "pkcs"]),
    (PemNotPkcs12, &["cannot find the requested object"]),
    (PemNotPkcs12, &["toderinputstream rejects tag type"]),
    (PemNotPkcs12, &["derinputstream", "tag"]),
    (PemNotPkcs12, &["application/x-pkcs12", "expected"]),
    (PemNotPkcs12, &["application/x-pem-file"]),
    (PemNotPkcs12, &["asn1: structure error", "tags don't match"]),
    (PemNotPkcs12, &["error reading p12 data"]),
    (PemNotPkcs12, &["bad pfx"]),
    (PemNotPkcs12, &["could not deserialize pkcs12"]),
    (KeyMismatch, &["key values mismatch"]),
    (KeyMismatch, &["private key does not match"]),
    (KeyMismatch, &["private key doesn't match"]),
    (KeyMismatch, &["x509_check_private_key"]),
    (KeyMismatch, &["does not match the public key"]),
    (KeyMismatch, &["keys don't match"]),
    (DigestWanted, &["requires 32 bytes"]),
    (DigestWanted, &["requires 48 bytes"]),
    (DigestWanted, &["requires 64 bytes"]),
    (DigestWanted, &["invalid length of 'value'"]),
    (DigestWanted, &["digest is invalid length"]),
    (DigestWanted, &["digest", "invalid length", "algorithm"]),
    (DigestWanted, &["digest is wrong length"]),
    (DigestWanted, &["digest length", "must be"]),
    (DigestWanted, &["message of length", "messagetype", "raw"]),
    (DigestWanted, &["messagetype", "digest", "length"]),
    (DigestWanted, &["value length", "expected 32"]),
    (JwksUnreachable, &["jwks", "unable to fetch"]),
    (JwksUnreachable, &["jwks", "unable to retrieve"]),
    (JwksUnreachable, &["jwks", "failed to"]),
    (JwksUnreachable, &["jwks", "could not"]),
    (JwksUnreachable, &["jwks", "couldn't"]),
    (JwksUnreachable, &["jwks", "error", "connect"]),
    (JwksUnreachable, &["jwks", "timed out"]),
    (JwksUnreachable, &["jwks", "timeout"]),
    (JwksUnreachable, &["jwks", "pkix path"]),
    (JwksUnreachable, &["jwk set url", "error"]),
    (JwksUnreachable, &["jwks", "unreachable"]),
    (JwksUnreachable, &["jwks", "unable to load"]),
    (JwksUnreachable, &["request to external oidc endpoint failed"]),
    (IatMissing, &["iat claim not present"]),
    (IatMissing, &["iat claim is missing"]),
    (IatMissing, &["missing", "iat"]),
    (IatMissing, &["'iat'", "required"]),
    (IatMissing, &["issued at", "missing"]),
    (IatMissing, &["no iat"]),
    (ExpTooFar, &["expiration time", "too far in the future"]),
    (ExpTooFar, &["exp", "too far in the future"]),
    (ExpTooFar, &["expiration is too far"]),
    (ExpTooFar, &["expiration too far"]),
    (ExpTooFar, &["must be a short-lived token"]),
    (ExpTooFar, &["exp", "too far into the future"]),
    (ExpTooFar, &["lifetime", "exceeds"]),
    (ExpTooFar, &["exp", "more than", "in the future"]),
    (ExpTooFar, &["token is too old or too new"]),
    (ExpTooFar, &["exp", "must be within"]),
    (ExpTooFar, &["exp", "maximum", "lifetime"]),
    (JtiReused, &["token reuse detected"]),
    (JtiReused, &["jti", "already"]),
    (JtiReused, &["jti", "reused"]),
    (JtiReused, &["jti", "replay"]),
    (JtiReused, &["jti", "used before"]),
    (JtiReused, &["jti", "unique"]),
    (JtiReused, &["client_assertion token has already been used"]),
    (JtiReused, &["assertion", "has already been used"]),
    (KidMissing, &["missing kid"]),
    (KidMissing, &["kid", "is missing"]),
    (KidMissing, &["no kid"]),
    (KidMissing, &["kid", "required", "header"]),
    (KidMissing, &["'kid' header", "missing"]),
    (KidMissing, &["kid not found in", "header"]),
    (IssMustBeSub, &["iss", "sub", "must be the same"]),
    (IssMustBeSub, &["iss", "sub", "must be equal"]),
    (IssMustBeSub, &["iss", "sub", "must match"]),
    (IssMustBeSub, &["issuer", "subject", "must be the same"]),
    (IssMustBeSub, &["issuer and subject", "must"]),
    (IssMustBeSub, &["issuer and subject in", "mismatch"]),
    (IssMustBeSub, &["issuer", "subject", "do not match"]),
    (SecretTokenRefused, &["unsupported app only token"]),
    (SecretTokenRefused, &["app only token", "certificate"]),
    (SecretTokenRefused, &["appidacr"]),
    (PermissionMissing, &["insufficient privileges to complete"]),
    (PermissionMissing, &["authorization_requestdenied"]),
    (PermissionMissing, &["missing application roles"]),
    (PermissionMissing, &["roles", "required", "token contains"]),
    (PermissionMissing, &["no authorization information present on the request"]),
    (ConsentMissing, &["consent_required"]),
    (ConsentMissing, &["has not consented"]),
    (ConsentMissing, &["user hasn't approved this consumer"]),
    (ConsentMissing, &["admin consent", "required"]),
    (ConsentMissing, &["user or administrator has not consented"]),
    (SnowflakeJwt, &["jwt token is invalid", "snowflake"]),
    (SnowflakeJwt, &["jwt_token_invalid"]),
    (AlgRefused, &["unsupported", "signature algorithm"]),
    (AlgRefused, &["signing algorithm", "not", "supported"]),
    (AlgRefused, &["signature algorithm", "not", "allowed"]),
    (AlgRefused, &["alg", "is not supported"]),
    (AlgRefused, &["invalid signature algorithm"]),
    (AudienceMustBeEndpoint, &["audience", "must be the endpoint"]),
    (AudienceMustBeEndpoint, &["aud", "must be the token endpoint"]),
    (AudienceMustBeEndpoint, &["aud", "must be", "token endpoint url"]),
    (AudienceMustBeEndpoint, &["aud", "does not match the token endpoint"]),
    (AudienceMustBeEndpoint, &["audience", "expected", "/token"]),
    (AudienceMustBeIssuer, &["audience", "must be the issuer"]),
    (AudienceMustBeIssuer, &["aud", "must be the issuer"]),
    (AudienceMustBeIssuer, &["aud", "issuer identifier"]),
    (AudienceRefused, &["invalid token audience"]),
    (AudienceRefused, &["audience is invalid"]),
    (AudienceRefused, &["audience", "client_assertion", "invalid"]),
    (AudienceRefused, &["invalid audience"]),
    (AudienceRefused, &["aud", "claim", "value", "invalid"]),
    (LibraryBug, &["known bug", "signature"]),
    (NoCredential, &["must contain the following parameter", "client_assertion"]),
    (NoCredential, &["client credentials missing"]),
    (NoCredential, &["no client authentication", "included"]),
];

/// Every kind of message in a text, in the order of the table.
pub fn read(text: &str) -> Vec<Message> {
    let lower = text.to_lowercase();
    let mut out = Vec::new();
    for (message, words) in PATTERNS {
        if !out.contains(message) && near(&lower, words) {
            out.push(*message);
        }
    }
    out
}

/// Words of one message stand close together; in a long log the same words apart from each other mean nothing.
pub(super) fn near(text: &str, words: &[&str]) -> bool {
    let Some(first) = words.first() else { return false };
    text.match_indices(first).take(64).any(|(at, _)| {
        let mut start = at.saturating_sub(300);
        let mut end = (at + 400).min(text.len());
        while !text.is_char_boundary(start) {
            start += 1;
        }
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let window = &text[start..end];
        words.iter().all(|w| if w.len() <= 3 { has_word(window, w) } else { window.contains(w) })
    })
}

/// A short word counts only by itself: `exp` in `expected` is none.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_real_messages() {
        for (text, message) in [
            (
                "Connect-MgGraph: ClientCertificateCredential authentication failed: Keyset does not exist",
                KeyNotAccessible,
            ),
            ("pkcs12: unknown digest algorithm: 2.16.840.1.101.3.4.2.1", ModernPkcs12),
            ("Error: error:0308010C:digital envelope routines::unsupported", LegacyPkcs12),
            ("more than one certificate alias found in input stream", ManyAliases),
            ("[('PEM routines', 'get_name', 'no start line')]", PemIncomplete),
            ("Invalid length of 'value': 412 bytes. RS256 requires 32 bytes, encoded with base64url.", DigestWanted),
            ("System.Security.Cryptography.CryptographicException: Invalid provider type specified.", CngKey),
            ("CryptographicException: Invalid algorithm specified.", NoSha256),
            ("Token expiration is too far in the future and iat claim not present in token", IatMissing),
            ("'Expiration time' claim ('exp') is too far in the future", ExpTooFar),
            ("The specified network password is not correct.", WrongPassword),
            ("Unsupported app only token.", SecretTokenRefused),
            ("TypeError: Password was not given but private key is encrypted", PasswordMissing),
        ] {
            assert!(read(text).contains(&message), "{text}: {:?}", read(text));
        }
        assert!(read("everything went well, the token expires in an hour").is_empty());
    }
}
