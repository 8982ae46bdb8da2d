//! `cargo xtask scale`: what follows for many nodes, applications and tokens, from measured inputs: which limit comes first.
//!
//! The model of `docs/scale.md`, which holds its table. Costs are multiplied out; how much a cache of clients helps and how
//! many rows the journal loses is simulated. Nothing here talks to a service.

mod simulate;

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use simulate::{hit_ratio, rows_lost};

/// Name, value and where it was measured. `cargo xtask scale NAME=VALUE` puts another in its place.
type Input = (&'static str, f64, &'static str);

const INPUTS: [Input; 19] = [
    ("verify_us", 16.0, "CPU to verify an RSA-2048 signature (bench token)"),
    ("sign_rs256_us", 252.0, "CPU to sign by RS256 (bench token: 268 µs for both)"),
    ("sign_es256_us", 20.0, "CPU to sign by ES256: 12.5 signatures in the time of one by RSA-2048 (openssl speed)"),
    ("rest_us", 37.0, "CPU for all else of a token, journal included: 268.6 µs / 0.878 less the two (bench token)"),
    ("miss_us", 60.0, "CPU of the node for a client that is not in its cache (an assumption: the aim)"),
    ("cached_client_bytes", 10_240.0, "memory for a cached client (docs/performance.md)"),
    ("base_bytes", 13.3e6, "memory of a node at rest (docs/performance.md)"),
    ("application_bytes", 3_615.0, "SQLite: an application with one certificate, its service principal, their indexes"),
    ("row_bytes", 945.0, "PostgreSQL: a sign-in row with its indexes"),
    ("row_us", 15.7, "PostgreSQL: CPU for a sign-in row in batches of 1,024"),
    ("use_us", 152.0, "PostgreSQL: CPU for one used assertion, committed by itself (strict)"),
    ("read_us", 37.8, "PostgreSQL: CPU to read one application by its key"),
    ("batch_rows", 1_024.0, "rows in one batch of the journal (journal.rs)"),
    ("batch_ms", 20.0, "time to write a batch that is alone on its database (an assumption)"),
    ("queue_rows", 8_192.0, "rows that wait on a node at most (journal.rs)"),
    ("wire_bytes", 4_700.0, "request and answer together, over TLS (an assumption)"),
    ("node_bits", 10e9, "network of a node, bits a second (an assumption)"),
    ("database_cores", 32.0, "cores of a database (an assumption)"),
    ("load", 0.7, "share of a processor that may be used: p99 stays under 3 × p50"),
];

/// A service as somebody would set it up.
#[derive(Clone, Copy, Debug)]
struct Deployment {
    name: &'static str,
    nodes: f64,
    cores: f64,
    /// Databases, each with its share of tenants, nodes and rows.
    cells: f64,
    applications: f64,
    /// Tokens a second, all nodes together.
    rate: f64,
    /// Clients that a node keeps.
    cache: f64,
    /// Whether a client's requests come to the same node (hash of the client id at the balancer).
    sticky: bool,
    /// `--limit-per-client`
    client_limit: f64,
    /// Share of tokens signed by ES256.
    es256: f64,
    /// Share of issued tokens whose row is written.
    journal: f64,
    strict: bool,
}

/// 100 nodes, 10 million applications, 1 million tokens a second; each line changes one thing of the line before.
fn deployments() -> Vec<Deployment> {
    let first = Deployment {
        name: "100 nodes of 4 cores, one database",
        nodes: 100.0,
        cores: 4.0,
        cells: 1.0,
        applications: 10e6,
        rate: 1e6,
        cache: 12_000.0,
        sticky: false,
        client_limit: f64::INFINITY,
        es256: 0.0,
        journal: 1.0,
        strict: false,
    };
    let cells = Deployment { name: "20 cells of 5 nodes, a database each", cells: 20.0, ..first };
    let sticky = Deployment { name: "and the balancer keeps a client on a node", sticky: true, ..cells };
    let limit = Deployment { name: "and `--limit-per-client 1000`", client_limit: 1_000.0, ..sticky };
    let cores = Deployment { name: "and 8 cores a node", cores: 8.0, ..limit };
    let es256 = Deployment { name: "or 4 cores, ES256 for every resource", es256: 1.0, ..limit };
    let strict = Deployment { name: "the same under `strict`", strict: true, ..es256 };
    let more = Deployment { name: "and 100 cells, one a node", cells: 100.0, ..strict };
    vec![first, cells, sticky, limit, cores, es256, strict, more]
}

