//! What a cached token costs to read, whether reading it leaves memory behind, and what an assertion costs beside its signature.
//!
//! Run by `cargo xtask bench client`, which reads the lines `name value` and holds them against the goals. Times are the best of
//! many short batches, taken in turns, so that they mean the same on a busy machine.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot set up its world has failed, and says where")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_client::{
    Alg, Answer, Answering, Authority, CertificateCredential, Credential, Form, SecretString, TokenClient, Transport,
    UnixTime, Url,
};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::keyfile::Identity;
use countersign_testkit::Spec;

/// Counts what lives and what was ever asked for.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one counts and hands on")]
// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Answers every request with the same token.
#[derive(Debug)]
struct Server;

impl Transport for Server {
    fn post<'a>(&'a self, _url: &'a Url, _form: Form<'a>) -> Answering<'a> {
        let token = "e".repeat(1_800);
        let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":86399}}"#);
        Box::pin(std::future::ready(Ok(Answer { status: 200, retry_after: None, body: body.into_bytes() })))
    }
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    cached(if short { 20 } else { 100 });
    assertion(if short { 60 } else { 300 });
}

/// One task that reads a token again and again, while nine others are cached beside it.
fn cached(batches: u32) {
    const READS: u32 = 20_000;
    let authority = Authority::public("contoso.onmicrosoft.com").unwrap();
    let secret = Credential::Secret(SecretString::from("s"));
    let client = TokenClient::with_transport(authority, "app", secret, Box::new(Server), Duration::from_secs(5));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for n in 0..9 {
            client.token(&format!("api://resource-{n}/.default")).await.unwrap();
        }
        let scope = "https://graph.microsoft.com/.default";
        client.token(scope).await.unwrap();
        let mut best = Duration::MAX;
        let (live, calls) = (LIVE.load(Ordering::Relaxed), CALLS.load(Ordering::Relaxed));
        for _ in 0..batches {
            let began = Instant::now();
            for _ in 0..READS {
                black_box(client.token(black_box(scope)).await.unwrap());
            }
            best = best.min(began.elapsed() / READS);
        }
        // Before anything is printed: the first line allocates standard output's buffer.
        let (live, calls) = (LIVE.load(Ordering::Relaxed) - live, CALLS.load(Ordering::Relaxed) - calls);
        println!("reads {}", READS * batches);
        println!("cached_ns {}", best.as_nanos());
        println!("cached_bytes {live}");
        println!("cached_allocations {calls}");
    });
}

/// Whole assertions and bare signatures of the same input, in turns.
fn assertion(batches: u32) {
    const EACH: u32 = 5;
    let made = countersign_testkit::Identity::rsa(0, &Spec::default());
    let signer = AwsLc.signer(&made.key).unwrap();
    let credential = CertificateCredential::from_identity(Identity {
        key: made.key.clone(),
        certificate: made.certificate.clone(),
        chain: vec![made.certificate.clone()],
        repairs: Vec::new(),
    })
    .unwrap();
    let (client, audience) = (
        "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef",
        "https://login.microsoftonline.com/5f2c1a7e-0000-4000-8000-0000000000a1/oauth2/v2.0/token",
    );
    let make = || credential.assertion(client, audience, UnixTime::from_secs(1_781_013_681), 600).unwrap();
    let example = make();
    let input = example.rsplit_once('.').unwrap().0.as_bytes().to_vec();
    let (mut whole, mut bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..batches {
        let began = Instant::now();
        for _ in 0..EACH {
            black_box(signer.sign(Alg::Ps256, black_box(&input)).unwrap());
        }
        bare = bare.min(began.elapsed() / EACH);
        let began = Instant::now();
        for _ in 0..EACH {
            black_box(make());
        }
        whole = whole.min(began.elapsed() / EACH);
    }
    println!("signature_ns {}", bare.as_nanos());
    println!("assertion_ns {}", whole.as_nanos());
    println!("assertion_percent {:.2}", (whole.as_secs_f64() / bare.as_secs_f64() - 1.0) * 100.0);
}
