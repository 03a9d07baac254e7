//! Feedback: of those who recommend us, apart from everyone else's, and nothing of whom they brought (P5).

use serde_json::{Value, json};

use crate::network::Network;

#[tokio::test(flavor = "multi_thread")]
async fn what_referrers_say_is_never_mixed_with_what_others_say() {
    let network = Network::start().await;
    let referrer = network.patient("north", json!({})).await;
    let newcomer = network.patient("east", json!({"recommended_by": referrer})).await;
    network.until(referrer, "referral.credited").await;

    let clinician = "0c11a1c1-0000-4000-8000-000000000001";
    let words = "The corridor was cold, but Dr Somova explained everything twice";
    for (patient, body) in [
        (
            referrer,
            json!({"branch": "north", "score": 10, "clinician": clinician, "strengths": ["explanations"], "weaknesses": ["cold_rooms"], "text": words}),
        ),
        (referrer, json!({"branch": "north", "score": 7, "strengths": ["explanations"], "time": "2026-02-27T10:00:00+03:00"})),
        (newcomer, json!({"branch": "north", "score": 2, "weaknesses": ["waiting_time"]})),
    ] {
        network.post(&format!("/v1/patients/{patient}/feedback"), body).await.ok();
    }
    let last = network.post(&format!("/v1/patients/{newcomer}/feedback"), json!({"branch": "east", "score": 4})).await.ok();
    let position = last["position"].as_str().unwrap();

    let said = network.get(&format!("/v1/feedback?from=2026-02&until=2026-03&at_least={position}")).await.ok();
    assert_eq!(said["of"], "referrers");
    // At the end of February nobody had come because of them yet: that word was not a referrer's.
    assert_eq!(said["total"]["given"], 1, "{said}");
    assert_eq!(
        said["groups"],
        json!([{
            "branch": "north", "clinician": clinician, "month": "2026-03", "given": 1, "average": 10.0, "lowest": 10, "highest": 10,
            "strengths": [{"theme": "explanations", "times": 1}], "weaknesses": [{"theme": "cold_rooms", "times": 1}],
        }])
    );
    // The position may be named in a header as well; the parameter goes before it.
    let by_header = async |path: &str, position: &str| {
        let mut request = network.request(&hyper::Method::GET, path, &network.manager, None);
        request.headers_mut().insert("Tact-At-Least", position.parse().unwrap());
        network.send(request).await
    };
    assert_eq!(by_header("/v1/feedback?from=2026-02&until=2026-03", position).await.ok(), said);
    by_header("/v1/feedback", "soon").await.refused(400, "malformed");
    by_header(&format!("/v1/feedback?at_least={position}"), "soon").await.ok();
    let late = by_header("/v1/feedback", "999999").await;
    assert_eq!(late.headers["retry-after"], "1");
    late.refused(503, "not_yet");
    let others = network.get(&format!("/v1/feedback/others?from=2026-02&until=2026-03&at_least={position}")).await.ok();
    assert_eq!(others["of"], "others");
    assert_eq!((&others["total"]["given"], &others["total"]["average"]), (&json!(3), &json!(4.33)));
    assert_eq!(others["groups"].as_array().unwrap().len(), 3);
    for answer in [&said, &others] {
        let text = answer.to_string();
        assert!(!text.contains(&referrer.to_string()) && !text.contains(&newcomer.to_string()), "{text}");
    }
    assert!(!network.log_text().await.contains("Somova"), "no words of a patient stand in an event");

    let analyst = network.token(&["analyst"], Some(&["east"])).await;
    let east = network.get_as(&analyst, "/v1/feedback/others").await.ok();
    assert_eq!(east["total"]["given"], 1, "of the caller's branches only: {east}");
    network.get_as(&analyst, "/v1/feedback?branch=north").await.refused(403, "forbidden");
    network.get_as(&analyst, "/v1/referrers?branch=east").await.refused(403, "forbidden");
    let clinician = network.token(&["clinician"], None).await;
    network.get_as(&clinician, "/v1/feedback").await.refused(403, "forbidden");
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