/// The inputs in force.
struct Inputs(Vec<Input>);

impl Inputs {
    fn with(changes: &[String]) -> Result<Self> {
        let mut inputs = INPUTS.to_vec();
        for change in changes {
            let (name, value) = change.split_once('=').with_context(|| format!("'{change}' is not NAME=VALUE"))?;
            let value: f64 = value.parse().with_context(|| format!("{name}: '{value}' is no number"))?;
            match inputs.iter_mut().find(|(known, ..)| *known == name) {
                Some(input) if value.is_finite() && value > 0.0 => input.1 = value,
                Some(_) => bail!("{name} must be greater than 0"),
                None => bail!("there is no input '{name}'; there are: {}", INPUTS.map(|(n, ..)| n).join(", ")),
            }
        }
        Ok(Self(inputs))
    }

    fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(known, ..)| *known == name).map_or(f64::NAN, |(_, value, _)| *value)
    }
}

/// What one resource is asked for at the deployment's rate, as a share of what it can do.
#[derive(Clone, Debug, PartialEq)]
struct Use {
    resource: &'static str,
    share: f64,
}

/// What follows for a deployment.
struct Outcome {
    uses: Vec<Use>,
    hits: f64,
    lost: f64,
    memory: f64,
    store: f64,
    rows_a_day: f64,
}

impl Outcome {
    fn of(d: &Deployment, inputs: &Inputs) -> Self {
        let i = |name| inputs.get(name);
        // A node sees the clients of its cell; where a client keeps its node, the caches of a cell add up.
        let cache = if d.sticky { d.cache * d.nodes / d.cells } else { d.cache };
        let hits = hit_ratio(d.applications / d.cells, cache);
        let misses = 1.0 - hits;
        let sign = d.es256 * i("sign_es256_us") + (1.0 - d.es256) * i("sign_rs256_us");
        let token_us = i("verify_us") + sign + i("rest_us") + misses * i("miss_us");
        let (per_node, per_cell) = (d.rate / d.nodes, d.rate / d.cells);
        let database_us = d.journal * i("row_us") + misses * i("read_us") + if d.strict { i("use_us") } else { 0.0 };
        // Each node asks for the version twice a second.
        let polls = 2.0 * d.nodes / d.cells * i("read_us");
        // A database shares its writing among the nodes of its cell; batches of different nodes are written side by side
        // as long as it has processors for them.
        let writer = i("batch_rows") / (i("batch_ms") / 1e3);
        // By Zipf's law; 0.577 is Euler's constant, of the sum of 1/k.
        let busiest = f64::min(d.rate / (d.applications.ln() + 0.577), d.client_limit);
        let node_tokens = 1e6 * d.cores * i("load") / token_us;
        let mut uses = vec![
            Use { resource: "processors of the nodes", share: per_node / node_tokens },
            Use {
                resource: "processors of the database",
                share: (per_cell * database_us + polls) / (1e6 * i("database_cores") * i("load")),
            },
            Use { resource: "journal writer of a node", share: d.journal * per_node / writer },
            Use { resource: "network of a node", share: per_node * i("wire_bytes") * 8.0 / i("node_bits") },
        ];
        if d.sticky {
            uses.push(Use { resource: "node of the busiest client", share: (busiest + per_node) / node_tokens });
        }
        uses.sort_by(|a, b| b.share.total_cmp(&a.share));
        Self {
            hits,
            lost: rows_lost(d.journal * per_node, i("queue_rows"), i("batch_rows"), i("batch_ms")),
            memory: i("base_bytes") + d.cache.min(d.applications) * i("cached_client_bytes"),
            store: d.applications / d.cells * i("application_bytes"),
            rows_a_day: per_cell * d.journal * 86_400.0 * i("row_bytes"),
            uses,
        }
    }
}

/// The report, as Markdown.
fn report(inputs: &Inputs) -> String {
    let mut out = String::from("| input | value | where from |\n|---|---|---|\n");
    for (name, value, source) in &inputs.0 {
        let _ = writeln!(out, "| `{name}` | {value} | {source} |");
    }
    out.push_str(
        "\n| set-up | comes first | at tokens a second | then | cache hits | rows lost |\n|---|---|---|---|---|---|\n",
    );
    for d in deployments() {
        let outcome = Outcome::of(&d, inputs);
        let [first, second, ..] = &outcome.uses[..] else { continue };
        let enough = if first.share <= 1.0 { " (enough)" } else { "" };
        let _ = writeln!(
            out,
            "| {} | {}{enough} | {} | {} at {} | {:.0} % | {:.0} % |",
            d.name,
            first.resource,
            number(d.rate / first.share),
            second.resource,
            number(d.rate / second.share),
            outcome.hits * 100.0,
            outcome.lost * 100.0,
        );
    }
    let first = &deployments()[0];
    let outcome = Outcome::of(first, inputs);
    let _ = writeln!(
        out,
        "\nA node needs {} MB, the store {} GB for its applications; the journal grows by {} TB a day until it is pruned.\n\
         {} applications that keep each token to its end (75 minutes) ask {} times a second in all.",
        number(outcome.memory / 1e6),
        number(outcome.store / 1e9),
        number(outcome.rows_a_day / 1e12),
        number(first.applications),
        number(natural_rate(first.applications)),
    );
    out
}

