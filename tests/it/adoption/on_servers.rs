//! The tables of tools that are mostly used with servers, on real ones.
