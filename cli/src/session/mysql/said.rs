//! What an error of the driver says.

/// The message of the driver, without the name of its error type.
pub(super) fn said(error: &mysql::Error) -> String {
    match error {
        mysql::Error::DriverError(error) => error.to_string(),
        mysql::Error::MySqlError(error) => error.message.clone(),
        // While connecting: what was read as the length of a packet is the text of another program.
        mysql::Error::CodecError(error) => format!("the answer is not that of a MySQL server ({error})"),
        mysql::Error::UrlError(error) => error.to_string(),
        mysql::Error::TlsError(error) => error.to_string(),
        mysql::Error::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}
