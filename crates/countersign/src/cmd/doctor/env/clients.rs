//! Settings of clients beside azure-identity: Terraform, az, MSAL's regions, Microsoft Graph PowerShell.
//!
//! Called by [`super::run`]. What each client reads, and in which order, rests on its source, named where it is used.

use std::path::{Path, PathBuf};

use countersign_client::{Authority, Cloud};
use countersign_core::UnixTime;
use countersign_core::authority::is_guid;
use countersign_core::keyfile::{self, Format};
use countersign_doctor::proof::Level;

use super::files::{KeyVariables, certificate};
use super::{Findings, Read};
use crate::input;
use crate::output::printable;

/// Every client that has settings of its own.
pub(super) fn clients(read: Read<'_>, home: Option<&Path>, now: UnixTime, found: &mut Findings) {
    terraform(read, now, found);
    az(read, home, found);
    regions(read, found);
    powershell(read, found);
}

/// Terraform's azurerm and azuread providers (hashicorp/go-azure-sdk, `auth.NewAuthorizerFromCredentials`): the certificate is
/// taken before the secret, and read as PKCS#12 only.
fn terraform(read: Read<'_>, now: UnixTime, found: &mut Findings) {
    let credentials: Vec<&str> = ["ARM_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_CERTIFICATE", "ARM_CLIENT_SECRET"]
        .into_iter()
        .filter(|name| read(name).is_some())
        .collect();
    if credentials.len() > 1 && credentials.contains(&"ARM_CLIENT_SECRET") {
        found.add(
            Level::Warning,
            format!(
                "{} are set together; Terraform takes the certificate first, azure-identity the secret",
                credentials.join(" and ")
            ),
            "leave only the one that is meant",
        );
    }
    for (name, needed) in [("ARM_CLIENT_ID", "ARM_TENANT_ID"), ("ARM_TENANT_ID", "ARM_CLIENT_ID")] {
        if !credentials.is_empty() && read(name).is_none() && read(needed).is_some() {
            found.add(
                Level::Error,
                format!("{} and {needed} are set, {name} is not", credentials[0]),
                format!("set {name} for Terraform too"),
            );
        }
    }
    if let Some(id) = read("ARM_CLIENT_ID").filter(|id| !is_guid(id.trim())) {
        found.add(
            Level::Error,
            format!("ARM_CLIENT_ID '{}' is no GUID", printable(&id)),
            "take the application (client) id from the registration, not its name",
        );
    }
    for (ours, theirs) in [("ARM_CLIENT_ID", "AZURE_CLIENT_ID"), ("ARM_TENANT_ID", "AZURE_TENANT_ID")] {
        if let (Some(a), Some(b)) = (read(ours), read(theirs))
            && !a.trim().eq_ignore_ascii_case(b.trim())
        {
            found.add(
                Level::Warning,
                format!(
                    "{ours} '{}' and {theirs} '{}' differ: Terraform signs in as another than the SDKs",
                    printable(&a),
                    printable(&b)
                ),
                "set both alike, unless two applications are meant",
            );
        }
    }
    let clouds = [("usgovernment", Cloud::UsGovernment), ("china", Cloud::China), ("public", Cloud::Public)];
    let chosen = read("ARM_ENVIRONMENT").unwrap_or_else(|| "public".to_owned());
    if let Some(host) = read("AZURE_AUTHORITY_HOST")
        && read("ARM_CLIENT_ID").is_some()
        && read("ARM_METADATA_HOSTNAME").is_none()
        && let Some((_, cloud)) = clouds.iter().find(|(name, _)| chosen.eq_ignore_ascii_case(name))
        && Cloud::of_host(host.trim()) != Some(*cloud)
    {
        found.add(
            Level::Warning,
            format!(
                "AZURE_AUTHORITY_HOST is '{}', and Terraform asks the cloud '{}': it does not read that variable",
                printable(&host),
                printable(&chosen)
            ),
            "set ARM_ENVIRONMENT (public, usgovernment, china), or ARM_METADATA_HOSTNAME for another cloud",
        );
    }
    let Some(path) = read("ARM_CLIENT_CERTIFICATE_PATH") else { return };
    let variable = "ARM_CLIENT_CERTIFICATE_PATH";
    if let Ok(bytes) = input::read(Path::new(&path)) {
        let file = keyfile::read(&bytes, None);
        if file.format != Format::Pkcs12 {
            return found.add(
                Level::Error,
                format!("{variable}: {} is {}; Terraform reads PKCS#12 only", printable(&path), file.describe()),
                "openssl pkcs12 -export -in both.pem -out both.pfx, and the password in ARM_CLIENT_CERTIFICATE_PASSWORD",
            );
        }
    }
    let names = KeyVariables { path: variable, password: "ARM_CLIENT_CERTIFICATE_PASSWORD" };
    certificate(&names, Path::new(&path), read(names.password).as_deref(), now, found);
}

