//! The act of an erasure and the extract of the event journal, on screen and on paper: what points 3 and 5 of Roskomnadzor's order 179 of
//! 28 October 2022 ask for, in Russian and in English.
//!
//! It adds nothing to what the server says; what the server does not know (names, posts, signatures) is a line to be filled in by hand.

mod words;

use std::fmt::Write;

use chrono_tz::Tz;
use clap::ValueEnum;
use comfy_table::Table;
use serde::Deserialize;
use tact_domain::Time;
use tact_service::app::Operator;
use uuid::Uuid;

use words::Words;

/// The language of a paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Russian.
    Ru,
}

/// An act as the server states it: see `/v1/patients/{patient}/erasure` in the OpenAPI document.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "each field is what the OpenAPI document says of it")]
pub struct Act {
    pub patient: Uuid,
    #[serde(default)]
    pub also: Vec<Uuid>,
    pub operator: Operator,
    pub network: String,
    pub destroyed: Vec<Destroyed>,
    pub method: String,
    pub reason: Option<String>,
    pub decided_at: Time,
    pub destroyed_at: Time,
    pub repeated_at: Option<Time>,
    pub carried_out_by: CarriedOutBy,
    pub keep_until: Time,
    pub journal: Vec<Entry>,
}

/// How much of a kind was destroyed.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct Destroyed {
    pub category: String,
    pub count: u64,
}

/// Who ordered it.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct CarriedOutBy {
    pub actor: String,
    pub label: Option<String>,
}

/// An entry of the event journal.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct Entry {
    pub position: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub event: Uuid,
    pub stream: String,
    pub sequence: u64,
    pub recorded_at: Time,
    pub actor: String,
    pub sha256: String,
}

/// What stands in a row of the act.
enum Cell {
    Text(String),
    /// To be filled in by hand.
    Blank,
}

