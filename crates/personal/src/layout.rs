//! What all tables of this store look like, for whoever carries them whole from one database to another. A test holds it against the databases.

use tact_database::bulk::Kind::{Bool, Bytes, Int, Text, Time, Uuid};
use tact_database::copy::{Kept, Layout};

use crate::TABLES;

/// All of them.
pub static KEPT: Kept = Kept {
    component: &TABLES,
    layouts: &[
        Layout {
            table: "people",
            columns: &[
                ("patient", Uuid),
                ("command", Int),
                ("name", Text),
                ("phone", Text),
                ("email", Text),
                ("address", Text),
                ("birth_date", Text),
                ("search", Text),
                ("erased", Bool),
                ("number", Uuid),
            ],
        },
        Layout { table: "notes", columns: &[("id", Uuid), ("patient", Uuid), ("words", Text)] },
        Layout { table: "external_ids", columns: &[("system", Text), ("value", Text), ("patient", Uuid)] },
        Layout {
            table: "tokens",
            columns: &[
                ("id", Uuid),
                ("hash", Bytes),
                ("actor", Uuid),
                ("label", Text),
                ("roles", Text),
                ("branches", Text),
                ("created_at", Time),
                ("expires_at", Time),
                ("revoked_at", Time),
            ],
        },
        Layout {
            table: "erasures",
            columns: &[
                ("event", Uuid),
                ("patient", Uuid),
                ("reason", Text),
                ("found", Text),
                ("erased_at", Time),
                ("cleaned", Bool),
                ("repeated_at", Time),
            ],
        },
        Layout { table: "erased_upto", columns: &[("name", Text), ("position", Int)] },
        Layout { table: "number_region", columns: &[("name", Text), ("region", Text)] },
        Layout { table: "number_stops", columns: &[("stop", Uuid), ("number", Uuid), ("asked_at", Time)] },
        Layout {
            table: "sources",
            columns: &[("resource", Uuid), ("patient", Uuid), ("version", Text), ("updated_at", Time), ("digest", Int)],
        },
        Layout {
            table: "calls",
            columns: &[
                ("id", Uuid),
                ("command", Int),
                ("record", Text),
                ("branch", Text),
                ("direction", Text),
                ("begun_at", Time),
                ("seconds", Int),
                ("disposition", Text),
                ("number", Text),
                ("state", Text),
                ("reason", Text),
                ("patient", Uuid),
                ("contact", Uuid),
                ("fingerprint", Uuid),
            ],
        },
        Layout { table: "likeness_keys", columns: &[("key", Int), ("patient", Uuid), ("kind", Text)] },
        Layout { table: "likeness_made", columns: &[("patient", Uuid), ("version", Int)] },
        Layout { table: "not_duplicates", columns: &[("one", Uuid), ("other", Uuid), ("actor", Uuid), ("dismissed_at", Time)] },
        Layout { table: "search_words", columns: &[("word", Text), ("patient", Uuid)] },
        Layout { table: "clinicians", columns: &[("clinician", Uuid), ("name", Text)] },
        Layout { table: "sessions", columns: &[("token", Uuid), ("ends_at", Time), ("idle_minutes", Int), ("language", Text)] },
        Layout { table: "staff", columns: &[("actor", Uuid), ("label", Text)] },
        Layout {
            table: "sign_in_links",
            columns: &[
                ("id", Uuid),
                ("hash", Bytes),
                ("command", Int),
                ("actor", Uuid),
                ("label", Text),
                ("roles", Text),
                ("branches", Text),
                ("ends_at", Time),
                ("used_at", Time),
            ],
        },
        Layout { table: "sign_ins", columns: &[("hash", Bytes), ("ends_at", Time)] },
        Layout { table: "looks", columns: &[("patient", Uuid), ("at", Time), ("actor", Uuid), ("what", Text)] },
    ],
};
