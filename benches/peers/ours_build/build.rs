//! Writes the folders of migrations, and reads them.

use switchy_schema::build::Embed;

#[path = "../generate.rs"]
mod generate;

fn main() {
    generate::main();
    for count in generate::counts() {
        Embed::new(format!("generated/{count}")).named(count.to_string()).write();
    }
}
