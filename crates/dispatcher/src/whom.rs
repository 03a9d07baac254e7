//! Whom a word means that came from a number.

use tact_database::DbError;
use tact_domain::Purpose;
use tact_personal::Personal;
use tact_personal::phone::patients_by_phone;
use uuid::Uuid;

/// Whom a wish that came from a number means, which several people may share: all of them, since doing less is never wrong (P14).
pub(crate) async fn meant(
    personal: &Personal,
    number: Option<&str>,
    _purpose: &Purpose,
    patient: Uuid,
) -> Result<Vec<Uuid>, DbError> {
    let mut all = vec![patient];
    if let Some(number) = number {
        let others = patients_by_phone(personal, number).await?;
        all.extend(others.into_iter().filter(|other| *other != patient));
    }
    Ok(all)
}
