//! The doctor's report on a refused request, from what was sent and what came back.
//!
//! Feature `doctor`. Nothing is sent anywhere: the doctor recomputes from the assertion, the certificate and the error at hand.

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::profile::{ENTRA, STRICT};
use countersign_doctor::{Input, Options, Report, examine};
use secrecy::ExposeSecret as _;

use crate::error::Refusal;

impl Refusal {
    /// Why the server refused, as far as it can be proven from the request. `tenant` is the one that was asked, id or domain.
    ///
    /// Findings concern the assertion; the report of a refused secret has the server's words only.
    pub fn diagnose(&self, tenant: Option<&str>) -> Report {
        let mut inputs = vec![Input { name: "the answer", bytes: self.body.as_bytes() }];
        if let Some(assertion) = &self.sent.assertion {
            inputs.push(Input { name: "the assertion", bytes: assertion.expose_secret().as_bytes() });
        }
        if let Some(certificate) = &self.sent.certificate {
            inputs.push(Input { name: "the certificate", bytes: certificate.der() });
        }
        let mut options = Options::new(self.sent.at);
        options.client_id = Some(self.sent.client_id.clone()).filter(|id| !id.is_empty());
        if self.sent.is_entra || !self.codes.is_empty() {
            options.tenant = tenant.map(str::to_owned);
            return examine(&inputs, &options, &AwsLc);
        }
        // A server that the artifacts point to is judged by its own rules, any other by the RFCs alone.
        let report = examine(&inputs, &options, &AwsLc);
        if report.profile != ENTRA.name {
            return report;
        }
        options.profile = &STRICT;
        options.profile_named = true;
        examine(&inputs, &options, &AwsLc)
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::UnixTime;
    use countersign_testkit::{Identity, Spec};
    use secrecy::SecretString;

    use crate::{CertificateCredential, Refusal, Sent};

    #[test]
    fn a_refused_assertion_has_findings() {
        let identity = Identity::rsa(0, &Spec::default());
        let text = identity.key_pem() + &identity.certificate_pem();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("both.pem");
        std::fs::write(&file, text).unwrap();
        let credential = CertificateCredential::from_files(&[&file], None).unwrap();
        let (client, at) = ("8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", UnixTime::from_secs(1_781_013_681));
        let endpoint = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token";
        // Signed long before it is sent; by no whole hours, which would look like a time zone.
        let assertion = credential.assertion(client, endpoint, at.plus_secs(-5_000), 600).unwrap();
        let description = "AADSTS700024: Client assertion is not within its valid time range.";
        let refusal = Refusal {
            status: 401,
            error: "invalid_client".to_owned(),
            description: description.to_owned(),
            codes: vec![700_024],
            body: format!(r#"{{"error":"invalid_client","error_description":"{description}","error_codes":[700024]}}"#),
            sent: Sent {
                assertion: Some(SecretString::from(assertion)),
                at,
                client_id: client.to_owned(),
                endpoint: endpoint.to_owned(),
                is_entra: true,
                certificate: Some(credential.certificate().clone()),
            },
            ..Refusal::default()
        };
        let report = refusal.diagnose(Some("contoso.example"));
        assert_eq!(report.verdict, countersign_doctor::report::Verdict::Refused);
        let first = report.findings.first().map(|f| f.code.as_str());
        assert_eq!(first, Some("assertion-cached-expired"), "{:?}", report.findings);
    }
}
