//! Adds up the closing lines of test runners, so that a run of many suites ends in one line.
//!
//! Used by `test`. Reads `cargo test`, pytest and Node's own runner; a suite whose closing line is missing counts as failed.

/// What the suites of one run came to.
#[derive(Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    broken: Vec<String>,
}

/// Which runner's closing lines a suite prints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Runner {
    /// `test result: ok. 5 passed; 0 failed; …`, one per test binary.
    Cargo,
    /// `5 passed, 1 failed, 2 skipped in 1.2s`.
    Pytest,
    /// `ℹ pass 5` and `ℹ fail 0`.
    Node,
    /// No counts: one test that passed when the status is 0.
    Status,
}

/// Counts of one suite while it runs.
#[derive(Default, Debug, PartialEq)]
pub struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
    lines: u64,
}

impl Count {
    /// Takes in one line of a suite's output.
    pub fn read(&mut self, runner: Runner, line: &str) {
        let line = plain(line);
        let line = line.trim();
        match runner {
            Runner::Cargo => {
                let Some(rest) = line.strip_prefix("test result: ") else { return };
                self.lines += 1;
                self.passed += before(rest, " passed").unwrap_or(0);
                self.failed += before(rest, " failed").unwrap_or(0);
            }
            Runner::Pytest => {
                let closing = line.trim_matches(['=', ' ']);
                if !closing.contains(" in ") || !closing.starts_with(|first: char| first.is_ascii_digit()) {
                    return;
                }
                let counts = [" passed", " failed", " error", " skipped"].map(|word| before(closing, word));
                if counts.iter().all(Option::is_none) {
                    return;
                }
                self.lines += 1;
                self.passed += counts[0].unwrap_or(0);
                self.failed += counts[1].unwrap_or(0) + counts[2].unwrap_or(0);
                self.skipped += counts[3].unwrap_or(0);
            }
            Runner::Node => {
                let line = line.trim_start_matches(['ℹ', '#', ' ']);
                if let Some(count) = line.strip_prefix("pass ").and_then(|count| count.parse().ok()) {
                    let count: u64 = count;
                    self.lines += 1;
                    self.passed += count;
                } else if let Some(count) = line.strip_prefix("fail ").and_then(|count| count.parse::<u64>().ok()) {
                    self.failed += count;
                } else if let Some(count) = line.strip_prefix("skipped ").and_then(|count| count.parse::<u64>().ok()) {
                    self.skipped += count;
                }
            }
            Runner::Status => {}
        }
    }
}

impl Tally {
    /// Adds a finished suite. It counts as broken when its status was bad without a failed test, when it ran no test, or when
    /// it skipped one.
    pub fn add(&mut self, name: &str, runner: Runner, mut count: Count, status_ok: bool) {
        if runner == Runner::Status {
            count.lines = 1;
            count.passed = u64::from(status_ok);
            count.failed = u64::from(!status_ok);
        }
        self.passed += count.passed;
        self.failed += count.failed;
        if !status_ok && count.failed == 0 {
            self.fault(name, "ended badly");
        } else if count.lines == 0 || count.passed + count.failed == 0 {
            self.fault(name, "ran no test");
        } else if count.skipped > 0 {
            self.fault(name, &format!("skipped {} tests", count.skipped));
        } else if count.failed > 0 {
            self.broken.push(format!("{name}: {} failed", count.failed));
        }
    }

    /// Notes a suite that could not be run at all.
    pub fn fault(&mut self, name: &str, what: &str) {
        self.failed += 1;
        self.broken.push(format!("{name}: {what}"));
    }

    /// Prints what broke and the closing line; true when nothing did.
    pub fn close(&self) -> bool {
        println!();
        for broken in &self.broken {
            println!("{broken}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0 && self.broken.is_empty()
    }
}

/// The number that stands right before `word`.
fn before(text: &str, word: &str) -> Option<u64> {
    let (head, _) = text.split_once(word)?;
    let digits: String = head.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.chars().rev().collect::<String>().parse().ok()
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            for skipped in characters.by_ref() {
                if skipped.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            kept.push(character);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(runner: Runner, lines: &[&str]) -> Count {
        let mut count = Count::default();
        lines.iter().for_each(|line| count.read(runner, line));
        count
    }

    #[test]
    fn reads_every_binary_of_cargo_test() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test a ... FAILED",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ];
        assert_eq!(count(Runner::Cargo, &lines), Count { passed: 15, failed: 2, skipped: 0, lines: 2 });
    }

    #[test]
    fn reads_pytest_with_and_without_frame() {
        assert_eq!(count(Runner::Pytest, &["746 passed in 30.11s"]).passed, 746);
        let framed =
            "\u{1b}[31m====== \u{1b}[1m2 failed\u{1b}[0m, 7 passed, 1 skipped, 3 errors in 3.02s ======\u{1b}[0m";
        assert_eq!(count(Runner::Pytest, &[framed]), Count { passed: 7, failed: 5, skipped: 1, lines: 1 });
        assert_eq!(count(Runner::Pytest, &["12 requests passed by in a hurry"]).lines, 0);
    }

    #[test]
    fn reads_nodes_runner() {
        assert_eq!(
            count(Runner::Node, &["ℹ tests 5", "ℹ pass 4", "ℹ fail 1", "ℹ skipped 0"]),
            Count { passed: 4, failed: 1, skipped: 0, lines: 1 }
        );
        assert_eq!(count(Runner::Node, &["# pass 4", "# fail 0"]).passed, 4);
    }

    #[test]
    fn a_suite_that_ran_nothing_or_skipped_is_no_success() {
        for (count, status) in [
            (Count::default(), true),
            (Count { passed: 3, lines: 1, skipped: 1, failed: 0 }, true),
            (Count { passed: 3, lines: 1, skipped: 0, failed: 0 }, false),
            (Count { passed: 3, lines: 1, skipped: 0, failed: 1 }, false),
        ] {
            let mut tally = Tally::default();
            tally.add("suite", Runner::Pytest, count, status);
            assert!(!tally.close());
        }
        let mut tally = Tally::default();
        tally.add("suite", Runner::Pytest, Count { passed: 3, lines: 1, skipped: 0, failed: 0 }, true);
        assert!(tally.close());
    }
}
