//! Values of rows as texts.

use switchy_database::{DatabaseValue, Row};
use switchy_schema::backend::Texts;

/// Rows as the engine reads them: a text or `NULL` for each column.
pub(crate) fn texts(rows: Vec<Row>) -> Texts {
    rows.into_iter().map(|row| row.columns.into_iter().map(|(_, value)| text(value)).collect()).collect()
}

/// A value as a text. The engine asks for texts and numbers only.
fn text(value: DatabaseValue) -> Option<String> {
    use DatabaseValue as Value;
    match value {
        Value::String(text) => Some(text),
        Value::StringOpt(text) => text,
        Value::Bool(flag) => Some(u8::from(flag).to_string()),
        Value::BoolOpt(flag) => flag.map(|flag| u8::from(flag).to_string()),
        Value::Int8(number) => Some(number.to_string()),
        Value::Int16(number) => Some(number.to_string()),
        Value::Int32(number) => Some(number.to_string()),
        Value::Int64(number) => Some(number.to_string()),
        Value::Int8Opt(number) => number.map(|number| number.to_string()),
        Value::Int16Opt(number) => number.map(|number| number.to_string()),
        Value::Int32Opt(number) => number.map(|number| number.to_string()),
        Value::Int64Opt(number) => number.map(|number| number.to_string()),
        Value::UInt8(number) => Some(number.to_string()),
        Value::UInt16(number) => Some(number.to_string()),
        Value::UInt32(number) => Some(number.to_string()),
        Value::UInt64(number) => Some(number.to_string()),
        Value::UInt8Opt(number) => number.map(|number| number.to_string()),
        Value::UInt16Opt(number) => number.map(|number| number.to_string()),
        Value::UInt32Opt(number) => number.map(|number| number.to_string()),
        Value::UInt64Opt(number) => number.map(|number| number.to_string()),
        Value::Real32(number) => Some(number.to_string()),
        Value::Real64(number) => Some(number.to_string()),
        Value::Real32Opt(number) => number.map(|number| number.to_string()),
        Value::Real64Opt(number) => number.map(|number| number.to_string()),
        Value::DateTime(moment) => Some(moment.to_string()),
        // Features of `switchy_database` add types, and none of these is a text.
        _ => None,
    }
}
