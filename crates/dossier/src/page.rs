//! The pages: what was told, laid out by a template that escapes everything, in one file without a script and without anything from
//! elsewhere.

use askama::Template;

use crate::Material;
use crate::contact::{ContactEvidence, View as ContactView};
use crate::history::View;
use crate::labels::Label;
use tact_words::Language;

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage<'a> {
    view: &'a View,
}

#[derive(Template)]
#[template(path = "contact.html")]
struct ContactPage<'a> {
    view: &'a ContactView,
}

/// The history as one page of HTML, whole in itself, in the language of the material.
///
/// # Errors
/// [`askama::Error`] if the page cannot be written, which nothing that it holds can bring about.
pub fn page(material: &Material<'_>) -> Result<String, askama::Error> {
    HistoryPage { view: &View::new(material) }.render()
}

/// The evidence for one contact as one page of HTML, whole in itself.
///
/// # Errors
/// [`askama::Error`] if the page cannot be written, which nothing that it holds can bring about.
pub fn contact_page(evidence: &ContactEvidence, language: Language) -> Result<String, askama::Error> {
    ContactPage { view: &ContactView::new(evidence, language) }.render()
}
