//! [`Set`]: the migrations of a runner.

use std::sync::OnceLock;

use crate::backend::Backend;
use crate::direction::Direction;
use crate::discovery::{CompiledMigrations, MigrationSource};
use crate::error::Result;
use crate::graph::Graph;
use crate::migration::{Body, Meta, Migration};
use crate::transaction_fit::TransactionFit;

/// The migrations of a runner, in order. Migrations that a build script has ordered are created when they are first needed, which
/// is never at a start with nothing pending.
pub(super) struct Set<B: Backend> {
    compiled: Option<CompiledMigrations>,
    loaded: OnceLock<Loaded<B>>,
}

/// The migrations themselves: what is known of each, what it runs, and whether that fits into a transaction.
struct Loaded<B: Backend> {
    graph: Graph,
    bodies: Vec<Body<B>>,
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
            return Ok(Self { compiled: Some(compiled), loaded: OnceLock::new() });
        }
        let migrations = source.migrations()?;
        migrations.iter().try_for_each(Migration::refuse_nul)?;
        let parts = migrations.into_iter().map(|migration| {
            let migration = migration.without_empty_down().hashed();
            (migration.meta, migration.body)
        });
        let (graph, bodies) = Graph::build(parts.collect())?;
        Ok(Self { compiled: None, loaded: OnceLock::from(Loaded::new(graph, bodies)) })
    }

    /// The results of the build script, if there is one.
    pub(super) fn compiled(&self) -> Option<CompiledMigrations> {
        self.compiled
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.loaded().graph
    }

    pub(super) fn bodies(&self) -> &[Body<B>] {
        &self.loaded().bodies
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
        fit.get_or_init(|| loaded.bodies[place].transaction_fit(direction))
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
        Self { misspelled, fits: bodies.iter().map(|_| Default::default()).collect(), graph, bodies }
    }
}
