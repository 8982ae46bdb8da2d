// Loads the doctor's WebAssembly module and puts requests to it: `await countersign.load(bytes)` gives a function that
// takes a request and promises the answer (their form: crates/wasm/src/lib.rs).
//
// Used by page.js and by the tests under Node. The module imports nothing, so nothing in it can reach the network.
"use strict";

globalThis.countersign = (() => {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();

  // Standard base64; in pieces, because a call takes a limited number of arguments.
  function toBase64(bytes) {
    let binary = "";
    for (let at = 0; at < bytes.length; at += 0x8000) {
      binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    }
    return btoa(binary);
  }

  function fromBase64(text) {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  }

  // A file for `request.files`.
  function file(name, bytes) {
    return { name, base64: toBase64(bytes) };
  }

  function failure(code, message) {
    return { schema: 1, error: { code, message } };
  }

  function call(exports, request) {
    const json = encoder.encode(JSON.stringify(request));
    const place = exports.countersign_input(json.length) >>> 0;
    if (place === 0) {
      const size = Math.ceil(json.length / 1048576);
      return failure("request-too-large", `the files are too large together (${size} MiB); leave out those that are no part of the question`);
    }
    // The memory is looked up anew each time: it moves when it grows.
    new Uint8Array(exports.memory.buffer, place, json.length).set(json);
    const length = exports.countersign_examine() >>> 0;
    const answer = new Uint8Array(exports.memory.buffer, exports.countersign_output() >>> 0, length);
    return JSON.parse(decoder.decode(answer));
  }

  async function load(bytes) {
    const module = await WebAssembly.compile(bytes);
    return async function examine(request) {
      try {
        // An instance for each request: no key of one is left in memory for the next, and a trap spoils nothing.
        const instance = await WebAssembly.instantiate(module, {});
        return call(instance.exports, request);
      } catch (fault) {
        return failure("internal", `the doctor stopped: ${fault.message}`);
      }
    };
  }

  return { load, file, fromBase64 };
})();
