//! The names of the settings, what each means and accepts, and which one a misspelled name is near to.
//!
//! Used by the settings and by the command line, whose flags are made of them. Values are read in `values`.

/// Name, meaning, what is accepted and default of a setting; flag, variable and file key follow from the name.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file and, with two dashes, on the command line.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// What is accepted.
    pub accepted: &'static str,
    /// The value when nobody sets it, as text.
    pub default: &'static str,
    /// Whether it may be given several times.
    pub many: bool,
}

impl Key {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("COUNTERSIGN_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// Every setting of `serve`.
pub static KEYS: &[Key] = &[
    Key {
        name: "listen",
        help: "address to listen on",
        accepted: "HOST:PORT, port 0 for a free one",
        default: "127.0.0.1:8443",
        many: false,
    },
    Key {
        name: "data",
        help: "folder for everything the service keeps",
        accepted: "a folder",
        default: "countersign-data",
        many: false,
    },
    Key {
        name: "database",
        help: "where the directory is kept",
        accepted: "sqlite:PATH or postgres://USER@HOST[:PORT][,HOST…]/DATABASE",
        default: "sqlite:countersign.db in the data folder",
        many: false,
    },
    Key {
        name: "database-listen",
        help: "way to the database for notifications, where database leads through a pooler",
        accepted: "postgres://USER@HOST[:PORT][,HOST…]/DATABASE",
        default: "the same as database",
        many: false,
    },
    Key {
        name: "database-connections",
        help: "connections to PostgreSQL that one node uses at most",
        accepted: "a whole number, 2 to 1000",
        default: "10",
        many: false,
    },
    Key {
        name: "stale-for",
        help: "how long tokens are issued from what this node knows while the database is away",
        accepted: "a number with d, h, m or s, up to 1d; or 0",
        default: "60s in dev mode, 0 in production",
        many: false,
    },
    Key {
        name: "seed",
        help: "file with tenants and applications to create",
        accepted: "a YAML, JSON or JSON Lines file",
        default: "",
        many: false,
    },
    Key { name: "mode", help: "dev or production", accepted: "dev or production", default: "dev", many: false },
    Key {
        name: "profile",
        help: "whose rules are in force",
        accepted: "entra or strict",
        default: "entra",
        many: false,
    },
    Key {
        name: "ready-file",
        help: "file to write when tokens can be issued",
        accepted: "a file",
        default: "",
        many: false,
    },
    Key {
        name: "tls",
        help: "HTTPS by the service's own CA, by given files, or not at all",
        accepted: "auto, off, or CERT,KEY (two PEM files)",
        default: "auto",
        many: false,
    },
    Key {
        name: "public-url",
        help: "URL under which clients reach the service",
        accepted: "https://HOST or https://HOST:PORT, without a path",
        default: "",
        many: true,
    },
    Key {
        name: "behind-proxy",
        help: "addresses whose X-Forwarded and Forwarded headers count",
        accepted: "CIDR, for example 10.0.0.0/8 or fd00::/8",
        default: "",
        many: true,
    },
    Key {
        name: "admin-token-file",
        help: "file with the administrator's token",
        accepted: "a file with one token",
        default: "admin-token in the data folder",
        many: false,
    },
    Key {
        name: "master-key-file",
        help: "file with the key under which private keys are encrypted and secrets digested",
        accepted: "a file with 64 hex digits, readable by its owner alone",
        default: "master.key in the data folder",
        many: false,
    },
    Key {
        name: "master-key-pkcs11",
        help: "key in a PKCS#11 token that derives the master key and never leaves it, instead of a file",
        accepted: "a PKCS#11 URI (RFC 7512), for example pkcs11:token=prod;object=countersign?module-path=/usr/lib/…/module.so",
        default: "",
        many: false,
    },
    Key {
        name: "master-key-pin-file",
        help: "file with the PIN of the token that master-key-pkcs11 names",
        accepted: "a file, readable by its owner alone",
        default: "",
        many: false,
    },
    Key {
        name: "private-issuers",
        help: "whether keys of federated issuers are fetched from private addresses too",
        accepted: "refuse or allow",
        default: "refuse",
        many: false,
    },
    Key {
        name: "signing-key-max-age",
        help: "how long a key signs tokens before the next one follows",
        accepted: "a number with d, h, m or s, from 1h on; or never",
        default: "90d",
        many: false,
    },
    Key {
        name: "signins-keep",
        help: "how long rows of token requests are kept",
        accepted: "a number with d, h, m or s",
        default: "7d",
        many: false,
    },
    Key {
        name: "signins-max",
        help: "how many rows of token requests are kept at most",
        accepted: "a whole number",
        default: "1000000",
        many: false,
    },
    Key {
        name: "limit-per-address",
        help: "token requests a second that one address may make",
        accepted: "a whole number, or off",
        default: "off",
        many: false,
    },
    Key {
        name: "limit-per-client",
        help: "tokens a second that one client may get",
        accepted: "a whole number, or off",
        default: "off",
        many: false,
    },
    Key {
        name: "managed-identity",
        help: "application that answers as a managed identity of this machine, the first as the system-assigned one",
        accepted: "an application (client) id; in dev mode only",
        default: "",
        many: true,
    },
    Key {
        name: "otlp-endpoint",
        help: "OpenTelemetry receiver that traces are sent to (OTLP over HTTP)",
        accepted: "http://HOST:PORT or https://HOST:PORT, perhaps with a path, to which /v1/traces is added",
        default: "",
        many: false,
    },
    Key {
        name: "otlp-sample",
        help: "share of requests that are traced where the caller does not say",
        accepted: "a number from 0 to 1",
        default: "1",
        many: false,
    },
    Key {
        name: "config",
        help: "file with settings",
        accepted: "a TOML file",
        default: "countersign.toml in the working directory, if it is there",
        many: false,
    },
];

/// A few words behind an unknown key: what was meant, or what there is.
pub(super) fn suggestion(key: &str) -> String {
    let near = KEYS.iter().map(|k| (distance(key, k.name), k.name)).min();
    match near {
        Some((d, name)) if d <= 2 => format!("; did you mean '{name}'?"),
        _ => format!("; there are: {}", KEYS.iter().map(|k| k.name).collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein distance.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, d) in b.iter().enumerate() {
            let next = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(c != *d));
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
