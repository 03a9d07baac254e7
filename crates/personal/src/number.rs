//! Telephone numbers as they are compared: one form for every way of writing one, and a keyed fingerprint of that form, by which events and
//! streams may know it.
//!
//! Neither the number nor its form must ever leave this crate but to whoever may see the person; the fingerprint says nothing without the key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use phonenumber::Mode;
use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use tact_database::{DbError, Time, Tx, all, one, one_in, run, run_in, to_millis};
use uuid::Uuid;

use crate::Personal;

/// A keyed hash of a number's form.
type Keyed = Arc<dyn Fn(&[u8]) -> Uuid + Send + Sync>;

/// How numbers are read and what their fingerprints are: by a country, and by the network's secret.
#[derive(Clone)]
pub struct Numbering {
    region: Id,
    fingerprint: Keyed,
}

impl fmt::Debug for Numbering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Numbering").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Not the code of a country.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the code of a country; write two letters of ISO 3166, such as `RU` or `DE`")]
pub struct UnknownRegion(pub String);

impl Numbering {
    /// Numbers without a country's code are taken as written in `region`, two letters of ISO 3166. `fingerprint` is a keyed hash of the
    /// network's, of which the same must be used for ever.
    ///
    /// # Errors
    /// [`UnknownRegion`] if there is no such country.
    pub fn new(region: &str, fingerprint: impl Fn(&[u8]) -> Uuid + Send + Sync + 'static) -> Result<Self, UnknownRegion> {
        let unknown = || UnknownRegion(region.chars().take(20).collect());
        Ok(Self { region: region.parse().map_err(|_| unknown())?, fingerprint: Arc::new(fingerprint) })
    }

    /// The country by whose ways numbers are read.
    pub fn region(&self) -> &str {
        self.region.as_ref()
    }

    /// The fingerprint of a number: of its form by ITU-T E.164 or, if it has none, of its digits. `None` for what holds no digit.
    pub fn fingerprint(&self, number: &str) -> Option<Uuid> {
        let form = normal(self.region, number).unwrap_or_else(|| digits(number));
        (!form.is_empty()).then(|| (self.fingerprint)(form.as_bytes()))
    }

    /// The number as it is dialled, by ITU-T E.164 and without an extension; `None` if it is no number.
    pub fn dialled(&self, number: &str) -> Option<String> {
        normal(self.region, number).filter(|form| DIALLED.contains(&(form.len() - 1)))
    }
}

/// The digits of a number that is dialled: a country's code and a subscriber by ITU-T E.164, which has no more than 15; fewer than 8 ring nobody
/// outside one exchange.
const DIALLED: std::ops::RangeInclusive<usize> = 8..=15;

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

/// The number up to a word in Cyrillic behind it, such as `доб.` or `вн.` before an extension: the library knows such words in Latin only.
fn without_extension(number: &str) -> &str {
    let digit = number.find(|c: char| c.is_ascii_digit()).unwrap_or(number.len());
    let word = number[digit..].find(|c| ('а'..='я').contains(&c) || ('А'..='Я').contains(&c));
    word.map_or(number, |word| &number[..digit + word])
}

/// The number by ITU-T E.164, such as `+74951234567`, without an extension. `None` for what cannot be read as a number.
fn normal(region: Id, number: &str) -> Option<String> {
    let number = without_extension(number);
    let read = phonenumber::parse(Some(region), number).ok()?;
    let form = read.format().mode(Mode::E164).to_string();
    if read.is_valid() {
        return Some(form);
    }
    // The library takes a trunk prefix off numbers that only begin like one: +7 800 is not 8 and 00. Such a number is read once more by hand.
    let code = read.country().code();
    let countries = DATABASE.by_code(&code).unwrap_or_default();
    let code = code.to_string();
    let digits = digits(number);
    let mut candidates: Vec<&str> = Vec::new();
    candidates.extend(digits.strip_prefix(&code).filter(|_| number.trim_start().starts_with('+')));
    if candidates.is_empty() {
        let prefixes = countries.iter().filter_map(|country| country.national_prefix());
        candidates.extend(prefixes.filter_map(|prefix| digits.strip_prefix(prefix)));
        candidates.extend(digits.strip_prefix(&code));
        candidates.push(&digits);
    }
    let exists = |candidate: &&str| countries.iter().any(|country| country.descriptors().general().is_match(candidate));
    let found = candidates.into_iter().find(exists);
    Some(found.map_or(form, |found| format!("+{code}{found}")))
}

const HOLDERS: &str = "SELECT other.patient, other.number FROM people AS own JOIN people AS other ON other.number = own.number
    WHERE own.patient = $1 ORDER BY other.patient";