/// Tokens a second of applications that use each token until it ends: 75 minutes on average.
fn natural_rate(applications: f64) -> f64 {
    applications / 4_500.0
}

/// Three digits that count, with thousands set apart.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = value.abs().log10().floor() as i32;
    let scale = 10f64.powi(2 - digits);
    let rounded = (value * scale).round() / scale;
    if digits < 3 {
        return rounded.to_string();
    }
    let text = format!("{rounded:.0}");
    let groups: Vec<&str> = text.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

/// Prints the report; arguments are inputs, `NAME=VALUE`.
///
/// # Errors
/// For an input that there is not, or that is no positive number.
pub fn run(arguments: &[String]) -> Result<()> {
    print!("{}", report(&Inputs::with(arguments)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(outcome: &Outcome, resource: &str) -> f64 {
        outcome.uses.iter().find(|u| u.resource == resource).unwrap().share
    }

    #[test]
    fn shares_are_what_a_pencil_says() {
        let inputs = Inputs::with(&[]).unwrap();
        // So few applications that all of them are cached: no misses.
        let d = Deployment { applications: 1_000.0, rate: 50_000.0, ..deployments()[0] };
        let outcome = Outcome::of(&d, &inputs);
        assert_eq!(outcome.hits, 1.0);
        // 500 tokens a second of 305 µs on four cores used to 70 %.
        assert!((share(&outcome, "processors of the nodes") - 500.0 * 305e-6 / 2.8).abs() < 1e-9);
        // 50,000 rows of 15.7 µs and 200 polls of 37.8 µs on 32 cores used to 70 %.
        let database = (50_000.0 * 15.7e-6 + 200.0 * 37.8e-6) / 22.4;
        assert!((share(&outcome, "processors of the database") - database).abs() < 1e-9);
        assert!((share(&outcome, "network of a node") - 500.0 * 4_700.0 * 8.0 / 10e9).abs() < 1e-12);
        assert_eq!(outcome.lost, 0.0);
        assert_eq!(outcome.store, 1_000.0 * 3_615.0);
    }

    #[test]
    fn every_remedy_moves_the_first_limit_up() {
        let inputs = Inputs::with(&[]).unwrap();
        let reached = |d: &Deployment| d.rate / Outcome::of(d, &inputs).uses[0].share;
        let all = deployments();
        assert!(reached(&all[0]) < all[0].rate, "one database does not bear it");
        assert!(reached(&all[1]) > reached(&all[0]));
        assert!(reached(&all[2]) < reached(&all[3]), "one client must not fill a node");
        assert!(reached(&all[5]) > 2.0 * reached(&all[3]), "ES256");
        assert!(reached(&all[6]) <= reached(&all[5]) && reached(&all[7]) >= reached(&all[6]), "strict costs");
    }

    #[test]
    fn inputs_are_replaced_by_name_and_checked() {
        assert_eq!(Inputs::with(&["verify_us=20".to_owned()]).unwrap().get("verify_us"), 20.0);
        for wrong in ["verify_us", "verify_us=x", "verify_us=0", "verify_us=NaN", "nothing=1"] {
            assert!(Inputs::with(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [(1_234_567.0, "1,230,000"), (0.0123456, "0.0123"), (999.6, "1000"), (37.8, "37.8")] {
            assert_eq!(number(value), text);
        }
        assert_eq!(natural_rate(4_500.0), 1.0);
    }

    /// The page says what the program says.
    #[test]
    fn the_page_holds_the_tables() {
        let page = std::fs::read_to_string(crate::process::root().join("docs/scale.md")).unwrap();
        for line in report(&Inputs::with(&[]).unwrap()).lines() {
            assert!(page.lines().any(|l| l == line), "docs/scale.md lacks: {line}");
        }
    }
}
