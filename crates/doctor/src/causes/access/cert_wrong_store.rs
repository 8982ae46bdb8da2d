//! `cert-wrong-store`: The certificate is in one store and the tool looks in another.
//!
//! The message names the store that was searched in vain.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The certificate is in one store and the tool looks in another.
pub static CAUSE: Cause = Cause {
    key: "cert-wrong-store",
    layer: "Access to the key on the machine",
    question: Question::Access,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.message(Message::NotInStore)
        .map(|m| {
            Proof::error(Certainty::Likely, "no certificate in the store that was searched: it is probably in the other one (LocalMachine or CurrentUser)")
                .at(m, "message", "certificate not found in the store", "")
                .fix("look in both: `Get-ChildItem Cert:\\CurrentUser\\My, Cert:\\LocalMachine\\My`; import it into the one that the tool reads, with the private key, for the account that runs it")
        })
        .into_iter()
        .collect()
}
