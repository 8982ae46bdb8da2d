//! Settings of `serve`: flag over environment over file over default, each with its origin.
//!
//! The binary gathers [`Sources`] and calls [`Config::load`]; `config show --origin` prints [`Config::rows`]. Nothing here
//! opens what a setting names: that is the start's work.

mod error;
mod keys;
mod sources;
mod values;

use std::path::PathBuf;
use std::sync::Arc;

use countersign_core::keyfile::Pkcs11Uri;
use countersign_core::profile::{self, Profile};

use crate::secrets::MasterKey;
use crate::store::postgres::PostgresUrl;
pub use error::ConfigError;
pub use keys::{KEYS, Key};
use sources::Found;
pub use sources::{Origin, Sources};
pub use values::show_age;
pub use values::{Database, Listen, Mode, Network, PublicUrl, Tls};

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// The settings of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--listen`
    pub listen: Setting<Listen>,
    /// `--data`
    pub data: Setting<PathBuf>,
    /// `--database`; `None`: SQLite in the data folder.
    pub database: Setting<Option<Database>>,
    /// `--database-listen`
    pub database_listen: Setting<Option<PostgresUrl>>,
    /// `--database-connections`
    pub database_connections: Setting<u32>,
    /// `--stale-for` in seconds; `None`: what the mode says ([`Config::stale_for()`]).
    pub stale_for: Setting<Option<i64>>,
    /// `--seed`
    pub seed: Setting<Option<PathBuf>>,
    /// `--mode`
    pub mode: Setting<Mode>,
    /// `--profile`
    pub profile: Setting<&'static Profile>,
    /// `--ready-file`
    pub ready_file: Setting<Option<PathBuf>>,
    /// `--tls`
    pub tls: Setting<Tls>,
    /// `--public-url`
    pub public_urls: Setting<Vec<PublicUrl>>,
    /// `--behind-proxy`
    pub behind_proxy: Setting<Vec<Network>>,
    /// `--admin-token-file`
    pub admin_token_file: Setting<Option<PathBuf>>,
    /// `--master-key-file`, or the variable with the key itself.
    pub master_key: Setting<MasterKey>,
    /// `--master-key-pin-file`
    pub master_key_pin_file: Setting<Option<PathBuf>>,
    /// `--private-issuers`: whether keys of federated issuers are fetched from private addresses too.
    pub private_issuers: Setting<bool>,
    /// `--signing-key-max-age` in seconds; `None`: until somebody says otherwise.
    pub signing_key_max_age: Setting<Option<i64>>,
    /// `--signins-keep` in seconds.
    pub signins_keep: Setting<i64>,
    /// `--signins-max`
    pub signins_max: Setting<u64>,
    /// `--limit-per-address`; `None`: off.
    pub limit_per_address: Setting<Option<u32>>,
    /// `--limit-per-client`; `None`: off.
    pub limit_per_client: Setting<Option<u32>>,
    /// `--managed-identity`: app ids of what answers as a managed identity; the first is the system-assigned one.
    pub managed_identities: Setting<Vec<String>>,
    /// `--otlp-endpoint` without a slash at its end; `None`: no traces.
    pub otlp_endpoint: Setting<Option<String>>,
    /// `--otlp-sample`, from 0 to 1.
    pub otlp_sample: Setting<f64>,
    /// The settings file that was read.
    pub file: Setting<Option<PathBuf>>,
    /// Further host names that are ours, with HTTPS on the standard port; set by `run`, not by anybody's settings.
    pub extra_hosts: Vec<String>,
    /// TLS that was made elsewhere, and the file with its CA; set by `run`, whose CA must not touch the disk.
    pub given_tls: Option<(Arc<rustls::ServerConfig>, PathBuf)>,
}

