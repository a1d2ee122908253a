//! Tells cargo where the migrations are, so that it notices new ones.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
