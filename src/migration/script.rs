//! [`ScriptText`]: the script of a migration, as its author wrote it and as it runs.

use std::borrow::Cow;
use std::sync::Arc;

use crate::backend::Backend;
use crate::checksum::without_bom;
use crate::dialect::Dialect;
use crate::effect::Forecast;
use crate::fault::Fault;
use crate::placeholder::{Filled, Placeholder, Placeholders};
use crate::script_options::ScriptForm;
use crate::transaction_fit::{TransactionConflict, TransactionFit};

/// The script of a migration, as its author wrote it, and with the values of its placeholders, if it has any.
#[derive(Debug, Clone)]
pub(crate) struct ScriptText {
    file: Cow<'static, str>,
    filled: Option<Arc<Filled>>,
}

impl ScriptText {
    /// A script without values.
    pub(crate) const fn new(file: Cow<'static, str>) -> Self {
        Self { file, filled: None }
    }

    /// The content of its file, which may begin with a byte order mark.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The script as its author wrote it. This is stored and shown.
    pub(crate) fn text(&self) -> &str {
        without_bom(&self.file)
    }

    /// The script that runs; `None` if a placeholder cannot be replaced.
    pub(crate) fn sql(&self) -> Option<&str> {
        match &self.filled {
            Some(filled) => filled.sql(),
            None => Some(self.text()),
        }
    }

    /// Whether it fits into a transaction. If a value is missing, the text of its author says so.
    pub(super) fn fit<B: Backend>(&self) -> TransactionFit {
        let (sql, values) = match self.sql() {
            Some(sql) => (sql, self.values()),
            None => (self.text(), None),
        };
        match (B::transaction_fit(sql), values) {
            (TransactionFit::Divided(conflict), Some(values)) => {
                let offset = values.offset(conflict.offset);
                TransactionFit::Divided(TransactionConflict { offset, ..conflict })
            }
            (fit, _) => fit,
        }
    }

    /// Whether it has placeholders.
    pub(super) fn form(&self) -> ScriptForm {
        if self.filled.is_some() { ScriptForm::WithPlaceholders } else { ScriptForm::Plain }
    }

    /// The values in it, if it has placeholders that are replaced.
    pub(crate) fn values(&self) -> Option<&Filled> {
        self.filled.as_deref()
    }

    /// An offset in the script that ran, as one in the text as its author wrote it.
    pub(crate) fn offset_as_written(&self, offset: usize) -> usize {
        self.filled.as_ref().map_or(offset, |filled| filled.offset(offset))
    }

    /// A fault of the script that ran, in terms of the text as its author wrote it.
    pub(crate) fn fault_as_written(&self, fault: Fault) -> Fault {
        match &self.filled {
            Some(filled) => filled.fault_in(self.text(), fault),
            None => fault,
        }
    }

    /// Changes a forecast of the script that runs to one of the text as its author wrote it.
    pub(crate) fn move_forecast(&self, forecast: &mut Forecast) {
        if let Some(filled) = &self.filled {
            filled.move_forecast(self.text(), forecast);
        }
    }

    /// The script with the values of its placeholders; `None` if it has none.
    pub(super) fn filled(&self, dialect: Dialect, all: &Placeholders, own: &[Placeholder]) -> Option<Self> {
        let filled = Filled::of(self.text(), dialect, all, own)?;
        Some(Self { file: self.file.clone(), filled: Some(Arc::new(filled)) })
    }
}