impl Config {
    /// Defaults over a data folder; for embedding and tests.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        fn default<T>(value: T) -> Setting<T> {
            Setting { value, origin: Origin::Default }
        }
        Self {
            listen: default(Listen { host: "127.0.0.1".to_owned(), port: 8443 }),
            data: default(data.into()),
            database: default(None),
            database_listen: default(None),
            database_connections: default(10),
            stale_for: default(None),
            seed: default(None),
            mode: default(Mode::Dev),
            profile: default(&profile::ENTRA),
            ready_file: default(None),
            tls: default(Tls::Auto),
            public_urls: default(Vec::new()),
            behind_proxy: default(Vec::new()),
            admin_token_file: default(None),
            master_key: default(MasterKey::Folder),
            master_key_pin_file: default(None),
            private_issuers: default(false),
            signing_key_max_age: default(Some(90 * 86_400)),
            signins_keep: default(7 * 86_400),
            signins_max: default(1_000_000),
            limit_per_address: default(None),
            limit_per_client: default(None),
            managed_identities: default(Vec::new()),
            otlp_endpoint: default(None),
            otlp_sample: default(1.0),
            file: default(None),
            extra_hosts: Vec::new(),
            given_tls: None,
        }
    }

    /// Lays the sources over each other. The second part of the answer are warnings for people.
    ///
    /// # Errors
    /// [`ConfigError`] naming key, origin and what is accepted.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<String>), ConfigError> {
        let found = Found::of(sources)?;
        let mut config = Self::new("countersign-data");
        found.one("listen", &mut config.listen, values::listen)?;
        found.one("data", &mut config.data, values::path)?;
        found.one("database", &mut config.database, |v| values::database(v).map(Some))?;
        found.one("database-listen", &mut config.database_listen, |v| values::postgres(v).map(Some))?;
        found.one("database-connections", &mut config.database_connections, values::connections)?;
        found.one("stale-for", &mut config.stale_for, values::stale_for)?;
        found.one("seed", &mut config.seed, |v| values::path(v).map(Some))?;
        found.one("mode", &mut config.mode, values::mode)?;
        found.one("profile", &mut config.profile, |v| {
            profile::by_name(v).ok_or_else(|| "there is no such profile".to_owned())
        })?;
        found.one("ready-file", &mut config.ready_file, |v| values::path(v).map(Some))?;
        found.one("tls", &mut config.tls, values::tls)?;
        found.many("public-url", &mut config.public_urls, values::public_url)?;
        found.many("behind-proxy", &mut config.behind_proxy, values::network)?;
        found.one("admin-token-file", &mut config.admin_token_file, |v| values::path(v).map(Some))?;
        found.one("master-key-file", &mut config.master_key, |v| values::path(v).map(MasterKey::File))?;
        if let Some(text) = sources.environment.get(MasterKey::VARIABLE) {
            let origin = Origin::Environment(MasterKey::VARIABLE.to_owned());
            let value = MasterKey::given(text).map_err(|e| ConfigError::Together(e.to_string()))?;
            config.take_master_key(value, origin)?;
        }
        found.one("master-key-pin-file", &mut config.master_key_pin_file, |v| values::path(v).map(Some))?;
        let mut uri = Setting { value: None, origin: Origin::Default };
        found.one("master-key-pkcs11", &mut uri, |v| Pkcs11Uri::parse(v).map(Some).map_err(|e| e.why))?;
        match uri.value {
            Some(found) => {
                let pin_file = config.master_key_pin_file.value.clone();
                config.take_master_key(MasterKey::Token { uri: Box::new(found), pin_file }, uri.origin)?;
            }
            None if config.master_key_pin_file.value.is_some() => {
                return Err(ConfigError::Together(format!(
                    "master-key-pin-file (from {}) needs master-key-pkcs11: there is no token to be opened with it",
                    config.master_key_pin_file.origin
                )));
            }
            None => {}
        }
        found.one("private-issuers", &mut config.private_issuers, values::allow)?;
        found.one("signing-key-max-age", &mut config.signing_key_max_age, values::key_age)?;
        found.one("signins-keep", &mut config.signins_keep, values::duration)?;
        found.one("signins-max", &mut config.signins_max, values::number)?;
        found.one("limit-per-address", &mut config.limit_per_address, values::limit)?;
        found.one("limit-per-client", &mut config.limit_per_client, values::limit)?;
        found.many("managed-identity", &mut config.managed_identities, values::app_id)?;
        found.one("otlp-endpoint", &mut config.otlp_endpoint, |v| values::otlp_endpoint(v).map(Some))?;
        found.one("otlp-sample", &mut config.otlp_sample, values::share)?;
        if let Some((path, _)) = &sources.file {
            let origin = found.origin("config");
            config.file = Setting { value: Some(path.clone()), origin };
        }
        config.check_together()?;
        let mut warnings = sources.warnings();
        warnings.extend(config.warnings());
        Ok((config, warnings))
    }

    /// The master key comes from one place.
    fn take_master_key(&mut self, value: MasterKey, origin: Origin) -> Result<(), ConfigError> {
        if self.master_key.origin != Origin::Default {
            return Err(ConfigError::Together(format!(
                "the master key is given twice: from {} and from {origin}; one place is right",
                self.master_key.origin
            )));
        }
        self.master_key = Setting { value, origin };
        Ok(())
    }

    /// Rules over more than one setting; those of production alone stand in `production`, but for the way to the database, which
    /// `state` uses as well.
    fn check_together(&self) -> Result<(), ConfigError> {
        if self.tls.value == Tls::Off && !self.listen.value.is_loopback() && self.behind_proxy.value.is_empty() {
            return Err(ConfigError::Together(format!(
                "tls = 'off' (from {}) needs a loopback address in listen (it is '{}', from {}) or --behind-proxy: secrets and \
                 tokens would cross the network in the clear",
                self.tls.origin, self.listen.value, self.listen.origin
            )));
        }
        let postgres = match &self.database.value {
            Some(Database::Postgres(url)) => Some(url),
            Some(Database::Sqlite(_)) | None => None,
        };
        if postgres.is_none() && self.database_listen.value.is_some() {
            return Err(ConfigError::Together(format!(
                "database-listen (from {}) goes with a PostgreSQL database, and database names none",
                self.database_listen.origin
            )));
        }
        let ways =
            [(postgres, &self.database.origin), (self.database_listen.value.as_ref(), &self.database_listen.origin)];
        let unprotected = ways.into_iter().find_map(|(url, origin)| Some((url?.unprotected_host()?, origin)));
        if self.mode.value == Mode::Production
            && let Some((host, origin)) = unprotected
        {
            return Err(ConfigError::Together(format!(
                "the connection to the database on '{host}' (from {}) may go unencrypted, and mode is production: say \
                 sslmode=verify-full (with sslrootcert=FILE for a CA of your own), verify-ca or require",
                origin
            )));
        }
        Ok(())
    }

    /// What a person should know of settings that are accepted all the same.
    fn warnings(&self) -> Option<String> {
        let Some(Database::Postgres(url)) = &self.database.value else { return None };
        (url.has_password() && matches!(self.database.origin, Origin::Flag(_))).then(|| {
            "the database's password stands in --database, where everybody on this machine can read it; give the URL in \
             COUNTERSIGN_DATABASE or in the settings file, or the password in PGPASSWORD or PGPASSFILE"
                .to_owned()
        })
    }

    /// How long tokens are issued from cache after the directory could no longer be confirmed.
    pub fn stale_for(&self) -> std::time::Duration {
        let by_mode = if self.mode.value == Mode::Production { 0 } else { 60 };
        std::time::Duration::from_secs(self.stale_for.value.unwrap_or(by_mode).unsigned_abs())
    }

    /// The SQLite file that is used when no database is named.
    pub fn default_sqlite_file(&self) -> PathBuf {
        self.data.value.join("countersign.db")
    }

    /// The SQLite file, when that is the database.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        match &self.database.value {
            None => Some(self.default_sqlite_file()),
            Some(Database::Sqlite(path)) => Some(path.clone()),
            Some(Database::Postgres(_)) => None,
        }
    }

    /// Every setting with value and origin, in the order of [`KEYS`].
    pub fn rows(&self) -> Vec<(&'static str, String, String)> {
        fn row<T>(
            name: &'static str,
            setting: &Setting<T>,
            show: impl Fn(&T) -> String,
        ) -> (&'static str, String, String) {
            (name, show(&setting.value), setting.origin.to_string())
        }
        let limit = |l: &Option<u32>| l.map_or_else(|| "off".to_owned(), |n| n.to_string());
        let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        vec![
            row("listen", &self.listen, ToString::to_string),
            row("data", &self.data, |p| p.display().to_string()),
            row("database", &self.database, |d| match d {
                Some(database) => database.to_string(),
                None => format!("sqlite:{}", self.default_sqlite_file().display()),
            }),
            row("database-listen", &self.database_listen, |u| u.as_ref().map(ToString::to_string).unwrap_or_default()),
            row("database-connections", &self.database_connections, ToString::to_string),
            row("stale-for", &self.stale_for, |_| {
                show_age(i64::try_from(self.stale_for().as_secs()).unwrap_or(i64::MAX))
            }),
            row("seed", &self.seed, path),
            row("mode", &self.mode, |m| m.name().to_owned()),
            row("profile", &self.profile, |p| p.name.to_owned()),
            row("ready-file", &self.ready_file, path),
            row("tls", &self.tls, ToString::to_string),
            row("public-url", &self.public_urls, |u| u.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            row("behind-proxy", &self.behind_proxy, |n| {
                n.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }),
            row("admin-token-file", &self.admin_token_file, |p| match p {
                Some(path) => path.display().to_string(),
                None => self.data.value.join("admin-token").display().to_string(),
            }),
            row("master-key-file", &self.master_key, |k| match k {
                MasterKey::Given(_) => "(the key itself, not shown)".to_owned(),
                MasterKey::Token { .. } => String::new(),
                key => key.place(&self.data.value).display().to_string(),
            }),
            row("master-key-pkcs11", &self.master_key, |k| match k {
                MasterKey::Token { uri, .. } => uri.describe(),
                MasterKey::Folder | MasterKey::File(_) | MasterKey::Given(_) => String::new(),
            }),
            row("master-key-pin-file", &self.master_key_pin_file, path),
            row("private-issuers", &self.private_issuers, |a| if *a { "allow" } else { "refuse" }.to_owned()),
            row("signing-key-max-age", &self.signing_key_max_age, |a| a.map_or_else(|| "never".to_owned(), show_age)),
            row("signins-keep", &self.signins_keep, |a| show_age(*a)),
            row("signins-max", &self.signins_max, ToString::to_string),
            row("limit-per-address", &self.limit_per_address, limit),
            row("limit-per-client", &self.limit_per_client, limit),
            row("managed-identity", &self.managed_identities, |ids| ids.join(" ")),
            row("otlp-endpoint", &self.otlp_endpoint, |e| e.clone().unwrap_or_default()),
            row("otlp-sample", &self.otlp_sample, ToString::to_string),
            row("config", &self.file, path),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Sources {
        let mut out = Sources {
            environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            file: Some((PathBuf::from("countersign.toml"), file.to_owned())),
            ..Sources::default()
        };
        for (name, value) in flags {
            out.flags.entry((*name).to_owned()).or_default().push((*value).to_owned());
        }
        out
    }

    #[test]
    fn a_line_that_is_no_toml_is_named_and_not_shown() {
        let file = "listen = \"127.0.0.1:1\"\ndatabase = \"postgres://u:s3cret@db/x\n";
        let error = Config::load(&sources(&[], &[], file)).unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let file = "# settings\nlisten = \"127.0.0.1:1\"\nmode = \"production\"\ndata = \"d\"\n";
        let env = [("COUNTERSIGN_LISTEN", "127.0.0.1:2"), ("COUNTERSIGN_DATA", "e")];
        let (config, warnings) = Config::load(&sources(&[("listen", "127.0.0.1:3")], &env, file)).unwrap();
        assert_eq!((config.listen.value.port, config.listen.origin.to_string()), (3, "--listen".to_owned()));
        assert_eq!((config.data.value, config.data.origin.to_string()), ("e".into(), "COUNTERSIGN_DATA".to_owned()));
        assert_eq!(
            (config.mode.value, config.mode.origin.to_string()),
            (Mode::Production, "countersign.toml:3".to_owned())
        );
        assert_eq!(config.tls.origin, Origin::Default);
        assert!(warnings.is_empty());
    }

    #[test]
    fn refusals_name_key_value_origin_and_what_is_accepted() {
        for (name, value) in [
            ("mode", "staging"),
            ("profile", "lenient"),
            ("tls", "sometimes"),
            ("listen", "here"),
            ("listen", ""),
            ("public-url", "https://"),
            ("behind-proxy", ""),
            ("database", "mysql://localhost/x"),
            ("database", "postgres://localhost/"),
            ("database-listen", "sqlite:x.db"),
            ("database-connections", "1"),
            ("stale-for", "soon"),
            ("stale-for", "2d"),
        ] {
            let error = Config::load(&sources(&[(name, value)], &[], "")).unwrap_err();
            let text = error.to_string();
            let accepted = KEYS.iter().find(|k| k.name == name).unwrap().accepted;
            assert!(
                text.contains(&format!("--{name}")) && text.contains(&format!("'{value}'")) && text.contains(accepted),
                "{text}"
            );
            assert!(error.is_usage());
        }
        let text = Config::load(&sources(&[], &[], "\n\nmode = 5\n")).unwrap_err().to_string();
        assert!(text.contains("countersign.toml:3") && text.contains("mode"), "{text}");
    }

    #[test]
    fn refusals_show_no_password_of_a_url() {
        for value in ["http://user:hid@den@otel.example", "http://otel.example?key=hidden", "mysql://u:hidden@h/d"] {
            let name = if value.starts_with("http") { "otlp-endpoint" } else { "database" };
            let text = Config::load(&sources(&[(name, value)], &[], "")).unwrap_err().to_string();
            assert!(!text.contains("hid") && text.contains(name) && text.contains('…'), "{text}");
        }
    }

    #[test]
    fn unknown_keys_end_the_start_and_unknown_variables_warn() {
        let text = Config::load(&sources(&[], &[], "lissten = \"127.0.0.1:1\"\n")).unwrap_err().to_string();
        assert!(text.contains("lissten") && text.contains("'listen'"), "{text}");
        let (_, warnings) = Config::load(&sources(&[], &[("COUNTERSIGN_LISSTEN", "x")], "")).unwrap();
        assert!(warnings[0].contains("COUNTERSIGN_LISSTEN") && warnings[0].contains("COUNTERSIGN_LISTEN?"));
        assert!(matches!(Config::load(&sources(&[], &[], "mode = = 5")), Err(ConfigError::File { .. })));
    }

    #[test]
    fn the_master_key_comes_from_one_place() {
        const URI: &str = "pkcs11:token=prod;object=countersign?module-path=/m.so";
        let load = |flags: &[(&str, &str)]| Config::load(&sources(flags, &[], ""));
        let (config, _) = load(&[("master-key-pkcs11", URI), ("master-key-pin-file", "/run/pin")]).unwrap();
        let MasterKey::Token { uri, pin_file } = &config.master_key.value else { panic!("a token") };
        assert_eq!((uri.token.as_deref(), pin_file.as_deref()), (Some("prod"), Some(std::path::Path::new("/run/pin"))));
        let shown: Vec<_> = config.rows().into_iter().filter(|r| r.0.starts_with("master-key")).collect();
        assert_eq!(shown[0].1, "");
        assert_eq!(shown[1].1, "key 'countersign' in token 'prod'");
        for (flags, words) in [
            (&[("master-key-pkcs11", URI), ("master-key-file", "k")][..], "given twice"),
            (&[("master-key-pin-file", "/run/pin")][..], "master-key-pkcs11"),
            (&[("master-key-pkcs11", "pkcs11:token=a?module-path=/m")][..], "object=LABEL"),
            (&[("master-key-pkcs11", "pkcs11:object=a?module-path=/m&pin-value=4711")][..], "in a file"),
        ] {
            let text = load(flags).unwrap_err().to_string();
            assert!(text.contains(words) && !text.contains("4711"), "{text}");
        }
    }

    #[test]
    fn plain_http_needs_loopback_or_a_proxy() {
        let load = |flags: &[(&str, &str)]| Config::load(&sources(flags, &[], ""));
        let text = load(&[("listen", "0.0.0.0:0"), ("tls", "off")]).unwrap_err().to_string();
        assert!(text.contains("tls") && text.contains("loopback"), "{text}");
        assert!(load(&[("listen", "[::1]:0"), ("tls", "off")]).is_ok());
        assert!(load(&[("listen", "0.0.0.0:0"), ("tls", "off"), ("behind-proxy", "10.0.0.0/8")]).is_ok());
    }

    #[test]
    fn a_database_elsewhere_is_reached_encrypted_in_production_and_its_password_is_never_shown() {
        let load = |flags: &[(&str, &str)]| Config::load(&sources(flags, &[], ""));
        let url = "postgres://u:s3cret@db.example/x";
        let (config, warnings) = load(&[("database", url)]).unwrap();
        assert!(warnings.iter().any(|w| w.contains("PGPASSFILE")), "{warnings:?}");
        assert!(!format!("{:?} {config:?} {warnings:?}", config.rows()).contains("s3cret"));
        assert_eq!(config.stale_for().as_secs(), 60);
        let text = load(&[("database", url), ("mode", "production")]).unwrap_err().to_string();
        assert!(text.contains("db.example") && text.contains("verify-full") && !text.contains("s3cret"), "{text}");
        let (config, _) = load(&[("database", &format!("{url}?sslmode=verify-full")), ("mode", "production")]).unwrap();
        assert_eq!(config.stale_for().as_secs(), 0);
        for wrong in ["postgres://u:s3cret@h/d?what=s3cret", "mysql://u:s3cret@h/d", "postgres://u:s3cret@h:x/d"] {
            let text = load(&[("database", wrong)]).unwrap_err().to_string();
            assert!(text.contains("--database") && !text.contains("s3cret"), "{text}");
        }
        assert!(load(&[("database-listen", "postgres://h/d")]).unwrap_err().to_string().contains("database-listen"));
    }

    #[test]
    fn managed_identities_are_app_ids() {
        let id = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
        let load = |flags: &[(&str, &str)]| Config::load(&sources(flags, &[], ""));
        assert_eq!(load(&[("managed-identity", id)]).unwrap().0.managed_identities.value, [id]);
        let text = load(&[("managed-identity", "payroll")]).unwrap_err().to_string();
        assert!(text.contains("'payroll'") && text.contains("--managed-identity"), "{text}");
    }
}
