//! Whether a resource is one that was taken in before, an older one, or a newer one.

use tact_fhir::Version;
use tact_personal::Source;

/// How a resource stands to what was taken in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is known of it, or it is newer.
    New,
    /// It is the same.
    Same,
    /// It is older.
    Older,
}

/// Holds a resource against what was taken in last. The time of its last change decides; then its version, where both are numbers; then its bytes.
pub(crate) fn standing(known: Option<&Source>, version: &Version, digest: i64) -> Standing {
    let Some(known) = known else { return Standing::New };
    if known.digest == digest {
        return Standing::Same;
    }
    if let (Some(before), Some(now)) = (known.updated_at, version.updated)
        && before != now
    {
        return if now < before { Standing::Older } else { Standing::New };
    }
    if let (Some(before), Some(now)) = (&known.version, &version.id) {
        if before == now {
            return Standing::Same;
        }
        if let (Ok(before), Ok(now)) = (before.parse::<u64>(), now.parse::<u64>()) {
            return if now < before { Standing::Older } else { Standing::New };
        }
    }
    // Changed, and nobody can say in which order: what comes later is taken for newer.
    Standing::New
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn version(id: Option<&str>, updated: Option<&str>) -> Version {
        Version { id: id.map(Into::into), updated: updated.map(|text| text.parse().expect("a time")) }
    }

    #[test]
    fn the_time_of_the_change_decides_then_the_number_then_the_bytes() {
        let (early, late) = (Some("2026-03-01T00:00:00Z"), Some("2026-03-02T00:00:00Z"));
        let known = |of: &Version| Source {
            resource: Uuid::nil(),
            patient: Uuid::nil(),
            version: of.id.as_ref().map(ToString::to_string),
            updated_at: of.updated,
            digest: 1,
        };
        let check = |before: Version, now: Version, digest: i64, expected: Standing| {
            assert_eq!(standing(Some(&known(&before)), &now, digest), expected, "{before:?} {now:?} {digest}");
        };
        assert_eq!(standing(None, &version(None, None), 1), Standing::New);
        check(version(None, None), version(None, None), 1, Standing::Same);
        check(version(None, None), version(None, None), 2, Standing::New);
        check(version(Some("9"), late), version(Some("10"), early), 2, Standing::Older);
        check(version(Some("9"), early), version(Some("1"), late), 2, Standing::New);
        check(version(Some("9"), None), version(Some("10"), None), 2, Standing::New);
        check(version(Some("10"), early), version(Some("9"), early), 2, Standing::Older);
        check(version(Some("a"), early), version(Some("a"), early), 2, Standing::Same);
        check(version(Some("a"), None), version(Some("b"), None), 2, Standing::New);
    }
}
