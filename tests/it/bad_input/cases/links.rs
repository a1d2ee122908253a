//! Links, and what is neither a file nor a folder.

use super::{FIRST, Place, Row, Rows, row};

const SCRIPT: &str = "SELECT 1;\n";
const DIR: &str = "migrations/2025-01-02-000000_x";

/// A row about the folder of a second migration.
fn second(name: &str, make: impl Fn(&Place, &dyn Fn(&str) -> String) + 'static) -> Row {
    row(name, move |place: &Place| {
        place.folder(DIR);
        make(place, &|file| format!("{DIR}/{file}"));
    })
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Rows {
    vec![
        second("a script that is a link to nothing", |place, at| place.link("missing.sql", &at("up.sql"))),
        second("metadata that is a link to nothing", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link("missing.toml", &at("metadata.toml"));
        }),
        second("a down script that is a link to nothing", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link("missing.sql", &at("down.sql"));
        }),
        second("another file that is a link to nothing", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link("missing", &at("README"));
        }),
        second("a hidden link to nothing", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link("missing", &at(".#up.sql"));
        }),
        row("a folder that is a link to nothing", |place| place.link("missing", DIR)),
        second("a script that is a link to itself", |place, at| place.link("up.sql", &at("up.sql"))),
        second("two links to each other", |place, at| {
            place.link("down.sql", &at("up.sql"));
            place.link("up.sql", &at("down.sql"));
        }),
        second("a link to its own folder", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link(".", &at("again"));
        }),
        second("a link to the folder of the set", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link("..", &at("again"));
        }),
        second("a script that is a link out of the folder", |place, at| {
            place.file("elsewhere.sql", SCRIPT);
            place.link("../../elsewhere.sql", &at("up.sql"));
        }),
        second("a script that is a link to a secret", |place, at| {
            place.file("secret", "hunter2:x:0:0\n");
            place.link("../../secret", &at("up.sql"));
        }),
        row("a folder that is a link out of the folder", |place| {
            place.file("elsewhere/up.sql", SCRIPT);
            place.link("../elsewhere", DIR);
        }),
        row("a link to another migration", |place| place.link(FIRST, DIR)),
        second("a script that is a link to an empty device", |place, at| {
            place.link("/dev/null", &at("up.sql"));
        }),
        second("a script that is a link to an endless device", |place, at| {
            place.link("/dev/zero", &at("up.sql"));
        }),
        second("metadata that is a link to an endless device", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.link("/dev/zero", &at("metadata.toml"));
        }),
        second("a script that is a link to a folder", |place, at| {
            place.folder("elsewhere");
            place.link("../../elsewhere", &at("up.sql"));
        }),
        second("a script that is a link to a pipe", |place, at| {
            place.pipe("pipe");
            place.link("../../pipe", &at("up.sql"));
        }),
        second("a script behind fifty links", |place, at| {
            place.file(at("0.txt"), SCRIPT);
            (1..50)
                .for_each(|number| place.link(&format!("{}.txt", number - 1), &at(&format!("{number}.txt"))));
            place.link("49.txt", &at("up.sql"));
        }),
        second("a script that is a pipe", |place, at| place.pipe(&at("up.sql"))),
        second("a down script that is a pipe", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.pipe(&at("down.sql"));
        }),
        second("metadata that is a pipe", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.pipe(&at("metadata.toml"));
        }),
        second("a script that is a socket", |place, at| place.socket(&at("up.sql"))),
        second("another file that is a pipe", |place, at| {
            place.file(at("up.sql"), SCRIPT);
            place.pipe(&at("fifo"));
        }),
        row("a file that is a pipe", |place| place.pipe("migrations/2025-01-02-000000_x.sql")),
        row("a folder of migrations that is a file", |place| {
            place.remove("migrations");
            place.file("migrations", SCRIPT);
        }),
        row("a folder of migrations that is missing", |place| place.remove("migrations")),
        row("a folder of migrations that is empty", |place| {
            place.remove("migrations");
            place.folder("migrations");
        }),
        row("a folder of migrations that is a pipe", |place| {
            place.remove("migrations");
            place.pipe("migrations");
        }),
        row("a folder of migrations that is a link to nothing", |place| {
            place.remove("migrations");
            place.link("missing", "migrations");
        }),
        row("a folder of migrations that is a link to itself", |place| {
            place.remove("migrations");
            place.link("migrations", "migrations");
        }),
        row("a folder of migrations that is a link to a device", |place| {
            place.remove("migrations");
            place.link("/dev/zero", "migrations");
        }),
    ]
}
