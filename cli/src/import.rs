//! [`convert`]: migrations of another tool as migrations of this crate. This module does not access the file system.
//!
//! A script that is a whole file keeps its bytes, so that it still matches the hash that the tool stored.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the other tools compare file extensions by case"
)]

mod draft;
mod drizzle;
mod folders;
mod found;
mod marked;
mod named;
mod script;
mod set;
#[cfg(test)]
mod tests;
mod tool;
mod wrapped;

pub(crate) use self::set::{File, Set, Wrong};
pub(crate) use self::tool::Tool;

/// Converts the migrations of another tool.
///
/// # Errors
/// Everything that prevents an import without loss.
pub(crate) fn convert(tool: Tool, files: &[File]) -> Result<Set, Vec<Wrong>> {
    let found = match tool {
        Tool::Diesel => folders::diesel(files),
        Tool::Prisma => folders::prisma(files),
        Tool::Drizzle => drizzle::found(files),
        _ => named::found(tool, files),
    };
    found.finished(tool)
}
