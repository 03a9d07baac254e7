//! The forms told of whole histories: the golden stream, which shows every event type, and one that could have happened.

mod contact;
mod fhir;
mod pages;
mod story;
