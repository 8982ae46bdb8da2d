//! A federated token, or what an error repeats of one, against the federated identity credential: what differs.
//!
//! Called by the evidence once. Compared exactly, as Entra does since February 2025.

use countersign_core::registration::FederatedCredential;

/// What was presented, and what the credential says.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Index of the artifact with the token or error.
    pub token: usize,
    /// Index of the artifact with the credential.
    pub credential: usize,
    /// `issuer`: presented and expected.
    pub issuer: Option<(String, String, IssuerFault)>,
    /// `subject`: presented and expected.
    pub subject: Option<(String, String, SubjectFault)>,
    /// `audience`: presented and expected.
    pub audience: Option<(String, String)>,
}

/// How two issuers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerFault {
    /// Only a slash at the end.
    TrailingSlash,
    /// Otherwise.
    Other,
}

/// How two subjects differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectFault {
    /// Letter case only.
    Case,
    /// Another kind: environment, branch, tag, pull request.
    EntityType,
    /// Numeric ids on one side only, or another form altogether.
    Format,
    /// The same form, another name.
    OtherWorkload,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_match(&self) -> bool {
        self.issuer.is_none() && self.subject.is_none() && self.audience.is_none()
    }

    fn faults(&self) -> usize {
        // A wrong issuer weighs most: the credential of another issuer is rarely the one that is meant.
        let issuer = match &self.issuer {
            None => 0,
            Some((_, _, IssuerFault::TrailingSlash)) => 1,
            Some(_) => 3,
        };
        issuer + usize::from(self.subject.is_some()) * 2 + usize::from(self.audience.is_some())
    }
}

/// Members that were presented; a missing one is not compared.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// Index of the artifact.
    pub artifact: usize,
    /// `iss`
    pub issuer: Option<String>,
    /// `sub`
    pub subject: Option<String>,
    /// `aud`
    pub audiences: Vec<String>,
}

/// Compares with the credential that fits best.
pub fn compare(presented: &Presented, credentials: &[(usize, &FederatedCredential)]) -> Option<Comparison> {
    credentials.iter().map(|(artifact, c)| one(presented, *artifact, c)).min_by_key(Comparison::faults)
}

fn one(p: &Presented, artifact: usize, c: &FederatedCredential) -> Comparison {
    let issuer = p.issuer.as_ref().filter(|iss| **iss != c.issuer).map(|iss| {
        let bare = |s: &str| s.trim_end_matches('/').to_owned();
        let fault = if bare(iss) == bare(&c.issuer) { IssuerFault::TrailingSlash } else { IssuerFault::Other };
        (iss.clone(), c.issuer.clone(), fault)
    });
    let subject = p
        .subject
        .as_ref()
        .filter(|sub| **sub != c.subject)
        .map(|sub| (sub.clone(), c.subject.clone(), subject_fault(sub, &c.subject)));
    let audience =
        (!p.audiences.is_empty() && !c.audiences.is_empty() && !p.audiences.iter().any(|a| c.audiences.contains(a)))
            .then(|| (p.audiences.join(" "), c.audiences.join(" ")));
    Comparison { token: p.artifact, credential: artifact, issuer, subject, audience }
}

/// How two subjects differ (GitHub, Azure DevOps, GitLab, Kubernetes, Terraform forms).
pub fn subject_fault(presented: &str, expected: &str) -> SubjectFault {
    if presented.to_lowercase() == expected.to_lowercase() {
        return SubjectFault::Case;
    }
    if without_ids(presented).eq_ignore_ascii_case(&without_ids(expected)) {
        return SubjectFault::Format;
    }
    let (a, b) = (form(presented), form(expected));
    if a.0 != b.0 {
        return SubjectFault::Format;
    }
    if has_ids(presented) != has_ids(expected) {
        return SubjectFault::Format;
    }
    if a.1 == b.1 { SubjectFault::OtherWorkload } else { SubjectFault::EntityType }
}

/// Family of a subject, and the kind of thing it names.
fn form(subject: &str) -> (&'static str, &'static str) {
    let lower = subject.to_lowercase();
    if lower.starts_with("repo:") || lower.starts_with("repository_owner:") || lower.contains("job_workflow_ref:") {
        let kind = if lower.contains(":environment:") {
            "environment"
        } else if lower.ends_with(":pull_request") || lower.contains("refs/pull/") {
            "pull_request"
        } else if lower.contains("refs/tags/") {
            "tag"
        } else if lower.contains(":ref:") || lower.contains("refs/heads/") {
            "branch"
        } else if lower.contains("job_workflow_ref:") {
            "workflow"
        } else {
            "other"
        };
        return ("github", kind);
    }
    if lower.starts_with("system:serviceaccount:") {
        return ("kubernetes", "service account");
    }
    if lower.starts_with("sc://") {
        return ("azure-devops", "service connection");
    }
    if lower.starts_with("/eid") {
        return ("entra", "entra");
    }
    if lower.starts_with("project_path:") {
        let kind = if lower.contains("ref_type:tag") {
            "tag"
        } else if lower.contains("ref_type:branch") {
            "branch"
        } else {
            "other"
        };
        return ("gitlab", kind);
    }
    if lower.starts_with("organization:") {
        let kind = if lower.contains("run_phase:plan") {
            "plan"
        } else if lower.contains("run_phase:apply") {
            "apply"
        } else {
            "other"
        };
        return ("terraform", kind);
    }
    ("other", "other")
}

/// `org@123456/repo@789`: GitHub's immutable subjects.
fn has_ids(subject: &str) -> bool {
    subject
        .split(['/', ':'])
        .any(|p| p.split_once('@').is_some_and(|(_, id)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())))
        || subject.split(['/', ':']).any(|p| p.len() >= 5 && p.bytes().all(|b| b.is_ascii_digit()))
}

fn without_ids(subject: &str) -> String {
    let mut out = String::new();
    let mut chars = subject.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '@' && chars.peek().is_some_and(char::is_ascii_digit) {
            while chars.next_if(char::is_ascii_digit).is_some() {}
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_differ_in_kind_case_form_or_name() {
        let branch = "repo:octo-org/webshop:ref:refs/heads/main";
        assert_eq!(subject_fault(branch, "repo:octo-org/webshop:environment:prod"), SubjectFault::EntityType);
        assert_eq!(subject_fault(branch, "repo:OCTO-ORG/webshop:ref:refs/heads/main"), SubjectFault::Case);
        assert_eq!(subject_fault(branch, "repo:octo-org/webshop:ref:refs/heads/dev"), SubjectFault::OtherWorkload);
        assert_eq!(subject_fault(branch, "repo:octo-org@12345/webshop@6789:ref:refs/heads/main"), SubjectFault::Format);
        assert_eq!(
            subject_fault("system:serviceaccount:a:b", "system:serviceaccount:a:c"),
            SubjectFault::OtherWorkload
        );
        assert_eq!(subject_fault(branch, "repo:octo-org/webshop:pull_request"), SubjectFault::EntityType);
    }
}
