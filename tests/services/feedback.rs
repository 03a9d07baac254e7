//! Feedback: of those who recommend us, apart from everyone else's, and nothing of whom they brought (P5).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::Network;

#[tokio::test(flavor = "multi_thread")]
async fn what_referrers_say_is_never_mixed_with_what_others_say_and_never_one_persons() {
    let network = Network::start().await;
    let clinician = "0c11a1c1-0000-4000-8000-000000000001";
    let words = "The corridor was cold, but Dr Somova explained everything twice";
    let mut referrers = Vec::new();
    let mut newcomers = Vec::new();
    for _ in 0..6 {
        let referrer = network.patient("north", json!({})).await;
        newcomers.push(network.patient("east", json!({"recommended_by": referrer})).await);
        network.until(referrer, "referral.credited").await;
        referrers.push(referrer);
    }
    let give = async |patient: Uuid, body: Value| network.post(&format!("/v1/patients/{patient}/feedback"), body).await.ok();
    let of_north = json!({"branch": "north", "score": 10, "clinician": clinician, "strengths": ["explanations"], "weaknesses": ["premises"], "text": words});
    for referrer in &referrers[..3] {
        give(*referrer, of_north.clone()).await;
    }
    // At the end of February nobody had come because of them yet: that word was not a referrer's.
    give(referrers[0], json!({"branch": "north", "score": 7, "time": "2026-02-27T10:00:00+03:00"})).await;
    give(newcomers[0], json!({"branch": "north", "score": 2, "weaknesses": ["waiting_time"]})).await;
    give(newcomers[0], json!({"branch": "east", "score": 4})).await;
    for referrer in &referrers[3..5] {
        give(*referrer, json!({"branch": "east", "score": 7, "strengths": ["explanations"]})).await;
    }
    let before = network.get("/v1/feedback?by=network").await;
    let last = give(referrers[5], json!({"branch": "east", "score": 7})).await;
    let position = last["position"].as_str().unwrap();

    let said = network.get(&format!("/v1/feedback?at_least={position}")).await.ok();
    assert_eq!((&said["of"], &said["fewest_people"]), (&json!("referrers"), &json!(3)));
    let named = |theme: &str| json!([{"theme": theme, "times": 3, "average": 10.0}]);
    assert_eq!(
        said["cells"],
        json!([
            {"branch": "east", "period": "2026-03", "withheld": false, "given": 3, "average": 7.0, "strengths": [], "weaknesses": [], "themes_withheld": true},
            {"branch": "north", "period": "2026-03", "withheld": false, "given": 3, "average": 10.0, "strengths": named("explanations"),
                "weaknesses": named("premises"), "themes_withheld": false},
        ])
    );
    let by_clinician = network.get("/v1/feedback?by=clinician&per=ever").await.ok();
    assert_eq!((&by_clinician["cells"][0]["clinician"], &by_clinician["cells"][0]["given"]), (&json!(clinician), &json!(3)));
    let whole = network.get("/v1/feedback?by=network&per=year").await.ok();
    assert_eq!((&whole["cells"][0]["period"], &whole["cells"][0]["given"]), (&json!("2026"), &json!(6)), "{whole}");
    // Named by five, three of whom are shown at north: the other two must not be left over.
    assert_eq!(whole["cells"][0]["strengths"], json!([]), "{whole}");
    assert_eq!(before.status, 200);

    // Two people among the others: nothing of what they say is shown, and that it is withheld is said.
    let others = network.get("/v1/feedback/others?by=network&per=ever").await.ok();
    assert_eq!(others["of"], "others");
    assert_eq!((&others["cells"][0]["withheld"], others["cells"][0].get("given")), (&json!(true), None), "{others}");
    for answer in [&said, &others, &whole, &by_clinician] {
        let text = answer.to_string();
        assert!(referrers.iter().chain(&newcomers).all(|patient| !text.contains(&patient.to_string())), "{text}");
    }
    assert!(!network.log_text().await.contains("Somova"), "no words of a patient stand in an event");

    // The position may be named in a header as well; the parameter goes before it.
    let by_header = async |path: &str, position: &str| {
        let mut request = network.request(&hyper::Method::GET, path, &network.manager, None);
        request.headers_mut().insert("Tact-At-Least", position.parse().unwrap());
        network.send(request).await
    };
    assert_eq!(by_header("/v1/feedback", position).await.ok(), said);
    by_header("/v1/feedback", "soon").await.refused(400, "malformed");
    by_header(&format!("/v1/feedback?at_least={position}"), "soon").await.ok();
    let never = by_header("/v1/feedback", "999999").await.refused(422, "untrue");
    assert_eq!(never["field"], "at_least");

    // Every caller sees some of the same cells: what only one branch may see is no figure of its own.
    let analyst = network.token(&["analyst"], Some(&["east"])).await;
    let east = network.get_as(&analyst, "/v1/feedback").await.ok();
    assert_eq!(east["cells"], json!([said["cells"][0]]));
    network.get_as(&analyst, "/v1/feedback?by=network").await.refused(403, "forbidden");
    network.get_as(&analyst, "/v1/feedback?branch=north").await.refused(403, "forbidden");
    network.get_as(&analyst, "/v1/referrers?branch=east").await.refused(403, "forbidden");
    let clinician = network.token(&["clinician"], None).await;
    network.get_as(&clinician, "/v1/feedback").await.refused(403, "forbidden");

    // A merge makes one person of two: three voices of two people are too few.
    network.post(&format!("/v1/patients/{}/merge", referrers[0]), json!({"from": referrers[1]})).await.ok();
    network.until(referrers[1], "patient.merged").await;
    network.until_get("/v1/feedback?branch=north", |said| said["cells"][0]["withheld"] == true).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_names_themes_of_the_list_and_the_nearest_is_said_of_others() {
    let network = Network::start().await;
    let themes = network.get("/v1/themes").await.ok();
    let first = &themes["themes"][0];
    assert_eq!((&first["code"], &first["en"]), (&json!("staff_manner"), &json!("Manner of the staff")));
    assert_eq!(first["ru"], "Отношение персонала");
    let patient = network.patient("north", json!({})).await;
    let path = format!("/v1/patients/{patient}/feedback");
    let wrong =
        network.post(&path, json!({"branch": "north", "score": 9, "weaknesses": ["wating_time"]})).await.refused(422, "untrue");
    assert_eq!(wrong["field"], "weaknesses");
    assert!(wrong["detail"].as_str().unwrap().contains("did you mean `waiting_time`"), "{wrong}");
    network.post(&path, json!({"branch": "north", "score": 9, "weaknesses": ["waiting_time"]})).await.ok();
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_recommends_us_is_paged_and_says_when_they_may_be_asked() {
    let network = Network::start().await;
    let mut referrers = Vec::new();
    let mut position = None;
    for _ in 0..3 {
        let referrer = network.patient("north", json!({})).await;
        for _ in 0..2 {
            network.patient("east", json!({"recommended_by": referrer})).await;
        }
        referrers.push(referrer);
    }
    for referrer in &referrers {
        position = position.max(Some(network.until_times(*referrer, "referral.credited", 2).await));
    }
    let position = position.unwrap();
    referrers.sort();

    let first = network.get(&format!("/v1/referrers?branch=north&limit=2&at_least={position}")).await.ok();
    let page = |page: &Value| page["referrers"].as_array().unwrap().clone();
    assert_eq!(page(&first).len(), 2);
    let next = first["next"].as_str().unwrap();
    let second = network.get(&format!("/v1/referrers?branch=north&limit=2&after={next}")).await.ok();
    assert_eq!(page(&second).len(), 1);
    assert_eq!(second.get("next"), None);
    let found: Vec<_> = page(&first).into_iter().chain(page(&second)).collect();
    let ids: Vec<_> = found.iter().map(|r| r["patient"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, referrers.iter().map(ToString::to_string).collect::<Vec<_>>());
    for referrer in &found {
        assert_eq!(referrer["recommended"], 2);
        // Two weeks after the newcomer came, so that the asking does not tell on them.
        assert_eq!(referrer["ask_from"], "2026-03-16T09:00:00Z", "{referrer}");
    }
    let east = network.token(&["administrator"], Some(&["east"])).await;
    network.get_as(&east, "/v1/referrers?branch=north").await.refused(403, "forbidden");
    assert!(page(&network.get_as(&east, "/v1/referrers?branch=east").await.ok()).is_empty());
}