/// az: the switches that turn TLS off (azure-cli-core, `azure.cli.core.util`), and the cloud in its own file.
fn az(read: Read<'_>, home: Option<&Path>, found: &mut Findings) {
    for name in ["AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "ADAL_PYTHON_SSL_NO_VERIFY"] {
        if read(name).is_some() {
            found.add(
                Level::Warning,
                format!("{name} is set: az sends credentials to whoever answers"),
                "unset it, and name the CA's file in REQUESTS_CA_BUNDLE",
            );
        }
    }
    let folder = read("AZURE_CONFIG_DIR").map(PathBuf::from).or_else(|| home.map(|home| home.join(".azure")));
    let Some(config) = folder.and_then(|folder| input::read(&folder.join("config")).ok()) else { return };
    let text = String::from_utf8_lossy(&config).into_owned();
    let name = cloud_of(&text).unwrap_or("AzureCloud");
    let cloud = match name {
        "AzureCloud" => Some(Cloud::Public),
        "AzureUSGovernment" => Some(Cloud::UsGovernment),
        "AzureChinaCloud" => Some(Cloud::China),
        _ => None,
    };
    if let (Some(host), Some(cloud)) = (read("AZURE_AUTHORITY_HOST"), cloud)
        && Cloud::of_host(host.trim()) != Some(cloud)
    {
        found.add(
            Level::Warning,
            format!(
                "AZURE_AUTHORITY_HOST is '{}', and az is set to the cloud {}: it does not read that variable",
                printable(&host),
                printable(name)
            ),
            "az cloud set --name NAME (az cloud register for one of your own)",
        );
    }
}

