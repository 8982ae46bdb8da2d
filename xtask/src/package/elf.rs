//! As much of an ELF file as tells what it needs of the system: its loader, and the versions of the C library's symbols.

use anyhow::{Context, Result, bail, ensure};

/// `PT_INTERP` (System V ABI, chapter 5).
const INTERPRETER: u32 = 3;

/// The loader that a program asks for; `None` for a static one.
///
/// # Errors
/// When it is no ELF file of 64 bits, least significant byte first.
pub fn loader(program: &[u8]) -> Result<Option<String>> {
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "this is no ELF program of 64 bits");
    let number = |at: usize, length: usize| -> Result<usize> {
        let bytes = program.get(at..at + length).context("the ELF file ends early")?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for header in (0..count).map(|n| table + n * size) {
        if number(header, 4)? as u32 == INTERPRETER {
            let (from, length) = (number(header + 8, 8)?, number(header + 32, 8)?);
            let name = program.get(from..from + length).context("the ELF file ends early")?;
            return Ok(Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

/// The youngest glibc whose symbols a program needs, as `2.34`. Names of versions stand as text in the file.
///
/// # Errors
/// When it names none.
pub fn glibc(program: &[u8]) -> Result<String> {
    let mark = b"GLIBC_2.";
    let mut youngest = None;
    for at in program.windows(mark.len()).enumerate().filter(|(_, w)| w == mark).map(|(at, _)| at + mark.len()) {
        let digits: String = program[at..].iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
        youngest = youngest.max(digits.parse::<u32>().ok());
    }
    match youngest {
        Some(minor) => Ok(format!("2.{minor}")),
        None => bail!("the program names no version of glibc"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_has_a_loader_and_a_glibc() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            assert!(loader(&own).unwrap().unwrap().contains("ld-linux"));
            assert!(glibc(&own).unwrap().starts_with("2."));
        }
        assert!(loader(b"#!/bin/sh\n").is_err());
        assert!(loader(&own[..60]).is_err());
    }
}
