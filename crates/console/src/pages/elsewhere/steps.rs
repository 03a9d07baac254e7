//! The forms: what is needed is written down, arranged, called back once, closed. Each becomes commands of the API under the form's key.

use serde_json::{Value, json};

use super::*;
use crate::clock;
use crate::failure::Problem;
use crate::form::Form;
use crate::pages::desk::given_back;
use crate::pages::{after, back};

/// The form beside those who have it.
#[derive(Debug, Deserialize)]
pub(super) struct Placing {
    key: String,
    #[serde(default)]
    branch: String,
    #[serde(default)]
    patient: String,
    #[serde(default)]
    referral: String,
    need: String,
    /// The code that the need was understood as.
    code: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    starts_at: String,
    what: String,
}

/// How far it has come, so that what is done is not done again when the rest of the form is mended.
#[derive(Debug, Default)]
struct Done {
    patient: Option<Uuid>,
    referral: Option<Uuid>,
    alike: Vec<String>,
}

/// After a form: the person's part of the page.
fn to(person: &Person, patient: Uuid, what: &str) -> Response {
    back(&after(person, "/elsewhere", &[("patient", &patient.to_string())], what))
}

fn field(name: &str) -> Failure {
    Failure::Problem(Problem::of_field(name))
}

fn id(value: &Value, name: &str) -> Result<Uuid, Failure> {
    value[name].as_str().and_then(|id| id.parse().ok()).ok_or(Failure::Ours)
}

/// Who needs it, what they need, and where they will be helped: in one go.
pub(super) async fn place(person: Person, Form(form): Form<Placing>) -> Result<Response, Failure> {
    let mut done = Done { patient: form.patient.parse().ok(), referral: form.referral.parse().ok(), alike: Vec::new() };
    match placed(&person, &form, &mut done).await {
        Ok(what) => {
            let patient = done.patient.ok_or(Failure::Ours)?.to_string();
            let alike = done.alike.join(",");
            let mut pairs = vec![("patient", patient.as_str())];
            if !alike.is_empty() {
                pairs.push(("alike", &alike));
            }
            Ok(back(&after(&person, "/elsewhere", &pairs, what)))
        }
        Err(failure) => {
            let wrong = Wrong::of(person.language, failure)?;
            let Placing { key: first, branch, need, q, at, name, phone, provider, starts_at, .. } = form;
            // What was refused is asked again under a key of its own; what was done keeps its ids.
            let key = if done.patient.is_some() { key() } else { first };
            let asked = Asked {
                need: Some(need),
                q: Some(q),
                at: Some(at),
                branch: Some(branch),
                patient: done.patient,
                referral: done.referral,
                ..Asked::default()
            };
            shown(&person, asked, Typed { key, name, phone, provider, starts_at, ..Typed::default() }, Some(wrong)).await
        }
    }
}

async fn placed(person: &Person, form: &Placing, done: &mut Done) -> Result<&'static str, Failure> {
    let arranged = arrangement(person, form).await?;
    let patient = match done.patient {
        Some(patient) => patient,
        None => {
            let body = stranger(form, person.language.tag());
            let registered = person.post("/v1/patients", &form.key, &body).await?;
            let patient = id(&registered, "patient")?;
            let alike = registered["possible_duplicates"].as_array().into_iter().flatten().filter_map(Value::as_str);
            (done.patient, done.alike) = (Some(patient), alike.take(ALIKE).map(ToOwned::to_owned).collect());
            patient
        }
    };
    let path = format!("/v1/patients/{patient}/referrals");
    let referral = match done.referral {
        Some(referral) => referral,
        None => {
            let opened = person.post(&path, &format!("{}-need", form.key), &json!({"need": form.code})).await?;
            let referral = id(&opened, "referral")?;
            done.referral = Some(referral);
            referral
        }
    };
    let Some(body) = arranged else { return Ok("referral") };
    person.post(&format!("{path}/{referral}/arrangement"), &format!("{}-arranged", form.key), &body).await?;
    Ok("arranged")
}

/// Somebody without a card: as little as there is.
fn stranger(form: &Placing, language: &str) -> Value {
    let mut details = serde_json::Map::new();
    for (name, value) in [("name", &form.name), ("phone", &form.phone)] {
        if let Some(value) = said(Some(value)) {
            details.insert(name.to_owned(), json!(value));
        }
    }
    json!({"home_branch": form.branch, "person": details, "language": language})
}

