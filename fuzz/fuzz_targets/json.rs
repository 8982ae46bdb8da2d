//! The JSON reader that keeps spans: whatever it takes, serde_json takes as well and reads the same.
#![no_main]

use countersign_core::json::{self, Node, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok((node, end)) = json::read_prefix(text) {
        assert!(text.is_char_boundary(end) && node.span.end <= end);
    }
    let Ok(node) = json::read(text) else { return };
    spans(&node, text);
    let twice = !node.repeated_members().is_empty();
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(other) => assert!(twice || same(&node, &other), "read differently"),
        // It refuses numbers that no f64 holds.
        Err(error) => assert!(error.to_string().contains("out of range"), "{error}"),
    }
});

/// A value's text by itself is the same value.
fn spans(node: &Node, text: &str) {
    let alone = json::read(&text[node.span.clone()]).expect("a span holds its value");
    assert_eq!(alone.kind(), node.kind());
    match &node.value {
        Value::Array(items) => items.iter().take(4).for_each(|n| spans(n, text)),
        Value::Object(members) => members.iter().take(4).for_each(|m| {
            assert!(text[m.name_span.clone()].starts_with('"'));
            spans(&m.node, text);
        }),
        _ => {}
    }
}

fn same(a: &Node, b: &serde_json::Value) -> bool {
    match (&a.value, b) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Number(_), serde_json::Value::Number(_)) => true,
        (Value::String(a), serde_json::Value::String(b)) => a == b,
        (Value::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, (name, b))| a.name == *name && same(&a.node, b))
        }
        _ => false,
    }
}
