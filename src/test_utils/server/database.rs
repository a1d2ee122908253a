//! [`ServerDatabase`]: a database on a server.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;

use crate::backend::TestServer;

use super::origin::{Address, Origin};

/// A database on a server, which is removed when this value is dropped.
pub struct ServerDatabase<B: TestServer> {
    origin: Arc<Origin>,
    name: String,
    address: Address,
    backend: PhantomData<fn() -> B>,
}

impl<B: TestServer> ServerDatabase<B> {
    /// On the server that the tests share.
    #[track_caller]
    pub(in crate::test_utils) fn shared() -> Self {
        Self::on(Origin::shared::<B>())
    }

    /// On the server at an address.
    #[track_caller]
    pub(in crate::test_utils) fn at(address: &str) -> Self {
        Self::on(Origin::at::<B>(address).map(Arc::new))
    }

    #[track_caller]
    fn on(origin: Result<Arc<Origin>, String>) -> Self {
        let created = origin.and_then(|origin| {
            let name = fresh_name();
            let address = B::with_database(&origin.address.0, &name)
                .ok_or_else(|| format!("the address of {} cannot name a database", origin.name()))?;
            B::create(&origin.address.0, &name).map_err(|fault| {
                let error = origin.explained(fault);
                format!("no database for a test can be created on {}: {error}", origin.name())
            })?;
            Ok(Self { origin, name, address: Address(address), backend: PhantomData })
        });
        created.unwrap_or_else(|message| panic!("{message}"))
    }

    pub(in crate::test_utils) fn address(&self) -> &str {
        &self.address.0
    }

    #[track_caller]
    pub(in crate::test_utils) fn connect(&self) -> B::Connection {
        let opened = B::connect(&self.address.0).map_err(|fault| self.origin.explained(fault));
        opened.unwrap_or_else(|error| {
            panic!("the database `{}` on {} cannot be opened: {error}", self.name, self.origin.name())
        })
    }
}

impl<B: TestServer> Drop for ServerDatabase<B> {
    fn drop(&mut self) {
        let Err(fault) = B::remove(&self.origin.address.0, &self.name) else { return };
        if self.origin.has_ended() {
            return;
        }
        let message = format!(
            "the database `{}` of a test cannot be removed from {}: {fault}; remove it with DROP DATABASE",
            self.name,
            self.origin.name()
        );
        // A second panic would end the process, and hide the first one.
        if thread::panicking() {
            eprintln!("{message}");
        } else {
            panic!("{message}");
        }
    }
}

impl<B: TestServer> fmt::Debug for ServerDatabase<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerDatabase")
            .field("name", &self.name)
            .field("server", &self.origin.name())
            .finish_non_exhaustive()
    }
}

/// A name that no other test has, also in other processes and on other machines that use the same server.
fn fresh_name() -> String {
    format!("switchy_test_{:016x}", RandomState::new().hash_one(std::process::id()))
}
