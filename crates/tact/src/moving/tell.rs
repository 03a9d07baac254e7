//! What is said of a backup and of a move, for people.

use std::path::Path;

use tact_archive::verify::Report;

use super::into::Done;
use super::out::Made;

/// After a backup.
pub(super) fn kept(made: &Made, folder: &Path) {
    let Made { added, log_end, root, rows, flaws, keys } = made;
    eprintln!(
        "{added} events were added to {}: it has {log_end}, without a gap, with root {root}, and {rows} rows of tables.",
        folder.display()
    );
    if *flaws > 0 {
        eprintln!(
            "{flaws} events contradict their place in the log by their own word, and are kept as they are: see `tact backup verify`."
        );
    }
    if *keys {
        eprintln!("The network's secrets are in it: whoever has the folder can sign as the network.");
    } else {
        eprintln!(
            "The network's secrets are not in it (`--with-keys`): keep them elsewhere, since without them it cannot be put back."
        );
    }
    println!("{root}");
}

/// After a network was put back.
pub(super) fn moved(report: &Report, done: &Done) {
    let Done { events, root, were_there, rows, signs, place } = done;
    if *were_there > 0 {
        eprintln!("{were_there} events were there already, from a run before this one.");
    }
    if !signs {
        eprintln!(
            "The key by which the network signs is not at hand: put it where `signing_key_file` says before a notary starts."
        );
    }
    if let Some(signed) = &report.signed {
        eprintln!("Checkpoint {} stands over the first {} events, and they lead to it.", signed.number, signed.events);
    }
    eprintln!(
        "The network `{}` is in {place}: {events} events, equal one by one, and {rows} rows of tables. The root over all events:",
        report.network
    );
    println!("{root}");
}

/// What was found in a backup.
pub(super) fn found(report: &Report) -> String {
    let Report { network, archive, events, last, root, segments, rows, signed, .. } = report;
    let mut lines = vec![
        format!("The backup {archive} of the network `{network}`."),
        format!("{events} of {last} events in {segments} segments were read, and {rows} rows of tables."),
        format!("The root over all events is {root}."),
    ];
    match signed {
        Some(signed) => {
            let whose = if signed.key_given {
                "the key that you gave"
            } else {
                "a key that stands in the backup itself; give yours with `--key`"
            };
            lines.push(format!(
                "Checkpoint {} of {} stands over {} events, signed by {}: {whose}.",
                signed.number, signed.time, signed.events, signed.key
            ));
            let later = last.saturating_sub(signed.events);
            lines.extend((later > 0).then(|| format!("{later} events came later, and nothing signed covers them.")));
        }
        None => lines.push("Nothing that was signed stands over it.".to_owned()),
    }
    lines.extend(report.strangers.iter().map(|file| format!("{file} does not belong to it, and was not looked at.")));
    lines.extend(report.damages.iter().map(|damage| format!("NO  {damage}")));
    lines.extend(report.contradictions.iter().map(|damage| format!("NO  {damage}; so it stands in the log too")));
    if report.contradicting > report.contradictions.len() as u64 {
        lines.push(format!("{} events contradict their place in all.", report.contradicting));
    }
    lines.push(match (report.is_whole(), report.holds()) {
        (_, true) => "Everything holds.".to_owned(),
        (true, false) => "The backup is whole, and the log that it was made from DOES NOT HOLD.".to_owned(),
        _ => "The backup DOES NOT HOLD.".to_owned(),
    });
    lines.join("\n") + "\n"
}
