//! Has the crate built anew when a migration is added: they are embedded by a macro that cargo does not see through.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
