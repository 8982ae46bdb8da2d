//! What the WebAssembly module exports: three functions over two buffers, so that no generated glue is needed.
//!
//! Called by `page/engine.js`: `countersign_input(n)` for the place of n bytes of JSON, then `countersign_examine()`
//! for the length of the answer, then `countersign_output()` for its place. The only file that lifts `unsafe_code`,
//! and only for the names: a name that two libraries export is undefined behaviour, these have the product's in front.
#![expect(unsafe_code, reason = "exporting a function under a fixed name counts as unsafe; no pointer is read here")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

use crate::request::MAX_REQUEST_BYTES;

struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

static BUFFERS: Mutex<Buffers> = Mutex::new(Buffers { input: Vec::new(), output: Vec::new() });

/// There is one thread, and every state of the buffers is usable.
fn buffers() -> MutexGuard<'static, Buffers> {
    BUFFERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes room for a request of `length` bytes and returns where to write it; 0 when it is longer than any request may
/// be (`MAX_REQUEST_BYTES`).
#[unsafe(no_mangle)]
pub extern "C" fn countersign_input(length: usize) -> usize {
    if length > MAX_REQUEST_BYTES {
        return 0;
    }
    let mut buffers = buffers();
    buffers.output = Vec::new();
    buffers.input = vec![0; length];
    buffers.input.as_ptr().addr()
}

/// Examines the request that was written and returns the length of the answer. The request is wiped: it may hold a
/// private key or a password.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_examine() -> usize {
    let mut buffers = buffers();
    let mut input = std::mem::take(&mut buffers.input);
    // Broken UTF-8 is broken JSON; the reader says where.
    let answer = crate::examine(&String::from_utf8_lossy(&input));
    input.zeroize();
    buffers.output = answer.into_bytes();
    buffers.output.len()
}

/// Where the answer stands until the next request.
#[unsafe(no_mangle)]
pub extern "C" fn countersign_output() -> usize {
    buffers().output.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_every_request() {
        assert_eq!(countersign_input(MAX_REQUEST_BYTES + 1), 0);
        assert_ne!(countersign_input(3), 0);
        let length = countersign_examine();
        assert_ne!(countersign_output(), 0);
        let buffers = buffers();
        assert_eq!(buffers.output.len(), length);
        // Three zero bytes are no JSON.
        assert!(buffers.output.starts_with(br#"{"schema":1,"error":{"code":"request-not-json""#));
        assert!(buffers.input.is_empty());
    }
}