impl Act {
    /// The settings of the server without which the act is not complete.
    pub fn not_set(&self) -> Vec<&'static str> {
        let needed = [("operator_name", &self.operator.name), ("operator_address", &self.operator.address)];
        needed.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect()
    }

    /// For the screen.
    pub fn table(&self, language: Language, zone: Tz) -> String {
        let words = Words::of(language);
        let mut act = Table::new();
        act.set_header([words.act, ""]);
        for (name, cell) in self.rows(words, zone) {
            act.add_row([name.to_owned(), if let Cell::Text(text) = cell { text } else { words.by_hand.to_owned() }]);
        }
        let mut journal = Table::new();
        journal.set_header(words.journal_columns);
        for entry in &self.journal {
            journal.add_row(self.entry(entry, zone));
        }
        format!("{act}\n{}\n{journal}", words.extract)
    }

    /// A page to print: the act, and behind a page break the extract.
    pub fn page(&self, language: Language, zone: Tz) -> String {
        let words = Words::of(language);
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
            words.tag,
            escaped(words.act)
        );
        let _ = write!(
            page,
            "<section>\n<h1>{}</h1>\n<p class=\"number\">{}</p>\n<table>\n",
            escaped(words.act),
            escaped(words.number)
        );
        rows(&mut page, self.rows(words, zone));
        let _ = write!(page, "</table>\n<h2>{}</h2>\n<table class=\"signatures\">\n<tr>", escaped(words.signed_by));
        for column in words.signature_columns {
            let _ = write!(page, "<th>{}</th>", escaped(column));
        }
        page.push_str("</tr>\n");
        for _ in 0..2 {
            page.push_str("<tr><td></td><td></td><td></td><td></td></tr>\n");
        }
        let _ = write!(page, "</table>\n<p>{}</p>\n</section>\n", escaped(&(words.kept)(&day(self.keep_until, zone))));
        let _ = write!(page, "<section class=\"extract\">\n<h1>{}</h1>\n<table>\n", escaped(words.extract));
        rows(&mut page, self.extract(words, zone));
        page.push_str("</table>\n<table class=\"journal\">\n<tr>");
        for column in words.journal_columns {
            let _ = write!(page, "<th>{}</th>", escaped(column));
        }
        page.push_str("</tr>\n");
        for entry in &self.journal {
            page.push_str("<tr>");
            for cell in self.entry(entry, zone) {
                let _ = write!(page, "<td>{}</td>", escaped(&cell));
            }
            page.push_str("</tr>\n");
        }
        let _ = write!(page, "</table>\n<p>{}</p>\n</section>\n</body>\n</html>\n", escaped(words.journal_note));
        page
    }

    /// Point 3 of the order, letter by letter.
    fn rows(&self, words: &'static Words, zone: Tz) -> Vec<(&'static str, Cell)> {
        let or_blank = |text: &Option<String>| text.clone().map_or(Cell::Blank, Cell::Text);
        let mut rows = vec![
            (words.operator, or_blank(&self.operator.name)),
            (words.address, or_blank(&self.operator.address)),
            (words.processor, Cell::Blank),
            (words.subject, Cell::Text(self.subject(words))),
            (words.categories, Cell::Text(self.categories(words))),
            (words.carrier, Cell::Text(words.no_carrier.to_owned())),
            (words.system, Cell::Text(self.system(words))),
            (words.way, Cell::Text(words.method(&self.method).to_owned())),
            (words.why, self.reason.as_deref().map_or(Cell::Blank, |reason| Cell::Text(words.reason(reason).to_owned()))),
            (words.decided, Cell::Text(moment(self.decided_at, zone))),
            (words.when, Cell::Text(moment(self.destroyed_at, zone))),
        ];
        if let Some(at) = self.repeated_at {
            rows.push((words.repeated, Cell::Text(moment(at, zone))));
        }
        let CarriedOutBy { actor, label } = &self.carried_out_by;
        let who = label.as_ref().map_or_else(|| actor.clone(), |label| format!("{label} ({actor})"));
        rows.push((words.ordered_by, Cell::Text(who)));
        rows
    }

    /// Point 5 of the order.
    fn extract(&self, words: &'static Words, zone: Tz) -> Vec<(&'static str, Cell)> {
        vec![
            (words.subject, Cell::Text(self.subject(words))),
            (words.categories, Cell::Text(self.categories(words))),
            (words.system, Cell::Text(self.system(words))),
            (words.why, self.reason.as_deref().map_or(Cell::Blank, |reason| Cell::Text(words.reason(reason).to_owned()))),
            (words.when, Cell::Text(moment(self.destroyed_at, zone))),
        ]
    }

    fn subject(&self, words: &Words) -> String {
        let mut text = format!("{} {}", words.patient, self.patient);
        if !self.also.is_empty() {
            let ids: Vec<_> = self.also.iter().map(Uuid::to_string).collect();
            let _ = write!(text, "; {} {}", words.also, ids.join(", "));
        }
        let _ = write!(text, ". {}", words.only_the_id);
        text
    }

    fn categories(&self, words: &Words) -> String {
        if self.destroyed.is_empty() {
            return words.nothing.to_owned();
        }
        let each = self.destroyed.iter().map(|kind| format!("{}: {}", words.category(&kind.category), kind.count));
        each.collect::<Vec<_>>().join("; ")
    }

    fn system(&self, words: &Words) -> String {
        self.operator.system.clone().unwrap_or_else(|| format!("{} {}", words.system_of, self.network))
    }

    fn entry(&self, entry: &Entry, zone: Tz) -> [String; 6] {
        let place = format!("{}, № {}", entry.stream, entry.sequence);
        let event = format!("{}\n{}", entry.kind, entry.event);
        [entry.position.clone(), event, place, moment(entry.recorded_at, zone), entry.actor.clone(), entry.sha256.clone()]
    }
}

fn rows(page: &mut String, rows: Vec<(&'static str, Cell)>) {
    for (name, cell) in rows {
        let _ = match cell {
            Cell::Text(text) => writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(&text)),
            Cell::Blank => writeln!(page, "<tr><th>{}</th><td class=\"blank\"></td></tr>", escaped(name)),
        };
    }
}

fn moment(time: Time, zone: Tz) -> String {
    format!("{} ({zone})", time.with_timezone(&zone).format("%d.%m.%Y %H:%M:%S"))
}

fn day(time: Time, zone: Tz) -> String {
    time.with_timezone(&zone).format("%d.%m.%Y").to_string()
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("<br>"),
            _ => out.push(c),
        }
    }
    out
}

