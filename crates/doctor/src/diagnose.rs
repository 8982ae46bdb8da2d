//! From evidence to report: asks every cause, keeps the best answer to each question, ranks, and says what is needed.
//!
//! Called by [`crate::examine`]. The verdict is core's, or the service's own answer; causes cannot change what core
//! refuses.

use std::collections::BTreeSet;

use countersign_core::checks::Outcome;
use countersign_core::crypto::Provider;
use countersign_core::entra::codes;
use countersign_core::entra::text::description;
use countersign_core::facts::Needed;

use crate::Options;
use crate::artifact::{Artifact, Content, Kind};
use crate::causes;
use crate::clients::{self, Told};
use crate::evidence::Evidence;
use crate::fixes;
use crate::proof::{Cause, Certainty, Level, Proof};
use crate::report::{
    ArtifactEntry, ClientEntry, EvidenceItem, Finding, Refusal, Report, SCHEMA, Said, Source, Verdict,
};
use crate::words;

/// Diagnoses what was read.
pub(crate) fn diagnose(artifacts: &[Artifact], options: &Options, crypto: &dyn Provider) -> Report {
    let synthetic = Evidence::synthetic(artifacts);
    let ev = Evidence::join(artifacts, synthetic.as_ref(), options, crypto);
    let proofs = rank(&ev, prove(&ev));
    let verdict = verdict(&ev, &proofs);
    let needed = needed(&ev, &proofs, verdict);
    let told = clients::tell(&ev);
    let findings = proofs.into_iter().map(|(cause, proof)| finding(&ev, told.as_ref(), cause, proof)).collect();
    let mut report = Report {
        schema: SCHEMA,
        artifacts: entries(&ev),
        verdict,
        judged_at: ev.now.rfc3339(),
        profile: ev.profile.name.to_owned(),
        client: told.map(|t| ClientEntry { name: t.name(), told_by: t.by }),
        said: said(&ev),
        findings,
        refusals: refusals(&ev),
        needed,
        passed: ev.outcomes.iter().filter(|(_, o)| matches!(o, Outcome::Pass)).map(|(check, _)| check.id).collect(),
        sources: sources(&ev),
    };
    crate::redact::guard(&mut report, artifacts, options);
    report
}

