//! The last program of the tests with servers. It says which servers are not installed: the output of a test that does nothing is not shown.

#[path = "it/servers/installed.rs"]
mod installed;

fn main() {
    for missing in installed::not_installed() {
        println!("some tests passed without doing anything: {missing}");
    }
}
