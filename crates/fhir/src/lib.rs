//! FHIR R4 (4.0.1) as other systems send it: resources alone, in Bundles and line by line, and the facts of Tact that they state.
//!
//! Pure: bytes and a mapping come in, statements and refusals go out. Nothing here knows what is recorded already, and nothing is guessed: what
//! cannot be mapped is refused with the element's name and the way out. A reason never repeats a personal value.
//!
//! Elements that are not read are let pass, whatever they hold; elements that other versions of FHIR have in their place are refused by name, since
//! they would be overlooked.

mod codes;
mod date;
mod index;
mod issue;
pub mod mapping;
mod model;
mod person;
mod read;
mod reference;
mod said;
mod text;
mod visits;
mod wishes;

pub use date::Date;
pub use index::{Index, Subject};
pub use issue::{Issue, Place, Severity, operation_outcome};
pub use mapping::Mapping;
pub use read::{Entries, Read, read_document, read_line};
pub use reference::Ref;
pub use said::*;
pub use text::{LONGEST_LINE, MOST_LEVELS};