/// Every cause's answers, then the best for each question.
fn prove(ev: &Evidence<'_>) -> Vec<(&'static Cause, Proof)> {
    let all: Vec<(&'static Cause, Proof)> =
        causes::all().flat_map(|cause| (cause.prove)(ev).into_iter().map(move |p| (cause, p))).collect();
    let strength = |p: &Proof| (p.level, p.rank, p.certainty);
    let mut kept: Vec<(&'static Cause, Proof)> = Vec::new();
    for (cause, proof) in all {
        if proof.beside {
            kept.push((cause, proof));
            continue;
        }
        match kept.iter().position(|(c, p)| c.question == cause.question && !p.beside) {
            Some(i) if strength(&kept[i].1) < strength(&proof) => kept[i] = (cause, proof),
            Some(_) => {}
            None => kept.push((cause, proof)),
        }
    }
    // What is said beside repeats no cause that is an error, and one cause is reported once.
    let mut seen: BTreeSet<&'static str> = kept.iter().filter(|(_, p)| !p.beside).map(|(c, _)| c.key).collect();
    let mut beside: Vec<(&'static Cause, Proof)> = Vec::new();
    let (main, extra): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(_, p)| !p.beside);
    for (cause, proof) in extra {
        // A mere possibility is no news once the question is answered.
        let answered = main.iter().any(|(c, p)| c.question == cause.question && p.level == Level::Error);
        if answered && proof.certainty == Certainty::Possible {
            continue;
        }
        if seen.insert(cause.key) {
            beside.push((cause, proof));
        }
    }
    main.into_iter().chain(beside).collect()
}

/// Most decisive first: errors, what the answer's number names, what is proven.
fn rank(ev: &Evidence<'_>, mut proofs: Vec<(&'static Cause, Proof)>) -> Vec<(&'static Cause, Proof)> {
    let codes: Vec<u32> = ev.errors.iter().flat_map(|e| e.it.parsed.codes.iter().copied()).collect();
    let explains = |c: &Cause| c.aadsts.iter().any(|a| codes.contains(a));
    // Without an answer, the check that refuses first is the one that the service names.
    let stage = |c: &Cause| {
        let first =
            ev.outcomes.iter().position(|(check, o)| matches!(o, Outcome::Refuse(_)) && c.explains.contains(&check.id));
        std::cmp::Reverse(first.unwrap_or(usize::MAX))
    };
    proofs.sort_by(|(ca, a), (cb, b)| {
        let key = |c: &Cause, p: &Proof| (p.level, explains(c), p.certainty, stage(c), p.rank);
        key(cb, b).cmp(&key(ca, a))
    });
    proofs
}

fn verdict(ev: &Evidence<'_>, proofs: &[(&'static Cause, Proof)]) -> Verdict {
    let answered = ev.errors.iter().any(|e| e.it.parsed.code().is_some() || !e.it.text.is_empty());
    let refused = ev.outcomes.iter().any(|(_, o)| matches!(o, Outcome::Refuse(_)));
    // The registration is made up: that a certificate at hand is not the one named proves no refusal.
    let only_assumed = ev.registration_assumed
        && ev.outcomes.iter().all(|(c, o)| !matches!(o, Outcome::Refuse(_)) || c.id == "key-found")
        && !proofs.iter().any(|(_, p)| p.level == Level::Error);
    let shown = proofs.iter().any(|(_, p)| p.level == Level::Error && p.certainty >= Certainty::Likely);
    if answered || refused && !only_assumed {
        return Verdict::Refused;
    }
    let was_sent = ev.header.is_some() || ev.claims.is_some() || ev.request.is_some();
    if shown && (was_sent || ev.tool_refused()) {
        return Verdict::Refused;
    }
    if shown || ev.jwt.is_none() || !(ev.parts.header && ev.parts.claims) || ev.registration_assumed {
        return Verdict::Undecided;
    }
    let open = ev.outcomes.iter().any(|(check, o)| match o {
        // The key is the registered one; only its signature could not be computed anew.
        Outcome::Undecided(_) if check.id == "signature" || check.id == "key-usable" => !ev.passed("key-found"),
        Outcome::Undecided(Needed::Jwks) => false,
        Outcome::Undecided(_) => true,
        _ => false,
    });
    if open { Verdict::Undecided } else { Verdict::Accepted }
}

/// What would decide the rest, as kinds of artifact.
fn needed(ev: &Evidence<'_>, proofs: &[(&'static Cause, Proof)], verdict: Verdict) -> Vec<String> {
    let proven = proofs.iter().any(|(_, p)| p.level == Level::Error && p.certainty == Certainty::Proven);
    if proven || verdict == Verdict::Accepted && ev.passed("signature") {
        return Vec::new();
    }
    let mut out: Vec<&'static str> = Vec::new();
    let mut add = |names: &[&'static str]| {
        for n in names {
            if !out.contains(n) {
                out.push(n);
            }
        }
    };
    if ev.is_federated() && ev.federation.is_none() {
        add(&["federated-credential"]);
    }
    if let Some(code) = ev.code() {
        add(needed_for(code, ev));
    }
    for (_, outcome) in &ev.outcomes {
        if let Outcome::Undecided(needed) = outcome {
            add(&[needed.name()]);
        }
    }
    if ev.registration_assumed {
        add(&["application"]);
    }
    if ev.jwt.is_some() && ev.errors.is_empty() && verdict == Verdict::Undecided {
        if ev.leaf().is_none() && ev.own_assertion() {
            add(&["certificate"]);
        }
        add(&["error"]);
    }
    let closed = ev.keys.iter().any(|k| k.it.file.has_closed_key() || k.it.file.pkcs12().is_some_and(|p| !p.opened));
    if closed && !ev.keys.iter().any(|k| k.it.with_password) {
        add(&["password"]);
    }
    // An answer whose words are known speaks for itself.
    let silent = ev.code().is_none() && ev.sayings.is_empty();
    if ev.header.is_none() && ev.claims.is_none() && silent && ev.request.is_none() {
        add(&["assertion", "error", "token-request"]);
    }
    let have: BTreeSet<&str> = ev.artifacts.iter().map(|a| a.kind().name()).collect();
    let wanted = |n: &&str| match *n {
        "certificate" => ev.leaf().is_none() || !have.contains("certificate") && !have.contains("pkcs12"),
        // A registration without its keys, or cut off, decides nothing.
        "application" => !have.contains("application") || ev.registration_assumed || ev.registration.is_none(),
        n => !have.contains(n),
    };
    out.into_iter().filter(wanted).map(str::to_owned).collect()
}

