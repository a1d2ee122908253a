//! Makes cargo rebuild the program when the migrations change.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
