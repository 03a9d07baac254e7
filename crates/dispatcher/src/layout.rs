//! What all tables of the dispatcher look like, for whoever carries them whole from one database to another. A test holds it against the
//! databases.

use tact_database::bulk::Kind::{Bool, Int, Text, Time, Uuid};
use tact_database::copy::{Kept, Layout};

use crate::store::TABLES;

/// All of them.
pub static KEPT: Kept = Kept {
    component: &TABLES,
    layouts: &[
        Layout { table: "reading", columns: &[("name", Text), ("position", Int)] },
        Layout {
            table: "dispatches",
            columns: &[
                ("permit", Uuid),
                ("contact", Uuid),
                ("patient", Uuid),
                ("purpose", Text),
                ("channel", Text),
                ("branch", Text),
                ("expires_at", Time),
                ("state", Text),
                ("reason", Text),
                ("started_at", Time),
                ("status", Text),
                ("status_at", Time),
                ("gateway_said", Bool),
                ("outcome", Text),
                ("asked", Int),
                ("look_at", Time),
                ("claimed_by", Uuid),
                ("claimed_until", Time),
                ("covered_by", Uuid),
            ],
        },
    ],
};