/// What would decide an answer of which only the text is known.
fn needed_for(code: u32, ev: &Evidence<'_>) -> &'static [&'static str] {
    let reason = ev.error.and_then(|e| e.it.parsed.reason.as_deref()).unwrap_or_default();
    match code {
        700_027 | 50_012 | 50_013 if reason.contains("match") || reason.contains("verify") => {
            &["assertion", "certificate", "private-key"]
        }
        700_027 | 50_012 | 50_013 | 700_030 | 5_002_730 => &["assertion", "certificate", "application"],
        1_000_502 | 392_204 => &["certificate", "assertion"],
        700_023 | 700_021 | 50_048 => &["assertion", "token-request", "tenant"],
        700_024 | 500_133 | 90_014 | 50_027 | 5_002_723 | 5_002_726 | 5_002_727 | 5_002_738 | 5_002_741 => {
            &["assertion"]
        }
        900_144 | 90_011 | 7_000_216 | 7_000_218 | 70_002 | 9_002_313 | 70_003 | 70_011 | 1_002_012 | 900_561
        | 901_002 | 700_022 => &["token-request"],
        700_016 | 70_001 => &["application", "tenant", "token-request"],
        90_002 | 900_021 | 900_023 | 50_059 | 50_194 | 9_001_023 | 90_010 => &["tenant", "token-request"],
        700_025 | 700_026 | 7_000_112 | 7_000_214 | 7_000_277 | 7_000_229 => &["application"],
        7_000_215 | 7_000_222 => &["token-request", "settings", "application"],
        70_021 | 700_211 | 700_212 | 700_213 | 7_002_137 | 7_002_138 | 70_025 => {
            &["federated-credential", "federated-token"]
        }
        7_000_272 | 7_000_274 => &["federated-token", "jwks"],
        500_131 => &["assertion", "application"],
        _ => &["assertion", "token-request"],
    }
}

fn finding(ev: &Evidence<'_>, told: Option<&Told>, cause: &Cause, proof: Proof) -> Finding {
    let codes: Vec<u32> =
        ev.errors.iter().flat_map(|e| e.it.parsed.codes.iter().copied()).filter(|c| cause.aadsts.contains(c)).collect();
    let mut aadsts = codes;
    if aadsts.is_empty() {
        let of_checks =
            cause.explains.iter().filter_map(|id| ev.refused(id)).map(codes::code).filter(|c| cause.aadsts.contains(c));
        aadsts.extend(of_checks);
    }
    if aadsts.is_empty() {
        aadsts.extend(cause.aadsts.first());
    }
    aadsts.dedup();
    // The numbers are Entra's.
    if ev.known_server().is_some() {
        aadsts.clear();
    }
    Finding {
        code: cause.key.to_owned(),
        level: proof.level,
        certainty: proof.certainty,
        title: proof.title,
        evidence: proof
            .places
            .into_iter()
            .map(|p| EvidenceItem {
                artifact: ev.file(p.artifact).to_owned(),
                pointer: p.pointer,
                found: p.found,
                expected: p.expected,
            })
            .collect(),
        // A note asks for nothing.
        fixes: match proof.level {
            Level::Note => Vec::new(),
            _ => fixes::of(cause.key, told, ev.known_server().is_some()),
        },
        fix: proof.fix,
        aadsts,
    }
}

fn entries(ev: &Evidence<'_>) -> Vec<ArtifactEntry> {
    let mut out: Vec<ArtifactEntry> = Vec::new();
    for a in ev.artifacts {
        let kind = match a.kind() {
            // A federated token is one that the credential speaks of, whoever its issuer is.
            Kind::Assertion if ev.federation.is_some() && matches!(a.content, Content::Jwt(_)) => Kind::FederatedToken,
            kind => kind,
        };
        // Ten thousand registrations are one line.
        let many = kind == Kind::Application
            && out.iter().filter(|e| e.kind == "application" && e.file == a.file).count() >= 8;
        if !many {
            out.push(ArtifactEntry { file: a.file.clone(), kind: kind.name().to_owned(), repairs: a.repairs.clone() });
        }
    }
    out
}

fn said(ev: &Evidence<'_>) -> Vec<Said> {
    ev.errors
        .iter()
        .filter_map(|e| {
            let code = e.it.parsed.code()?;
            let meaning = codes::known(code).map_or("not on record", |k| k.meaning);
            Some(Said {
                artifact: ev.file(e.artifact).to_owned(),
                code: Some(code),
                text: None,
                meaning: meaning.to_owned(),
            })
        })
        .chain(ev.sayings.iter().map(|s| Said {
            artifact: ev.file(s.artifact).to_owned(),
            code: None,
            text: Some(s.it.text.to_owned()),
            meaning: s.it.means.to_owned(),
        }))
        .collect()
}

fn refusals(ev: &Evidence<'_>) -> Vec<Refusal> {
    ev.outcomes
        .iter()
        .filter_map(|(check, outcome)| match outcome {
            Outcome::Refuse(reason) => Some(Refusal {
                check: check.id.to_owned(),
                aadsts: ev.known_server().is_none().then(|| codes::code(reason)),
                text: match ev.known_server() {
                    None => words::value(&description(reason)),
                    Some(server) => {
                        server.sayings.iter().find(|s| s.check == check.id).map_or(check.id, |s| s.text).to_owned()
                    }
                },
            }),
            _ => None,
        })
        .collect()
}

fn sources(ev: &Evidence<'_>) -> Vec<Source> {
    let lines = |members: &[countersign_core::json::Member]| {
        let rows: Vec<String> =
            members.iter().take(40).map(|m| format!("  \"{}\": {}", words::value(&m.name), show(&m.node))).collect();
        format!("{{\n{}\n}}", rows.join(",\n"))
    };
    let mut out = Vec::new();
    if let Some(h) = ev.header.filter(|_| ev.parts.header) {
        out.push(Source { artifact: ev.file(h.artifact).to_owned(), part: "header", text: lines(h.it.members()) });
    }
    if let Some(c) = ev.claims.filter(|_| ev.parts.claims) {
        out.push(Source { artifact: ev.file(c.artifact).to_owned(), part: "claims", text: lines(c.it.members()) });
    }
    out
}

fn show(node: &countersign_core::json::Node) -> String {
    use countersign_core::json::Value;
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => words::value(n),
        Value::String(s) => format!("\"{}\"", words::value(s)),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => format!(
            "[{}{}]",
            show(&items[0]),
            if items.len() > 1 { format!(", … ({} in all)", items.len()) } else { String::new() }
        ),
        Value::Object(_) => "{…}".to_owned(),
    }
}