/// `name` under `[cloud]` in az's configuration file.
fn cloud_of(text: &str) -> Option<&str> {
    let section = text.split("[cloud]").nth(1)?.split("\n[").next()?;
    let line = section.lines().find(|line| line.split('=').next().is_some_and(|key| key.trim() == "name"))?;
    line.split_once('=').map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

/// A region sends MSAL to `REGION.login.microsoft.com`, whatever the authority (azure-identity and MSAL.NET).
fn regions(read: Read<'_>, found: &mut Findings) {
    let set = ["AZURE_REGIONAL_AUTHORITY_NAME", "MSAL_FORCE_REGION"].into_iter().find(|name| read(name).is_some());
    let Some((name, host)) = set.zip(read("AZURE_AUTHORITY_HOST")) else { return };
    if Cloud::of_host(host.trim()).is_none() {
        found.add(
            Level::Warning,
            format!("{name} is set, and the authority '{}' has no regions", printable(&host)),
            format!("unset {name}"),
        );
    }
}

/// `Connect-MgGraph -EnvironmentVariable` takes client and certificate from azure-identity's variables and the authority from its
/// own environments (msgraph-sdk-powershell, `AuthenticationHelpers`).
fn powershell(read: Read<'_>, found: &mut Findings) {
    let Some(host) = read("AZURE_AUTHORITY_HOST").filter(|_| read("PSModulePath").is_some()) else { return };
    let known = Authority::new(host.trim(), "common").is_ok();
    if known && Cloud::of_host(host.trim()) != Some(Cloud::Public) {
        found.add(
            Level::Note,
            format!("Microsoft Graph PowerShell does not read AZURE_AUTHORITY_HOST ('{}')", printable(&host)),
            "Add-MgEnvironment -AzureADEndpoint URL …, then Connect-MgGraph -Environment NAME -EnvironmentVariable",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ID, levels};
    use super::*;
    use countersign_testkit::{Identity, Spec};

    const NOW: UnixTime = UnixTime::from_secs(1_795_521_600);

    fn at_home(set: &[(&str, &str)], home: Option<&Path>) -> Vec<(Level, String)> {
        levels(set, |read, found| clients(read, home, NOW, found))
    }

    #[test]
    fn a_complete_set_for_terraform_has_no_finding() {
        let set = [("ARM_CLIENT_ID", ID), ("ARM_TENANT_ID", ID), ("ARM_CLIENT_SECRET", "x"), ("AZURE_CLIENT_ID", ID)];
        assert_eq!(at_home(&set, None), []);
        assert_eq!(at_home(&[], None), []);
    }

    #[test]
    fn contradictions_between_clients_are_named() {
        for (set, level, words) in [
            (
                &[("ARM_CLIENT_SECRET", "s3cret"), ("ARM_CLIENT_CERTIFICATE", "x")][..],
                Level::Warning,
                "certificate first",
            ),
            (&[("ARM_CLIENT_SECRET", "s3cret"), ("ARM_TENANT_ID", ID)], Level::Error, "ARM_CLIENT_ID is not"),
            (&[("ARM_CLIENT_ID", "payroll")], Level::Error, "no GUID"),
            (
                &[("ARM_CLIENT_ID", ID), ("AZURE_CLIENT_ID", "5f2c1a7e-0000-4000-8000-0000000000a1")],
                Level::Warning,
                "differ",
            ),
            (
                &[("ARM_CLIENT_ID", ID), ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")],
                Level::Warning,
                "Terraform asks the cloud 'public'",
            ),
            (&[("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1")], Level::Warning, "whoever answers"),
            (
                &[("AZURE_REGIONAL_AUTHORITY_NAME", "westus2"), ("AZURE_AUTHORITY_HOST", "https://localhost:8443")],
                Level::Warning,
                "no regions",
            ),
            (
                &[("PSModulePath", "/opt"), ("AZURE_AUTHORITY_HOST", "https://localhost:8443")],
                Level::Note,
                "Graph PowerShell",
            ),
        ] {
            let found = at_home(set, None);
            assert!(found.iter().any(|(l, w)| *l == level && w.contains(words)), "{set:?}: {found:?}");
            assert!(found.iter().all(|(_, w)| !w.contains("s3cret")), "{found:?}");
        }
    }

    #[test]
    fn what_agrees_is_not_blamed() {
        let gov = "https://login.microsoftonline.us/";
        let set = [("ARM_CLIENT_ID", ID), ("ARM_ENVIRONMENT", "usgovernment"), ("AZURE_AUTHORITY_HOST", gov)];
        assert_eq!(at_home(&set, None), []);
        let set = [("AZURE_REGIONAL_AUTHORITY_NAME", "westus2"), ("AZURE_AUTHORITY_HOST", gov)];
        assert_eq!(at_home(&set, None), []);
    }

    #[test]
    fn the_cloud_of_az_is_held_against_the_authority() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".azure")).unwrap();
        let set = [("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")];
        let write = |text: &str| std::fs::write(home.path().join(".azure/config"), text).unwrap();
        write("[core]\nname = AzureCloud\n[cloud]\nname = AzureUSGovernment\n[defaults]\n");
        assert_eq!(at_home(&set, Some(home.path())), []);
        write("[cloud]\nname = AzureCloud\n");
        assert_eq!(at_home(&set, Some(home.path())).len(), 1);
        // A cloud of one's own: where it is stands elsewhere.
        write("[cloud]\nname = local\n");
        assert_eq!(at_home(&set, Some(home.path())), []);
    }

    #[test]
    fn terraform_gets_no_pem() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::rsa(0, &Spec::default());
        let path = folder.path().join("both.pem");
        let both = format!("{}{}", identity.key_pem(), identity.certificate_pem());
        input::write_new(&path, both.as_bytes(), true, true).unwrap();
        let found = at_home(&[("ARM_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap())], None);
        assert!(found.len() == 1 && found[0].1.contains("PKCS#12 only"), "{found:?}");
    }
}