const BY_NUMBER: &str = "SELECT patient, number FROM people WHERE number = $1 ORDER BY patient";
const WITHOUT: &str = "SELECT patient, phone FROM people WHERE number IS NULL AND phone IS NOT NULL ORDER BY patient LIMIT 1000";
/// Only of what it was read from: the person may have been changed or erased since.
const FILL: &str = "UPDATE people SET number = $2 WHERE patient = $1 AND phone = $3";
const REGION: &str = "SELECT region FROM number_region WHERE name = 'default'";
const SET_REGION: &str =
    "INSERT INTO number_region (name, region) VALUES ('default', $1) ON CONFLICT (name) DO UPDATE SET region = $1";
const FORGET: &str = "UPDATE people SET number = NULL WHERE number IS NOT NULL";

const NOTE_STOP: &str = "INSERT INTO number_stops (stop, number, asked_at) VALUES ($1, $2, $3) ON CONFLICT (stop) DO NOTHING";
const FORGET_STOP: &str = "DELETE FROM number_stops WHERE stop = $1";
const STOPS: &str = "SELECT stop, number FROM number_stops ORDER BY asked_at, stop LIMIT $1";
const STOP: &str = "SELECT stop, number FROM number_stops WHERE stop = $1";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[HOLDERS, BY_NUMBER, WITHOUT, FILL, REGION, SET_REGION, FORGET, NOTE_STOP, FORGET_STOP, STOPS, STOP];

/// The people who have one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The number's fingerprint.
    pub number: Uuid,
    /// Who has it, by id.
    pub patients: Vec<Uuid>,
}

impl Personal {
    /// The same store, which writes the fingerprints of numbers.
    #[must_use]
    pub fn numbered(mut self, numbering: Numbering) -> Self {
        self.numbering = Some(numbering);
        self
    }

    /// How numbers are read, in a store that writes their fingerprints.
    pub fn numbering(&self) -> Option<&Numbering> {
        self.numbering.as_ref()
    }

    /// A number's fingerprint, in a store that writes them; `None` for what holds no digit.
    pub fn fingerprint(&self, phone: Option<&str>) -> Option<Uuid> {
        self.numbering.as_ref()?.fingerprint(phone?)
    }

    /// A number as it is dialled; `None` if it is no number.
    pub fn dialled(&self, number: &str) -> Option<String> {
        self.numbering.as_ref()?.dialled(number)
    }

