//! The steps of a rotation: make, register, wait until accepted, switch, keep the old one for the overlap, remove it.
//!
//! Called by `rotate`. Every step looks first whether it was done, does it, and writes it down; so a run that ends anywhere is taken
//! up by the next one. At every moment the pair that clients see is registered and accepted.

use std::time::{Duration, Instant};

use countersign_client::{ClientError, Credential};
use countersign_core::UnixTime;
use countersign_core::x509::key::PublicKey;
use serde_json::{Value, json};

use super::Args;
use super::place::{Held, Place};
use super::record::{Known, Record, Step};
use super::registry::{self, By, Registry, Told};
use crate::clock::{self, span};
use crate::cmd::cert::{make, subject};
use crate::exit::{Exit, Failure};
use crate::graph::Reached;
use crate::output;

/// Tokens in a row after which the authority is taken to know a certificate everywhere: it has many servers, which learn of it one
/// by one.
const ACCEPTED_IN_A_ROW: u32 = 3;
/// First pause between requests while the authority does not know the certificate; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Refusals after which it is looked whether somebody took the certificate off again.
const LOOK_AGAIN: u32 = 4;

/// A rotation of one place.
pub struct Rotation<'a> {
    pub args: &'a Args,
    pub reached: &'a Reached,
    pub place: &'a Place,
}

