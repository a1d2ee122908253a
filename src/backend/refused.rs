//! The fault of a script that cannot be split.

use crate::fault::{Fault, FaultKind};
use crate::sql::pieces::Refused;

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::new(FaultKind::Other, refused.what).remedy(refused.remedy).at(refused.offset)
    }
}
