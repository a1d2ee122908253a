//! [`Set`]: the migrations of a runner.

use std::sync::{Arc, OnceLock};

use crate::backend::Backend;
use crate::direction::Direction;
use crate::discovery::{CompiledMigrations, MigrationSource};
use crate::error::Result;
use crate::graph::Graph;
use crate::migration::{Body, Meta, Migration};
use crate::placeholder::{Placeholders, Secrecy, Secrets};
use crate::transaction_fit::TransactionFit;

/// The migrations of a runner, in order. Migrations that a build script has ordered are created when they are first needed, which
/// is never at a start with nothing pending.
pub(super) struct Set<B: Backend> {
    compiled: Option<CompiledMigrations>,
    loaded: OnceLock<Loaded<B>>,
    placeholders: Placeholders,
    secrets: OnceLock<Arc<Secrets>>,
}

/// The migrations themselves: what is known of each, what it runs, and whether that fits into a transaction.
struct Loaded<B: Backend> {
    graph: Graph,
    bodies: Vec<Body<B>>,
    /// With the values of their placeholders, for those that were needed and have any.
    filled: Vec<OnceLock<Option<Body<B>>>>,
    /// Up and down, for those that were checked.
    fits: Vec<[OnceLock<TransactionFit>; 2]>,
    /// The places of those that are not read because their names are misspelled.
    misspelled: Vec<usize>,
}

impl<B: Backend> Set<B> {
    /// The set of a source.
    ///
    /// # Errors
    /// The source cannot be read, or its migrations do not fit together.
    pub(super) fn of(source: &impl MigrationSource<B>) -> Result<Self> {
        if let Some(compiled) = source.compiled() {
            compiled.refuse_unfit(B::DIALECT)?;
            return Ok(Self::made(Some(compiled), OnceLock::new()));
        }
        let migrations = source.migrations()?;
        migrations.iter().try_for_each(Migration::refuse_nul)?;
        let parts = migrations.into_iter().map(|migration| {
            let migration = migration.without_empty_down().hashed();
            (migration.meta, migration.body)
        });
        let (graph, bodies) = Graph::build(parts.collect())?;
        Ok(Self::made(None, OnceLock::from(Loaded::new(graph, bodies))))
    }

    fn made(compiled: Option<CompiledMigrations>, loaded: OnceLock<Loaded<B>>) -> Self {
        Self { compiled, loaded, placeholders: Placeholders::default(), secrets: OnceLock::new() }
    }

    /// The placeholders that are declared for the whole set, and their values.
    pub(super) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// Changes the placeholders or their values. The scripts are filled when they are needed, which is never at a start with nothing pending.
    pub(super) fn change_placeholders(&mut self, change: impl FnOnce(&mut Placeholders)) {
        change(&mut self.placeholders);
        self.secrets = OnceLock::new();
        if let Some(loaded) = self.loaded.get_mut() {
            loaded.forget_values();
        }
    }

    /// The secret values of the set.
    pub(super) fn secrets(&self) -> &Arc<Secrets> {
        self.secrets.get_or_init(|| {
            let mut secrets = Secrets::default();
            let own = self.graph().metas().iter().map(|meta| &*meta.placeholders);
            for own in own.filter(|own| !own.is_empty()).chain([&[][..]]) {
                for declared in own.iter().chain(&self.placeholders.declared) {
                    match self.placeholders.find(own, &declared.name) {
                        Some((placeholder, Some(value))) if placeholder.secrecy == Secrecy::Secret => {
                            secrets.add(&placeholder.name, value);
                        }
                        _ => {}
                    }
                }
            }
            Arc::new(secrets)
        })
    }

    /// Hides the secrets of another set, whose scripts this one has.
    pub(super) fn hide(&mut self, secrets: &Arc<Secrets>) {
        self.secrets = OnceLock::from(Arc::clone(secrets));
    }

    /// The results of the build script, if there is one.
    pub(super) fn compiled(&self) -> Option<CompiledMigrations> {
        self.compiled
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.loaded().graph
    }

    /// What the migrations run, without the values of placeholders.
    pub(super) fn bodies(&self) -> &[Body<B>] {
        &self.loaded().bodies
    }

    /// What the migration at a place runs, with the values of its placeholders.
    pub(super) fn body(&self, place: usize) -> &Body<B> {
        let loaded = self.loaded();
        let (meta, body) = (&loaded.graph.metas()[place], &loaded.bodies[place]);
        loaded.filled[place].get_or_init(|| body.filled(meta, &self.placeholders)).as_ref().unwrap_or(body)
    }

    /// The migrations that are not read because their names are misspelled. Those of a compiled set were reported when it was built.
    pub(super) fn misspelled(&self) -> impl Iterator<Item = &Meta> {
        let loaded = if self.compiled.is_none() { self.loaded.get() } else { None };
        loaded
            .into_iter()
            .flat_map(|loaded| loaded.misspelled.iter().map(|&place| &loaded.graph.metas()[place]))
    }

    /// Whether the migration at a place fits into a transaction.
    pub(super) fn transaction_fit(&self, place: usize, direction: Direction) -> &TransactionFit {
        let loaded = self.loaded();
        let [up, down] = &loaded.fits[place];
        let fit = if direction == Direction::Up { up } else { down };
        fit.get_or_init(|| self.body(place).transaction_fit(direction))
    }

    fn loaded(&self) -> &Loaded<B> {
        self.loaded.get_or_init(|| {
            let (migrations, needs) = self.compiled.map(CompiledMigrations::ordered).unwrap_or_default();
            let migrations = migrations.into_iter().map(Migration::from).map(Migration::without_empty_down);
            let (metas, bodies) = migrations.map(|one| (one.meta, one.body)).unzip();
            Loaded::new(Graph::ordered(metas, needs), bodies)
        })
    }
}

impl<B: Backend> Loaded<B> {
    fn new(graph: Graph, bodies: Vec<Body<B>>) -> Self {
        let misspelled =
            (0..bodies.len()).filter(|&place| graph.metas()[place].right_name().is_some()).collect();
        let mut loaded = Self { misspelled, fits: Vec::new(), filled: Vec::new(), graph, bodies };
        loaded.forget_values();
        loaded
    }

    /// Forgets what depends on the values of placeholders.
    fn forget_values(&mut self) {
        self.filled = self.bodies.iter().map(|_| OnceLock::new()).collect();
        self.fits = self.bodies.iter().map(|_| Default::default()).collect();
    }
}
