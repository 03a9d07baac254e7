//! Evidence: what lets somebody who trusts neither the network nor its servers see that a history was not altered, reordered or cut.
//!
//! Every event carries the hash of the one before it in its stream. Over all of them grows a transparency log ([`tree`], kept in
//! [`tile`]s) with a [`map`] from each stream to its end; a [`checkpoint`] signs both ([`note`]). Everything here is pure: no
//! clock, no I/O, no randomness. It must never trust what it checks, and never take one spelling of a thing for another.

pub mod checkpoint;
pub mod file;
pub mod map;
pub mod note;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod verify;
