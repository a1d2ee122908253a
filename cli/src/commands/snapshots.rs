//! `snapshots`, `restore`, and the options of other commands about snapshots

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use switchy_schema::{Snapshot, SnapshotInfo, SnapshotKind, SnapshotSettings};

use super::watch::watched;
use super::work::Work;
use crate::args::{Restore, SnapshotFolder, SnapshotOptions};
use crate::failure::{Failure, Result};
use crate::output::{self, Outcome};
use crate::session::{Access, Database};
use crate::table::table;
use crate::text;

/// The command with the options and the configuration about snapshots. Without any, an application's own settings hold.
pub(super) fn keeping<'a, B: Database>(work: Work<'a, B>, options: &SnapshotOptions) -> Result<Work<'a, B>> {
    let settings = work.context.settings;
    let when = options.snapshot.or(settings.snapshot.as_ref().map(|setting| setting.value));
    let Some(when) = when else { return Ok(work) };
    let mut snapshot = SnapshotSettings::from(when.0);
    if let Some(folder) = folder(&work, &options.place) {
        snapshot = snapshot.in_folder(folder);
    }
    if let Some(keep) =
        options.keep_snapshots.or(settings.keep_snapshots.as_ref().map(|setting| setting.value))
    {
        snapshot = snapshot.keep(keep);
    }
    if let Some(after) =
        options.after_failure.or(settings.after_failure.as_ref().map(|setting| setting.value))
    {
        snapshot = snapshot.after_failure(after.setting());
    }
    with(work, snapshot)
}

fn with<B: Database>(work: Work<'_, B>, snapshot: SnapshotSettings) -> Result<Work<'_, B>> {
    if snapshot.when != Snapshot::Never {
        refuse_without::<B>()?;
    }
    Ok(Work { runner: B::with_snapshots(work.runner, snapshot), ..work })
}

fn folder<B: Database>(work: &Work<'_, B>, place: &SnapshotFolder) -> Option<PathBuf> {
    let of_file = work.context.settings.snapshot_dir.as_ref().map(|setting| setting.value.clone());
    place.snapshot_dir.clone().or(of_file)
}

/// The snapshots of the database, newest first.
pub(super) fn snapshots<B: Database>(work: Work<'_, B>, place: &SnapshotFolder) -> Result<Outcome> {
    refuse_without::<B>()?;
    let work = located(work, place)?;
    let mut session = work.open(Access::Read)?;
    let all = B::snapshots(&work.runner, &mut session)?;
    if all.is_empty() {
        work.output().say("there are no snapshots");
    }
    let rows = all.iter().map(|info| {
        let (applied, newest) = match &info.content {
            Ok(content) => {
                let newest = content.newest.as_ref().map(ToString::to_string).unwrap_or_default();
                (content.applied.to_string(), text::printable(&newest))
            }
            Err(why) => (String::new(), text::printable(&format!("cannot be read: {why}"))),
        };
        vec![
            text::time(&info.made_on).into(),
            kind(info.kind).replace('_', " ").into(),
            info.bytes.to_string().into(),
            applied.into(),
            newest.into(),
            text::printable(&info.path.display().to_string()).into(),
        ]
    });
    let text = table(&["MADE (UTC)", "BEFORE", "BYTES", "APPLIED", "NEWEST", "FILE"], rows.collect());
    Ok(Outcome::new(text, json!({ "snapshots": all.iter().map(as_json).collect::<Vec<_>>() })))
}

/// Replaces the content of the database with that of a snapshot.
pub(super) fn restore<B: Database>(work: Work<'_, B>, restore: &Restore) -> Result<Outcome> {
    refuse_without::<B>()?;
    let work = located(work, &restore.place)?;
    let mut session = work.open(Access::Change)?;
    let all = B::snapshots(&work.runner, &mut session)?;
    let path = named(&all, &restore.snapshot);
    // Nobody is asked about a snapshot that is not there.
    if !work.context.global.yes && path.exists() {
        let what = format!(
            "this replaces the content of the database with that of {}, and keeps what it contains now in a file",
            path.display()
        );
        if !output::can_ask() {
            let what = format!("nothing was done: {what}, and there is no terminal to confirm it");
            return Err(Failure::unconfirmed(format!("{what}; confirm with --yes")));
        }
        if !output::ask(&format!("{what}\nDo this?")) {
            return Err(Failure::unconfirmed("nothing was done: the answer was no"));
        }
    }
    let (work, watch) = watched(work, &mut session);
    let restored = B::restore(&work.runner, &mut session, &path);
    watch.end();
    let restored = restored.map_err(|error| watch.explain(error))?.ok_or_else(unsupported::<B>)?;
    let json = json!({
        "snapshot": restored.snapshot.display().to_string(),
        "set_aside": restored.set_aside.display().to_string(),
    });
    Ok(Outcome::new(restored.to_string(), json))
}

/// The path of a snapshot that is given by its path or by its file name.
fn named(all: &[SnapshotInfo], given: &Path) -> PathBuf {
    let is_named = |info: &&SnapshotInfo| info.path.file_name() == Some(given.as_os_str());
    match all.iter().find(is_named) {
        Some(info) if !given.exists() => info.path.clone(),
        _ => given.to_owned(),
    }
}

fn located<'a, B: Database>(work: Work<'a, B>, place: &SnapshotFolder) -> Result<Work<'a, B>> {
    match folder(&work, place) {
        Some(folder) => with(work, Snapshot::Never.in_folder(folder)),
        None => Ok(work),
    }
}

/// Refuses a kind of database that has no snapshots, before a connection is opened.
fn refuse_without<B: Database>() -> Result<()> {
    if B::HAS_SNAPSHOTS { Ok(()) } else { Err(unsupported::<B>()) }
}

fn unsupported<B: Database>() -> Failure {
    let tools = match B::DIALECT {
        switchy_schema::Dialect::Postgres => "copy it with `pg_dump` and put it back with `pg_restore`",
        _ => "copy it with `mariadb-dump` or `mysqldump` and put it back with the client",
    };
    Failure::usage(format!("snapshots are for SQLite, and this database is {}; {tools}", B::DIALECT))
}

fn kind(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::BeforeRun => "run",
        SnapshotKind::BeforeRestore => "restore",
        _ => "unknown",
    }
}

fn as_json(info: &SnapshotInfo) -> Value {
    let content = info.content.as_ref().ok();
    json!({
        "path": info.path.display().to_string(),
        "before": kind(info.kind),
        "made_on": info.made_on,
        "bytes": info.bytes,
        "applied": content.map(|content| content.applied),
        "newest": content.and_then(|content| content.newest.as_ref().map(ToString::to_string)),
        "problem": info.content.as_ref().err(),
    })
}