/// A4, black on white, nothing from elsewhere: it must print the same in ten years.
const STYLE: &str = "
@page { size: A4; margin: 20mm 15mm; }
body { font: 11pt/1.35 'Times New Roman', 'Liberation Serif', serif; color: #000; background: #fff; max-width: 180mm; margin: 0 auto; }
h1 { font-size: 14pt; text-align: center; margin: 0 0 4mm; }
h2 { font-size: 11pt; margin: 6mm 0 2mm; }
.number { text-align: center; }
table { width: 100%; border-collapse: collapse; margin: 4mm 0; }
th, td { border: 0.3mm solid #000; padding: 1.5mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { width: 34%; font-weight: normal; background: #f2f2f2; }
.signatures th, .journal th { width: auto; }
.signatures td, .blank { height: 9mm; }
.journal { font-size: 8pt; }
tr { break-inside: avoid; }
.extract { break-before: page; }
";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn act(more: serde_json::Value) -> Act {
        let mut whole = json!({
            "patient": "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10", "also": ["0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11"],
            "operator": {"name": "ООО «Клиники» <b>", "address": "Москва, ул. Ленина, 1"}, "network": "tact",
            "destroyed": [{"category": "name", "count": 2}, {"category": "text", "count": 3}],
            "method": "rows_deleted_and_files_rewritten", "reason": "patient_request", "decided_at": "2026-03-02T20:59:00Z",
            "destroyed_at": "2026-03-02T21:30:00Z", "carried_out_by": {"actor": "staff:7", "label": "Head office"},
            "keep_until": "2029-03-02T21:30:00Z",
            "journal": [{"position": "12", "type": "patient.erased", "event": "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a12", "stream": "access",
                "sequence": 3, "recorded_at": "2026-03-02T21:00:00Z", "actor": "staff:7", "sha256": "ab12"}],
        });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn the_page_says_all_that_the_order_asks_for_in_both_languages() {
        for (language, words) in [
            (
                Language::Ru,
                vec![
                    "Акт об уничтожении персональных данных",
                    "Выгрузка из журнала регистрации событий",
                    "фамилии, имена, отчества: 2",
                    "тексты",
                    "ч. 1 ст. 14",
                    "Подпись",
                    "Должность",
                ],
            ),
            (
                Language::En,
                vec!["Act of destruction of personal data", "Extract of the event journal", "full names: 2", "Signature", "Post"],
            ),
        ] {
            let page = act(json!({})).page(language, chrono_tz::Europe::Moscow);
            let common = [
                "Москва, ул. Ленина, 1",
                "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10",
                "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11",
                "Head office",
            ];
            for word in words.into_iter().chain(common) {
                assert!(page.contains(word), "{word} is not in {page}");
            }
            // In local time it was the next day already.
            assert!(page.contains("03.03.2026 00:30:00 (Europe/Moscow)") && page.contains("03.03.2029"), "{page}");
            assert!(page.contains("ООО «Клиники» &lt;b&gt;") && !page.contains("<b>"), "{page}");
            assert!(!page.contains("patient_request") && !page.contains("http"), "{page}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_blank_and_named() {
        let bare = act(json!({"operator": {}, "reason": null, "destroyed": []}));
        assert_eq!(bare.not_set(), ["operator_name", "operator_address"]);
        let page = bare.page(Language::En, Tz::UTC);
        // Name, address, processor and reason in the act, the reason once more in the extract.
        assert_eq!(page.matches("class=\"blank\"").count(), 5, "{page}");
        assert!(page.contains("nothing was kept"), "{page}");
        let table = bare.table(Language::Ru, Tz::UTC);
        assert!(table.contains("вписать от руки"), "{table}");
        assert!(act(json!({})).not_set().is_empty());
    }

    #[test]
    fn a_repetition_after_a_restore_is_said() {
        let said = act(json!({"repeated_at": "2026-04-01T09:00:00Z"})).table(Language::En, Tz::UTC);
        assert!(said.contains("01.04.2026 09:00:00"), "{said}");
    }

    #[test]
    fn every_word_of_the_domain_has_words_in_both_languages() {
        for language in [Language::Ru, Language::En] {
            let words = Words::of(language);
            for reason in tact_domain::disclosure::ErasureReason::WORDS {
                assert_ne!(words.reason(reason), *reason);
            }
            for category in tact_domain::disclosure::DataCategory::WORDS {
                assert_ne!(words.category(category), *category);
            }
            for method in ["rows_deleted_and_files_rewritten", "rows_deleted"] {
                assert_ne!(words.method(method), method);
            }
        }
    }
}