impl Rotation<'_> {
    /// Goes through all steps from where the record stands.
    pub async fn run(&self, record: Option<Record>) -> Result<Record, Failure> {
        let mut record = match record {
            Some(record) => record,
            None => self.make().await?,
        };
        let switches = record.step < Step::Switched;
        if switches {
            let registry = self.registry(&record).await?;
            self.register(&registry, &mut record).await?;
            self.await_acceptance(&registry, &mut record).await?;
            self.switch(&mut record)?;
        }
        if record.step < Step::Removed && self.wait_for_overlap(&record, switches).await {
            self.remove(&mut record).await?;
        }
        Ok(record)
    }

    /// What would be done from here on.
    pub async fn plan(&self, record: Option<&Record>) -> Result<Value, Failure> {
        let (app, old, done) = match record {
            Some(record) => {
                let registry = self.registry(record).await?;
                ((registry.app_id, registry.object_id), record.old.sha1.clone(), Some(record.step))
            }
            None => {
                let held = self.held()?;
                let (registry, old) = self.begin(&held).await?;
                ((registry.app_id, registry.object_id), old.sha1, None)
            }
        };
        let name = self.place.path().display();
        let switch = if self.place.is_folder() {
            format!("put the new pair into {name} under a name of its own")
        } else {
            format!("replace {name} by one rename; the old file stays beside it")
        };
        let steps = [
            (Step::Made, format!("make an RSA key and a certificate of {} days beside {name}", self.days(record)?)),
            (Step::Registered, format!("register the certificate on application {}", app.0)),
            (Step::Accepted, format!("ask {} for tokens with it until it gives them", self.reached.place.host)),
            (Step::Switched, switch),
            (Step::Removed, format!("after {} remove {old} from the application", span(self.args.overlap))),
        ];
        let left = steps.iter().filter(|(step, _)| done.is_none_or(|done| *step > done));
        let plan: Vec<Value> = left.map(|(step, what)| json!({"step": step.name(), "what": what})).collect();
        Ok(json!({"dryRun": true, "appId": app.0, "objectId": app.1, "place": self.place.path(), "plan": plan}))
    }

    /// The pair that clients use, if it may be rotated.
    fn held(&self) -> Result<Held, Failure> {
        let held = self.place.current(clock::now())?;
        self.place.check(&held)?;
        if held.certificate.subject_der() != held.certificate.issuer_der() && !self.args.self_signed {
            let message = format!(
                "{}: its certificate was issued by '{}'; the new one would be self-signed, which servers that trust that issuer may \
                 refuse: say --self-signed if only the registration counts",
                held.file.display(),
                output::printable(held.certificate.issuer())
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(held)
    }

    fn days(&self, record: Option<&Record>) -> Result<i64, Failure> {
        match (self.args.days, record) {
            (Some(days), _) => Ok(i64::from(days)),
            (None, Some(_)) => Ok(0),
            (None, None) => {
                let c = self.place.current(clock::now())?.certificate;
                // As long as the old one, so that a policy which allowed that allows this.
                Ok(((c.not_after().secs_since(c.not_before()) + 43_200) / 86_400).clamp(1, 36_500))
            }
        }
    }

    /// Looks at the application, and at the old certificate's place on it.
    async fn begin(&self, held: &Held) -> Result<(Registry, Known), Failure> {
        let last = Record::read(self.place)?;
        let registry = self.connect(last.as_ref(), held).await?;
        let entries = registry.entries().await?;
        let found = entries.as_ref().map(|all| registry::of(all, &held.certificate).next().cloned());
        let key_id = match found {
            Some(Some(entry)) => Some(entry.key_id),
            Some(None) if self.args.force => None,
            Some(None) => {
                let known = Known::of(&held.certificate, None);
                let message = format!(
                    "{}: its certificate {} is not registered on application {}; name the application whose it is, or say --force if \
                     it was taken off already",
                    held.file.display(),
                    known.sha1,
                    registry.app_id
                );
                return Err(Failure::new(Exit::Usage, message));
            }
            None => {
                let last = last.filter(|record| record.new.is(&held.certificate)).and_then(|record| record.new.key_id);
                let told = self.args.old_key_id.clone().or(last);
                Some(told.ok_or_else(|| registry::cannot_read("--old-key-id"))?)
            }
        };
        Ok((registry, Known::of(&held.certificate, key_id)))
    }

    async fn connect(&self, record: Option<&Record>, own: &Held) -> Result<Registry, Failure> {
        let args = self.args;
        let remembered = record.map(|r| r.object_id.clone()).filter(|id| !id.is_empty());
        let told = Told { object_id: args.object_id.clone().or(remembered) };
        Registry::connect(&args.graph, self.reached, &args.app, own, args.own_certificate, &told).await
    }

    /// The registry for a rotation under way: by the pair in use, else by the one that comes, while one of them is valid.
    async fn registry(&self, record: &Record) -> Result<Registry, Failure> {
        let own = self.signing(record)?;
        let registry = self.connect(Some(record), &own).await?;
        if registry.object_id.eq_ignore_ascii_case(&record.object_id) {
            return Ok(registry);
        }
        let message = format!(
            "{}: a rotation for application {} is under way, not for {}; end that one first, or remove {}",
            self.place.path().display(),
            record.app_id,
            registry.app_id,
            self.place.beside("rotation.json").display()
        );
        Err(Failure::new(Exit::Usage, message))
    }

    fn signing(&self, record: &Record) -> Result<Held, Failure> {
        let now = clock::now();
        let current = self.place.current(now)?;
        if !current.certificate.valid_at(now)
            && record.step >= Step::Accepted
            && let Some(next) = self.place.read_next()?
        {
            return Ok(next);
        }
        Ok(current)
    }

    /// The new pair, wherever it lies by now.
    fn new_pair(&self, record: &Record) -> Result<Held, Failure> {
        if let Some(next) = self.place.read_next()?.filter(|next| record.new.is(&next.certificate)) {
            return Ok(next);
        }
        let current = self.place.current(clock::now())?;
        if record.new.is(&current.certificate) {
            return Ok(current);
        }
        let message = format!(
            "{}: holds {}, and the new pair {} is neither there nor beside it; see `countersign credential list`, then remove {}",
            self.place.path().display(),
            Known::of(&current.certificate, None).sha1,
            record.new.sha1,
            self.place.beside("rotation.json").display()
        );
        Err(Failure::new(Exit::Unreadable, message))
    }

    async fn make(&self) -> Result<Record, Failure> {
        let held = self.held()?;
        let (registry, old) = self.begin(&held).await?;
        let wanted = self.args.subject.as_deref().unwrap_or(held.certificate.subject());
        let name = subject(wanted).map_err(|why| {
            Failure::new(
                Exit::Usage,
                format!("subject '{}': {why}; give one with --subject", output::printable(wanted)),
            )
        })?;
        // No smaller than the old one.
        let least = held.certificate.public_key().bits().filter(|_| is_rsa(&held)).unwrap_or(2048);
        let bits = [2048, 3072, 4096].into_iter().find(|bits| *bits >= least).unwrap_or(8192);
        let days = u32::try_from(self.days(None)?).unwrap_or(1);
        let made = make(&name, bits, clock::now(), days)?;
        // Checked before: a form that cannot be written was refused.
        let form = held.form.ok_or_else(|| Failure::new(Exit::Usage, "rotate writes PEM and PKCS#12"))?;
        self.place.write_next(&form.write(&made, self.place.password())?, &held)?;
        let app = (registry.app_id, registry.object_id);
        let new = Known::of(&made.certificate, None);
        let record = Record::new(self.reached.place.host.clone(), app, old, new);
        record.write(self.place)?;
        self.say(&format!("made       {}, valid until {}", record.new.sha1, record.new.not_after));
        Ok(record)
    }

    async fn register(&self, registry: &Registry, record: &mut Record) -> Result<(), Failure> {
        let new = self.new_pair(record)?;
        if record.step >= Step::Registered {
            return Ok(());
        }
        let own = self.signing(record)?;
        // Without the right to read, a token is the only witness of a registration whose answer was lost.
        let known = !registry.readable && self.ask(registry, &new).await.is_ok();
        if !known {
            record.new.key_id = registry.add(&new.certificate, &self.display_name(&new), &own).await?;
        }
        record.step = Step::Registered;
        record.write(self.place)?;
        let by = if registry.by() == By::Token { "" } else { ", by the application's own certificate" };
        self.say(&format!("registered {}{by}", record.new.key_id.as_deref().unwrap_or("(its key id is not known)")));
        Ok(())
    }

    fn display_name(&self, new: &Held) -> String {
        let certificate = &new.certificate;
        let name = self.args.name.as_deref().or(certificate.common_name()).unwrap_or(certificate.subject());
        name.to_owned()
    }

    /// One token with this pair, by a connection and without a cache of its own.
    async fn ask(&self, registry: &Registry, pair: &Held) -> Result<(), ClientErrorOr> {
        let credential = Credential::Certificate(registry::credential(pair)?);
        let client = self.args.graph.token_client(self.reached, registry.app_id.clone(), credential)?;
        client.token(&self.reached.scope()).await.map(drop).map_err(ClientErrorOr::Client)
    }

    async fn await_acceptance(&self, registry: &Registry, record: &mut Record) -> Result<(), Failure> {
        if record.step >= Step::Accepted {
            return Ok(());
        }
        let (new, began, limit) = (self.new_pair(record)?, Instant::now(), seconds(self.args.accept_within));
        let (mut in_a_row, mut refusals, mut pause) = (0, 0, FIRST_PAUSE);
        loop {
            let wait = match self.ask(registry, &new).await {
                Ok(()) => {
                    in_a_row += 1;
                    if in_a_row == ACCEPTED_IN_A_ROW {
                        break;
                    }
                    FIRST_PAUSE
                }
                Err(ClientErrorOr::Client(ClientError::Refused(refusal))) if refusal.certificate_unknown() => {
                    (in_a_row, refusals) = (0, refusals + 1);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    if refusals % LOOK_AGAIN == 0 && registry.readable {
                        let own = self.signing(record)?;
                        record.new.key_id = registry.add(&new.certificate, &self.display_name(&new), &own).await?;
                    }
                    pause
                }
                Err(ClientErrorOr::Client(error)) if error.is_transient() => {
                    in_a_row = 0;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    pause
                }
                Err(ClientErrorOr::Client(error)) => return Err(error.into()),
                Err(ClientErrorOr::Failure(failure)) => return Err(failure),
            };
            if began.elapsed() + wait > limit {
                let message = format!(
                    "the authority does not take the new certificate {} within {}; clients use the old one still: run this again to go \
                     on",
                    record.new.sha1,
                    span(self.args.accept_within)
                );
                return Err(Failure::new(Exit::TimedOut, message));
            }
            tokio::time::sleep(wait).await;
        }
        record.step = Step::Accepted;
        record.write(self.place)?;
        self.say(&format!("accepted   by {}, {ACCEPTED_IN_A_ROW} times in a row", self.reached.place.host));
        Ok(())
    }

    fn switch(&self, record: &mut Record) -> Result<(), Failure> {
        let now = clock::now();
        let current = self.place.current(now)?;
        if !record.new.is(&current.certificate) {
            if !record.old.is(&current.certificate) {
                let message = format!(
                    "{}: holds {} meanwhile, neither the old certificate nor the new one; somebody else rotates it as well",
                    self.place.path().display(),
                    Known::of(&current.certificate, None).sha1
                );
                return Err(Failure::new(Exit::Unreadable, message));
            }
            let next = self.new_pair(record)?;
            self.place.switch(&next)?;
        }
        record.step = Step::Switched;
        record.remove_after = Some(now.plus_secs(self.args.overlap).rfc3339());
        record.write(self.place)?;
        self.say(&format!("switched   {}", self.place.path().display()));
        Ok(())
    }

    /// Whether the overlap is over, after waiting for it where that is wanted.
    async fn wait_for_overlap(&self, record: &Record, begins: bool) -> bool {
        let left = |now: UnixTime| record.remove_after().map_or(0, |until| until.secs_since(now));
        if left(clock::now()) > 0 || begins && self.args.overlap > 0 {
            let until = record.remove_after.as_deref().unwrap_or("-");
            if self.args.no_wait {
                self.say(&format!("keeping    {} until {until}; run this again after that", record.old.sha1));
                return false;
            }
            self.say(&format!("keeping    {} until {until}; this may be interrupted and run again", record.old.sha1));
        }
        // By the wall clock, looked at again and again: a machine that slept has not waited less.
        loop {
            let left = left(clock::now());
            if left <= 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(left.clamp(1, 30).unsigned_abs())).await;
        }
    }

    async fn remove(&self, record: &mut Record) -> Result<(), Failure> {
        let current = self.place.current(clock::now())?;
        if !record.new.is(&current.certificate) {
            let message = format!(
                "{}: holds {} again and not the new certificate {}; the old one stays registered: put the new file back, or remove {} to \
                 give this rotation up",
                self.place.path().display(),
                Known::of(&current.certificate, None).sha1,
                record.new.sha1,
                self.place.beside("rotation.json").display()
            );
            return Err(Failure::new(Exit::Unreadable, message));
        }
        // A token of the time of the switch has ended by now.
        let registry = self.registry(record).await?;
        match self.ask(&registry, &current).await {
            Ok(()) => {}
            Err(ClientErrorOr::Client(error)) => return Err(error.into()),
            Err(ClientErrorOr::Failure(failure)) => return Err(failure),
        }
        let was_there = registry.remove(&record.old, &current).await?;
        let sha1 = countersign_core::encoding::decode_hex(&record.old.sha1).and_then(|b| b.try_into().ok());
        if let Some(sha1) = sha1 {
            self.place.forget(sha1)?;
        }
        record.step = Step::Removed;
        record.write(self.place)?;
        let note = if was_there { "" } else { ", which was gone already" };
        self.say(&format!("removed    {}{note}", record.old.sha1));
        Ok(())
    }

    fn say(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// Keys of other kinds have other sizes; the new one is RSA, which is all that Entra ID takes.
fn is_rsa(held: &Held) -> bool {
    matches!(held.certificate.public_key(), PublicKey::Rsa(_))
}

/// Why one request for a token failed.
enum ClientErrorOr {
    Client(ClientError),
    Failure(Failure),
}

impl From<Failure> for ClientErrorOr {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.max(0).unsigned_abs())
}
