//! What the benchmark sends: applications with certificates for the seed, and distinct signed assertions.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use countersign_core::UnixTime;
use countersign_core::assertion::{AssertionSpec, KeyIdentifier, build};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::PrivateKey;
use countersign_core::request::JWT_BEARER;
use countersign_testkit::scenario::form_encode;
use countersign_testkit::{Identity, Spec};

use super::service::Service;

/// The tenant of the benchmark.
pub const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
/// Key pairs that the applications share; each application has its own registration.
const KEYS: usize = 8;
/// Requests sent at least before anything is counted; with more applications, one for each, so that no counted request
/// has to read its client from the disk.
const WARM_UP: usize = 500;

/// Applications and the requests they send.
pub struct Workload {
    /// The seed file.
    pub seed: PathBuf,
    /// Whole requests, each with an assertion of its own.
    pub requests: Vec<Vec<u8>>,
    identities: Vec<Identity>,
    drawn: usize,
    /// Each so-manieth application is drawn.
    every: usize,
}

/// What the price of the RSA operations is measured with.
pub struct Probe {
    /// An RSA-2048 key.
    pub key: PrivateKey,
    /// A message.
    pub message: Vec<u8>,
    /// Its PS256 signature.
    pub signature: Vec<u8>,
}

fn app_id(number: usize) -> String {
    format!("8b76b6d9-4732-4558-a4b5-{number:012x}")
}

impl Workload {
    /// Makes the keys and writes the seed; requests will come from `drawn` of the applications, spread over all of them.
    pub fn new(folder: &Path, applications: usize, drawn: usize) -> Result<Self> {
        let identities: Vec<_> = (0..KEYS).map(|n| Identity::rsa(n, &Spec::default())).collect();
        let keys: Vec<_> = identities.iter().map(|i| encode_base64(i.certificate.der())).collect();
        let seed = folder.join("seed.jsonl");
        let mut file = BufWriter::new(File::create(&seed).with_context(|| format!("cannot write {}", seed.display()))?);
        writeln!(file, "{{\"tenantId\":\"{TENANT}\",\"displayName\":\"Benchmark\"}}")?;
        for number in 0..applications {
            writeln!(
                file,
                "{{\"appId\":\"{}\",\"displayName\":\"app {number}\",\"keyCredentials\":[{{\"type\":\"AsymmetricX509Cert\",\"usage\":\"Verify\",\"key\":\"{}\"}}]}}",
                app_id(number),
                keys[number % KEYS]
            )?;
        }
        file.flush().with_context(|| format!("cannot write {}", seed.display()))?;
        Ok(Self { seed, requests: Vec::new(), identities, drawn, every: applications / drawn })
    }

    /// Signs `count` assertions and the warm-up's, each for an application drawn in turn, with two threads.
    pub fn sign(&mut self, service: &Service, count: usize) -> Result<()> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let now = UnixTime::from_secs(i64::try_from(now.as_secs())?);
        let audience = format!("{}/{TENANT}/oauth2/v2.0/token", service.url);
        let host = &service.address;
        let total = count + WARM_UP.max(self.drawn);
        let (identities, drawn, every) = (&self.identities, self.drawn, self.every);
        let sign_one = |number: usize| -> Result<Vec<u8>> {
            // A prime stride draws applications in an order that no cache can follow.
            let application = number.wrapping_mul(7_919) % drawn * every;
            let client_id = app_id(application);
            let identity = &identities[application % KEYS];
            let assertion = build(
                &AssertionSpec {
                    alg: Alg::Ps256,
                    key_identifier: KeyIdentifier::X5tS256,
                    chain: &[],
                    client_id: &client_id,
                    audience: &audience,
                    now,
                    lifetime: 3_000,
                    jti: &format!("bench-{number}"),
                },
                &identity.certificate,
                AwsLc.signer(&identity.key)?.as_ref(),
            )
            .map_err(|_| anyhow::anyhow!("cannot sign"))?;
            let form = format!(
                "client_id={client_id}&scope={}&client_assertion_type={}&client_assertion={assertion}&grant_type=client_credentials",
                form_encode("https://graph.microsoft.com/.default"),
                form_encode(JWT_BEARER)
            );
            Ok(format!(
                "POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            )
            .into_bytes())
        };
        let halves: Vec<Result<Vec<Vec<u8>>>> = std::thread::scope(|scope| {
            let spans = [0..total / 2, total / 2..total];
            let handles: Vec<_> =
                spans.into_iter().map(|span| scope.spawn(move || span.map(sign_one).collect())).collect();
            handles
                .into_iter()
                .map(|h| h.join().unwrap_or_else(|_| Err(anyhow::anyhow!("signing thread died"))))
                .collect()
        });
        self.requests.clear();
        for half in halves {
            self.requests.extend(half?);
        }
        Ok(())
    }

    /// Key, message and signature for measuring the price of RSA.
    pub fn signing_probe(&self) -> Result<Probe> {
        let key = self.identities[0].key.clone();
        let message = vec![0xa5_u8; 600];
        let signature =
            AwsLc.signer(&key)?.sign(Alg::Ps256, &message).map_err(|_| anyhow::anyhow!("probe cannot sign"))?;
        Ok(Probe { key, message, signature })
    }
}
