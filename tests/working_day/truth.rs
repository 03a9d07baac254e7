//! What the real book says of a day, read from the file and worked out here alone: nothing of the product's code takes part.
//!
//! Times are the clinics' own clock, three hours behind UTC on every day that this test looks at.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

/// One row of the book.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// The patient's id in the book.
    pub(super) patient: String,
    /// The branch's name.
    pub(super) branch: String,
    pub(super) booked: NaiveDateTime,
    /// Eight o'clock on its day.
    pub(super) starts: NaiveDateTime,
    /// When the SMS is taken to have reached the patient, if one did.
    pub(super) sms: Option<NaiveDateTime>,
    pub(super) missed: bool,
}

impl Visit {
    /// When the window of its reminder opens, and when it closes.
    pub(super) fn window(&self) -> (NaiveDateTime, NaiveDateTime) {
        (self.starts - TimeDelta::hours(24), self.starts - TimeDelta::hours(2))
    }

    /// Whether it was booked so late that the patient had just been told.
    pub(super) fn booked_late(&self) -> bool {
        self.booked >= self.window().0
    }

    /// When its outcome happened.
    pub(super) fn ended(&self) -> NaiveDateTime {
        self.starts.max(self.booked)
    }

    /// Whether a reminder is still owed, so far as the book says what happened until `known`.
    pub(super) fn owed(&self, known: NaiveDateTime) -> bool {
        self.booked <= known && !self.booked_late() && self.sms.is_none_or(|sms| sms > known)
    }
}

/// The whole book.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) visits: Vec<Visit>,
}

impl Truth {
    pub(super) fn read(text: &str) -> Self {
        let mut lines = csv::Reader::from_reader(text.as_bytes());
        let visits = lines.records().map(|line| {
            let line = line.unwrap();
            let day: NaiveDate = line[4][..10].parse().unwrap();
            let booked: NaiveDateTime = line[3].trim_end_matches('Z').parse().unwrap();
            let noon_before = day.pred_opt().unwrap().and_hms_opt(12, 0, 0).unwrap();
            Visit {
                patient: line[0].to_owned(),
                branch: line[6].to_owned(),
                booked,
                starts: day.and_hms_opt(8, 0, 0).unwrap(),
                sms: (&line[12] == "1").then(|| noon_before.max(booked)),
                missed: &line[13] == "Yes",
            }
        });
        Self { visits: visits.collect() }
    }

    /// The visits of each patient.
    pub(super) fn by_patient(&self) -> BTreeMap<&str, Vec<&Visit>> {
        let mut patients: BTreeMap<&str, Vec<&Visit>> = BTreeMap::new();
        for visit in &self.visits {
            patients.entry(&visit.patient).or_default().push(visit);
        }
        patients
    }
}

/// A moment of the clinics' clock.
pub(super) fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

/// The same moment as the server writes it.
pub(super) fn utc(local: NaiveDateTime) -> String {
    (local + TimeDelta::hours(3)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Six calendar months on, by the clinics' clock, which in November is only two hours behind UTC.
pub(super) fn half_a_year_after(local: NaiveDateTime) -> String {
    let later = local.checked_add_months(chrono::Months::new(6)).unwrap();
    assert!((10..=12).contains(&chrono::Datelike::month(&later)), "{later}: not in the summer that this test knows");
    let summer = later >= "2016-10-16T00:00:00".parse().unwrap();
    (later + TimeDelta::hours(if summer { 2 } else { 3 })).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