    /// Everybody who has this number, however it is written, by id.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn by_phone(&self, number: &str) -> Result<Vec<Uuid>, DbError> {
        match self.fingerprint(Some(number)) {
            Some(number) => self.by_number(number).await,
            None => Ok(Vec::new()),
        }
    }

    /// Everybody who has the number of a patient, the patient included; `None` if no number is known of them.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn who_shares(&self, patient: Uuid) -> Result<Option<Shared>, DbError> {
        let rows: Vec<(Uuid, Uuid)> = all!(&self.db, HOLDERS, patient)?;
        let Some((_, number)) = rows.first().copied() else { return Ok(None) };
        Ok(Some(Shared { number, patients: rows.into_iter().map(|(patient, _)| patient).collect() }))
    }

    /// Everybody who has the number with this fingerprint, by id.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn by_number(&self, number: Uuid) -> Result<Vec<Uuid>, DbError> {
        let rows: Vec<(Uuid, Uuid)> = all!(&self.db, BY_NUMBER, number)?;
        Ok(rows.into_iter().map(|(patient, _)| patient).collect())
    }

    /// The numbers of these patients, by patient, and everybody who has one of them.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn numbers_of(&self, patients: &[Uuid]) -> Result<(BTreeMap<Uuid, Uuid>, Vec<Shared>), DbError> {
        let rows: Vec<crate::PersonRow> = tact_database::bulk::read(&self.db, "patient", patients).await?;
        let own: BTreeMap<Uuid, Uuid> = rows.iter().filter_map(|row| Some((row.patient, row.number?))).collect();
        let mut numbers: Vec<Uuid> = own.values().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let rows: Vec<crate::PersonRow> = tact_database::bulk::read(&self.db, "number", &numbers).await?;
        let mut shared: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for row in rows {
            if let Some(number) = row.number {
                shared.entry(number).or_default().push(row.patient);
            }
        }
        let shared = shared.into_iter().map(|(number, mut patients)| {
            patients.sort_unstable();
            Shared { number, patients }
        });
        Ok((own, shared.collect()))
    }

    /// Notes that a stop from a number may be open, so that it is found. Whether it is, the number's stream says.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn note_stop(&self, stop: Uuid, number: Uuid, asked_at: Time) -> Result<(), DbError> {
        run!(&self.db, NOTE_STOP, stop, number, to_millis(asked_at))?;
        Ok(())
    }

    /// Forgets a stop that is answered.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn forget_stop(&self, stop: Uuid) -> Result<(), DbError> {
        run!(&self.db, FORGET_STOP, stop)?;
        Ok(())
    }

    /// The stops that may be open, each with its number, the oldest first, at most so many.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn stops(&self, limit: u32) -> Result<Vec<(Uuid, Uuid)>, DbError> {
        all!(&self.db, STOPS, i64::from(limit))
    }

    /// The number from which a stop came that may be open.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn number_of_stop(&self, stop: Uuid) -> Result<Option<Uuid>, DbError> {
        let found: Option<(Uuid, Uuid)> = one!(&self.db, STOP, stop)?;
        Ok(found.map(|(_, number)| number))
    }

    /// Sees to it that every person's number has its fingerprint: of those who were written before there were any, and all of them anew if
    /// numbers are read by another country's ways than before. Goes on where it was broken off. How many were written.
    ///
    /// # Errors
    /// Whatever keeps the database from it; asking again goes on.
    pub async fn number_everybody(&self) -> Result<u64, DbError> {
        let Some(numbering) = &self.numbering else { return Ok(0) };
        let mut written = 0;
        self.read_by(numbering.region()).await?;
        loop {
            let mut tx = self.db.begin().await?;
            tx.alone("tact numbers").await?;
            let rows: Vec<(Uuid, String)> = tact_database::all_in!(&mut tx, WITHOUT)?;
            let mut filled = 0;
            for (patient, phone) in &rows {
                if let Some(number) = numbering.fingerprint(phone) {
                    filled += run_in!(&mut tx, FILL, *patient, number, phone)?;
                }
            }
            tx.commit().await?;
            written += filled;
            // What holds no digit stays as it is.
            if filled == 0 {
                return Ok(written);
            }
        }
    }

    async fn read_by(&self, region: &str) -> Result<(), DbError> {
        let mut tx: Tx = self.db.begin().await?;
        tx.alone("tact numbers").await?;
        let known: Option<(String,)> = one_in!(&mut tx, REGION)?;
        if known.as_ref().is_none_or(|(known,)| known != region) {
            run_in!(&mut tx, FORGET)?;
            crate::likeness::outdate(&mut tx).await?;
            run_in!(&mut tx, SET_REGION, region)?;
            tx.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbering() -> Numbering {
        // Enough to tell them apart.
        let hash = |form: &[u8]| {
            let sum = form.iter().fold(0xcbf2_9ce4_8422_2325_u128, |h, b| (h ^ u128::from(*b)).wrapping_mul(0x0100_0000_01b3));
            Uuid::from_u128(sum)
        };
        Numbering::new("RU", hash).unwrap()
    }

    #[test]
    fn however_a_number_is_written_it_is_one_number() {
        let numbering = numbering();
        let one = numbering.fingerprint("+7 (495) 123-45-67");
        for same in
            ["8 (495) 123-45-67", "84951234567", "7 495 123 45 67", "4951234567", "+7-495-123.45.67", "+7 (495) 1234567 ext 5"]
        {
            assert_eq!(numbering.fingerprint(same), one, "{same}");
        }
        assert_ne!(numbering.fingerprint("+7 (495) 123-45-68"), one);
        assert_eq!(numbering.fingerprint("8 800 123-45-67"), numbering.fingerprint("+7 800 123 45 67"));
    }

    #[test]
    fn a_number_is_dialled_with_its_country_and_without_its_extension() {
        let numbering = numbering();
        for spelling in ["+7 905 731-94-62", "8 (905) 731 94 62", "9057319462", "+79057319462", "8-905-731-94-62 доб. 12"] {
            assert_eq!(numbering.dialled(spelling).as_deref(), Some("+79057319462"), "{spelling}");
        }
        assert_eq!(numbering.dialled("+49 30 901820").as_deref(), Some("+4930901820"));
        assert_eq!(numbering.dialled("+86 138 0013 8000").as_deref(), Some("+8613800138000"));
        for none in ["", "12", "ask Anna", "+7 905 731-94-62 905 731 94 62"] {
            assert_eq!(numbering.dialled(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_apart_by_its_digits() {
        let numbering = numbering();
        assert_eq!(numbering.fingerprint("99-99-99999999999999999999"), numbering.fingerprint("9999 99999999999999999999"));
        assert_eq!(numbering.fingerprint("none"), None);
        assert_eq!(Numbering::new("Russia", |_| Uuid::nil()).unwrap_err(), UnknownRegion("Russia".to_owned()));
    }
}
