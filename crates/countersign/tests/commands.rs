//! What the commands print, word for word, with their exit statuses: see `cmd/*.trycmd`. `TRYCMD=overwrite` blesses.
//!
//! Nothing here needs a service or the network; `live.rs` has what does.

#[test]
fn commands() {
    let cases = trycmd::TestCases::new();
    cases.env("COLUMNS", "80").env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}