/// What was arranged, if something was. All of it is read before anything is recorded.
async fn arrangement(person: &Person, form: &Placing) -> Result<Option<Value>, Failure> {
    if form.what != "arrange" {
        return Ok(None);
    }
    let provider: Uuid = form.provider.parse().map_err(|_| field("provider"))?;
    let mut body = json!({"provider": provider});
    if let Some(typed) = said(Some(&form.starts_at)) {
        let branches = crate::layout::branches(person).await?;
        let branch = branches.iter().find(|branch| branch.branch == form.branch).ok_or_else(|| field("branch"))?;
        let wall = Wall::new(person.language, &branch.time_zone, DateTime::UNIX_EPOCH);
        let there = found::provider(person, &form.code, &provider.to_string(), &wall, None).await?;
        let zone = there.map_or_else(|| branch.time_zone.clone(), |place| place.time_zone);
        body["starts_at"] = json!(clock::typed(typed, &zone).ok_or_else(|| field("starts_at"))?);
    }
    Ok(Some(body))
}

/// The one call: the right to make it.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    key: String,
    patient: Uuid,
    referral: Uuid,
    branch: String,
    channel: String,
}

pub(super) async fn call(person: Person, Form(form): Form<Call>) -> Result<Response, Failure> {
    let ask = json!({"purpose": CALL_BACK, "about": form.referral, "channel": form.channel, "branch": form.branch});
    let answer = person.post(&format!("/v1/patients/{}/permits", form.patient), &form.key, &ask).await?;
    Ok(to(&person, form.patient, if answer["decision"] == "permitted" { "permitted" } else { "refused" }))
}

/// How the call ended.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    #[serde(flatten)]
    call: Call,
    permit: Uuid,
    outcome: String,
    note: Option<String>,
}

pub(super) async fn outcome(person: Person, Form(form): Form<Outcome>) -> Result<Response, Failure> {
    let Outcome { call, permit, outcome, note } = form;
    let mut made = json!({"direction": "outbound", "purpose": CALL_BACK, "about": call.referral, "channel": call.channel,
        "branch": call.branch, "outcome": outcome, "permit": permit});
    if let Some(note) = said(note.as_deref()) {
        made["note"] = json!(note);
    }
    person.post(&format!("/v1/patients/{}/contacts", call.patient), &call.key, &made).await?;
    Ok(to(&person, call.patient, "contact"))
}

#[derive(Debug, Deserialize)]
pub(super) struct Unused {
    key: String,
    patient: Uuid,
    permit: Uuid,
}

pub(super) async fn release(person: Person, Form(form): Form<Unused>) -> Result<Response, Failure> {
    Ok(to(&person, form.patient, given_back(&person, &form.key, form.patient, form.permit).await?))
}

#[derive(Debug, Deserialize)]
pub(super) struct Closing {
    key: String,
    patient: Uuid,
    referral: Uuid,
}

pub(super) async fn close(person: Person, Form(form): Form<Closing>) -> Result<Response, Failure> {
    person.post(&format!("/v1/patients/{}/referrals/{}/closing", form.patient, form.referral), &form.key, &json!({})).await?;
    Ok(to(&person, form.patient, "closed"))
}

/// A clinician has left. There is a field for the new clinic, and none for a number.
#[derive(Debug, Deserialize)]
pub(super) struct Departed {
    key: String,
    name: String,
    new_clinic: String,
    clinician: String,
}

pub(super) async fn departed(person: Person, Form(form): Form<Departed>) -> Result<Response, Failure> {
    let noted = async {
        let name = said(Some(&form.name));
        let clinician: Uuid = match (said(Some(&form.clinician)), name) {
            (Some(id), _) => id.parse().map_err(|_| field("clinician"))?,
            // Whose id nobody knows gets one, the same however often the form is sent.
            (None, Some(_)) => form.key.trim_end_matches("-left").parse().map_err(|_| Failure::BadForm)?,
            (None, None) => return Err(field("name")),
        };
        let mut body = json!({"new_clinic": form.new_clinic.trim()});
        if let Some(name) = name {
            body["name"] = json!(name);
        }
        person.post(&format!("/v1/clinicians/{clinician}/departure"), &form.key, &body).await
    };
    match noted.await {
        Ok(_) => {
            let sought = said(Some(&form.name)).unwrap_or(form.new_clinic.trim());
            Ok(back(&format!("{}#left", after(&person, "/elsewhere", &[("clinician", sought)], "departed"))))
        }
        Err(failure) => {
            let wrong = Wrong::of(person.language, failure)?;
            let Departed { key, name, new_clinic, clinician } = form;
            let typed = Typed { key, left_name: name, new_clinic, clinician, ..Typed::default() };
            shown(&person, Asked::default(), typed, Some(wrong)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_leaves_as_little_as_there_is() {
        let form = |text: &str| serde_urlencoded::from_str::<Placing>(text).unwrap();
        let all = form("key=k&branch=north&need=X-ray&code=x_ray&name=+Vera+&phone=&what=open");
        assert_eq!(stranger(&all, "ru"), json!({"home_branch": "north", "person": {"name": "Vera"}, "language": "ru"}));
        let none = form("key=k&branch=north&need=X-ray&code=x_ray&what=open");
        assert_eq!(stranger(&none, "en")["person"], json!({}), "not even a name is asked for");
    }
}
